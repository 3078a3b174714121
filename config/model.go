package config

import "time"

// Model is a model that callers request by name.
type Model struct {
	// The value of "model" in requests, or of the path for Azure OpenAI clients.
	Name string `yaml:"name" need:"true" format:"name" example:"gpt-4o"`
	// Other names for it.
	Aliases []string `yaml:"aliases" format:"name"`
	// How long its requests may wait, for every caller. Without it the tenant's class applies.
	Class string `yaml:"class" enum:"interactive|batch"`
	// Limits for all callers together.
	Limits Limits `yaml:"limits"`
	// Their budget per calendar day and month, in UTC.
	Budget Budget `yaml:"budget"`
	// Lowers an oversized max_tokens before the request is sent. Answers report it in x-weir-max-tokens.
	TrimMaxTokens Trim `yaml:"trim_max_tokens"`
	// The service level objective. Scaling aims for it, metrics count by it.
	SLO SLO `yaml:"slo"`
	// Limits on waiting for capacity.
	Queue Queue `yaml:"queue"`
	// How long an interactive request may wait for a preferred tier that is throttled or out of quota, if it will have room in that time. Otherwise it goes to the next tier. Without it: slo.ttft minus the time of a first token, or 100ms without slo.ttft. Batch waits for a tier with a quota until its own maximum wait.
	SpillAfter time.Duration `yaml:"spill_after" min:"1ms" max:"1h" example:"500ms"`
	// Which requests prefer the same replica of a deployment, to use its prefix cache. session: those with the same X-Weir-Session header, else the same user in the body. key: those with the same key. prefix: those with a shared prefix (at least 2 KB of JSON), unless waiting at that replica costs more than twice what the cache saves. See capacity.prefix_cache.
	Affinity string `yaml:"affinity" default:"none" enum:"none|session|key|prefix"`
	// Upstream attempts per request, including the first. Further ones are made only before anything is sent to the caller.
	Attempts int `yaml:"attempts" default:"3" min:"1" max:"10"`
	// Circuit breaker of replicas, driven by real requests: no health probes are sent.
	Health Health `yaml:"health"`
	// Sends a second request when the first token is late. Off if absent.
	Hedge *Hedge `yaml:"hedge"`
	// Stores answers for later requests that are the same. Off if absent.
	Cache *ModelCache `yaml:"cache"`
	// Stores embeddings by the text they were made of. Off if absent.
	Embeddings *ModelEmbeddings `yaml:"embeddings"`
	// Tries some of its requests on a smaller model. Off if absent.
	Cheaper *Cheaper `yaml:"cheaper"`
	// How the deployments of a tier share its traffic.
	Split Split `yaml:"split"`
	// The deployments that serve it.
	Deployments []Deployment `yaml:"deployments" need:"true"`
}

// SLO is the service level objective of a model. An absent part is no objective.
type SLO struct {
	// Time to first token, from arrival at the gateway.
	TTFT time.Duration `yaml:"ttft" min:"1ms" max:"1h" example:"2s"`
	// Mean time per output token after the first.
	TPOT time.Duration `yaml:"tpot" min:"1ms" max:"1m" example:"80ms"`
}

// Queue limits waiting for a model's capacity.
type Queue struct {
	// Maximum tokens of work waiting.
	MaxWork int `yaml:"max_work" default:"2000000" min:"1" max:"1000000000"`
	// Maximum requests waiting.
	MaxRequests int `yaml:"max_requests" default:"10000" min:"1" max:"1000000"`
	// How long an interactive request may wait.
	MaxWait time.Duration `yaml:"max_wait" default:"30s" min:"1ms" max:"1h"`
	// The same during a cold start: no replica is ready, but one may become ready.
	MaxWaitCold time.Duration `yaml:"max_wait_cold" default:"10m" min:"1ms" max:"1h"`
	// How long a batch request may wait.
	BatchWait time.Duration `yaml:"batch_wait" default:"1h" min:"1s" max:"24h"`
}

// Health is the circuit breaker of replicas.
type Health struct {
	// Consecutive failures after which a replica gets no requests for a while.
	Failures int `yaml:"failures" default:"3" min:"1" max:"1000"`
	// How long it gets no requests the first time. Doubles each time. Callers wait at most this long; if the replica stays dead they are refused at once.
	Base time.Duration `yaml:"base" default:"1s" min:"10ms" max:"10m"`
	// Longest such time.
	Max time.Duration `yaml:"max" default:"30s" min:"10ms" max:"1h"`
}
