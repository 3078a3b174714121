package config

import "time"

// Model is what a caller asks for by name.
type Model struct {
	// What callers put into "model", or into the path for Azure OpenAI clients.
	Name string `yaml:"name" need:"true" format:"name" example:"gpt-4o"`
	// Further names for it.
	Aliases []string `yaml:"aliases" format:"name"`
	// How long requests to it may wait, whoever calls. Without it the tenant's class holds.
	Class string `yaml:"class" enum:"interactive|batch"`
	// What all callers together may use of it.
	Limits Limits `yaml:"limits"`
	// What they may use in a day and in a month of the calendar, in UTC.
	Budget Budget `yaml:"budget"`
	// Whether an absurd max_tokens is lowered before the request is sent on. Answers say so in x-weir-max-tokens.
	TrimMaxTokens Trim `yaml:"trim_max_tokens"`
	// What callers are promised. Scaling works towards it, metrics count by it.
	SLO SLO `yaml:"slo"`
	// What may wait for capacity.
	Queue Queue `yaml:"queue"`
	// How long an interactive request may wait for a preferred tier that is throttled, or whose quota is used up, if it will have room in that time. Then it goes to the next tier. Without it: what slo.ttft leaves when the time a first token takes is taken off, or 100ms where there is no slo.ttft. Batch waits for a tier with a quota as long as it may wait.
	SpillAfter time.Duration `yaml:"spill_after" min:"1ms" max:"1h" example:"500ms"`
	// Requests that go to the same replica of a deployment, whose cache may know their prompts, while that costs them no more than the cache can save: session for those with the same X-Weir-Session header, else the same user in the body; key for those with the same key; prefix for those whose prompts begin alike (2 KB of JSON at least), which go where the beginning is known, unless more waits there than twice what is saved. See capacity.prefix_cache.
	Affinity string `yaml:"affinity" default:"none" enum:"none|session|key|prefix"`
	// Upstream attempts per request, the first one included. Further ones are made only while nothing has reached the caller.
	Attempts int `yaml:"attempts" default:"3" min:"1" max:"10"`
	// When a replica that fails is left alone. Judged by real requests: nothing is spent on probes.
	Health Health `yaml:"health"`
	// Second requests when a first token is late. Without it there are none.
	Hedge *Hedge `yaml:"hedge"`
	// How the deployments of a tier share its traffic.
	Split Split `yaml:"split"`
	// What serves it.
	Deployments []Deployment `yaml:"deployments" need:"true"`
}

// SLO is what callers of a model are promised. An absent part promises nothing.
type SLO struct {
	// Time to first token, from arrival at the gateway.
	TTFT time.Duration `yaml:"ttft" min:"1ms" max:"1h" example:"2s"`
	// Mean time per output token after the first.
	TPOT time.Duration `yaml:"tpot" min:"1ms" max:"1m" example:"80ms"`
}

// Queue bounds what waits for a model's capacity.
type Queue struct {
	// Tokens of work that may wait.
	MaxWork int `yaml:"max_work" default:"2000000" min:"1" max:"1000000000"`
	// Requests that may wait.
	MaxRequests int `yaml:"max_requests" default:"10000" min:"1" max:"1000000"`
	// How long an interactive request may wait.
	MaxWait time.Duration `yaml:"max_wait" default:"30s" min:"1ms" max:"1h"`
	// The same while no replica is ready and one may come.
	MaxWaitCold time.Duration `yaml:"max_wait_cold" default:"10m" min:"1ms" max:"1h"`
	// How long a batch request may wait.
	BatchWait time.Duration `yaml:"batch_wait" default:"1h" min:"1s" max:"24h"`
}

// Health says when a replica that fails is left alone.
type Health struct {
	// Failures in a row after which a replica gets no requests for a while.
	Failures int `yaml:"failures" default:"3" min:"1" max:"1000"`
	// How long it is left alone the first time. Doubles each time. Callers wait for it no longer than this; of one that stays dead they are told at once.
	Base time.Duration `yaml:"base" default:"1s" min:"10ms" max:"10m"`
	// Longest time it is left alone.
	Max time.Duration `yaml:"max" default:"30s" min:"10ms" max:"1h"`
}
