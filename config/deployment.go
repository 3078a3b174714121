package config

import "time"

// Deployment is one way to serve a model: a place, a protocol, a price.
type Deployment struct {
	_ struct{} `oneof:"external|azureopenai|process"`

	// Name in metrics, logs, usage and x-weir-deployment, unique in the file.
	Name string `yaml:"name" need:"true" format:"name" example:"gpt-4o/ptu-eastus2"`
	// Order of preference: 0 first, the next when it is full.
	Tier int `yaml:"tier" default:"0" min:"0" max:"100"`
	// Share of the traffic inside its tier. 0 takes nothing new.
	Weight int `yaml:"weight" default:"1" min:"0" max:"1000000"`
	// The model of this file that it really is, where it stands in for another: limits of both then count what it does. Without it: the model it stands under.
	Serves string `yaml:"serves" format:"name" example:"gpt-4o-mini"`
	// Tries this deployment as a new version of another one.
	Canary *Canary `yaml:"canary"`
	// Sends it copies of requests, whose answers are dropped and only compared.
	Mirror *Mirror `yaml:"mirror"`
	// What one replica can hold at once. Bounds admission, so that the rest waits or spills.
	Capacity Capacity `yaml:"capacity"`
	// Longest prompt and answer together, in tokens. A request that this deployment finds too long goes to one that gives more, and else back to its caller.
	MaxContext int `yaml:"max_context" min:"1" max:"100000000" example:"128000"`
	// What it can do: operations, and what a prompt may hold. A request that needs another of these goes to a deployment that lists it, else it is refused. Without it: everything, until a server answers that it does not.
	Supports []string `yaml:"supports" enum:"chat|completions|embeddings|responses|messages|images|audio|tools" example:"[chat, tools]"`
	// What tokens cost here. Absent prices count as free.
	Price Price `yaml:"price"`
	// How long to wait for the upstream.
	Timeouts Timeouts `yaml:"timeouts"`
	// Whether to speak HTTP/2 to the upstream. HTTP/1.1 costs less and is what inference servers speak best.
	HTTP2 bool `yaml:"http2" default:"false"`

	// Servers that run already and that Weir does not start, by URL.
	External *External `yaml:"external"`
	// A deployment of an Azure OpenAI resource.
	AzureOpenAI *AzureOpenAI `yaml:"azureopenai"`
	// Servers that Weir starts and stops as processes on this machine.
	Process *Process `yaml:"process"`
	// How many replicas there should be. Only for places that start replicas (process). Without it: one, always.
	Scaling *Scaling `yaml:"scaling"`
}

// Place is the kind of place that runs the deployment's replicas: "external",
// "azureopenai" or "process".
func (d *Deployment) Place() string {
	switch {
	case d.External != nil:
		return "external"
	case d.AzureOpenAI != nil:
		return "azureopenai"
	default:
		return "process"
	}
}

// Capacity is what one replica can hold at once. An absent part does not bound.
type Capacity struct {
	// Requests in flight per replica.
	MaxRequests int `yaml:"max_requests" min:"1" max:"1000000" example:"64"`
	// Tokens of work in flight per replica, prompt and expected completion together.
	MaxWork int `yaml:"max_work" min:"1" max:"1000000000" example:"200000"`
	// Prompt tokens whose first token is still due, per replica, that a tenant with more in flight than its share may add to while others are there. For replicas that are one engine each; 0 does not bound. Without it: 512 for replicas that Weir starts, and no bound for others.
	MaxPrefill *int `yaml:"max_prefill" min:"0" max:"1000000000" example:"512"`
	// Tokens of prompts one replica remembers in its KV cache, for affinity: prefix. Too large a figure makes Weir believe what a replica has forgotten, too small a one misses what it knows.
	PrefixCache int `yaml:"prefix_cache" default:"262144" min:"0" max:"100000000" example:"500000"`
}

// Price is what tokens cost, class by class, from the catalogue or said here.
type Price struct {
	// Model of the price catalogue, as `weir price list tokens` names it, whose prices hold where none is given here.
	Catalogue string `yaml:"catalogue" format:"name" example:"gpt-5.6-terra"`
	// Deployment type the catalogue's prices are of.
	SKU string `yaml:"sku" default:"GlobalStandard" format:"name"`
	// Prompt tokens.
	Prompt TokenPrice `yaml:"prompt" example:"$2.50/1M tokens"`
	// Prompt tokens the upstream had in cache. Without it: as Prompt.
	Cached *TokenPrice `yaml:"cached" example:"$1.25/1M tokens"`
	// Prompt tokens the upstream wrote to its cache. Without it: as Prompt.
	CacheWrite TokenPrice `yaml:"cache_write" example:"$3.125/1M tokens"`
	// The same, written to be kept for an hour. Without it: as CacheWrite.
	CacheWriteHour TokenPrice `yaml:"cache_write_hour" example:"$5.00/1M tokens"`
	// Completion tokens, reasoning included.
	Completion TokenPrice `yaml:"completion" example:"$10.00/1M tokens"`
	// Reasoning tokens, where they have a price of their own. Without it: as Completion.
	Reasoning TokenPrice `yaml:"reasoning" example:"$10.00/1M tokens"`
	// Prompt tokens of sound. Where tokens cost something and this or audio_completion is not given, requests with sound are refused.
	AudioPrompt TokenPrice `yaml:"audio_prompt" example:"$40.00/1M tokens"`
	// Completion tokens of sound.
	AudioCompletion TokenPrice `yaml:"audio_completion" example:"$80.00/1M tokens"`
	// Each request, beside its tokens.
	Request Dollars `yaml:"request" example:"$0.005"`
	// What service_tier: priority costs, as a part of all the prices above. Where tokens cost something and this is not given, requests that ask for it are refused.
	Priority Percent `yaml:"priority" min:"1%" max:"10000%" example:"200%"`
	// The same for service_tier: flex.
	Flex Percent `yaml:"flex" min:"1%" max:"10000%" example:"50%"`
}

// Timeouts bound the wait for an upstream.
type Timeouts struct {
	// Until a connection stands, TLS included.
	Connect time.Duration `yaml:"connect" default:"5s" min:"10ms" max:"5m"`
	// From the request sent to the answer's header. A server that is not streaming sends it with the answer: allow for the whole generation.
	Header time.Duration `yaml:"header" default:"2m" min:"10ms" max:"1h"`
	// Between two parts of a streamed answer.
	Stall time.Duration `yaml:"stall" default:"1m" min:"10ms" max:"1h"`
	// For the whole answer.
	Total time.Duration `yaml:"total" default:"10m" min:"10ms" max:"24h"`
}

// External are servers that run already.
type External struct {
	// Base URL of each server, without /v1. Each is one replica.
	URLs []string `yaml:"urls" need:"true" format:"url" example:"http://10.0.0.5:8000"`
	// What the servers speak.
	Protocol string `yaml:"protocol" default:"openai" enum:"openai|anthropic"`
	// What the servers call the model. Without it: the model's own name.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-8B-Instruct"`
	// Key the servers ask for.
	APIKey Secret `yaml:"api_key"`
	// Path of the engine's own metrics (vLLM style), read for queue, KV use and GPU utilisation. "" for none.
	Metrics string `yaml:"metrics" default:"/metrics" format:"urlpath"`
}

// AzureOpenAI is one deployment of an Azure OpenAI resource.
type AzureOpenAI struct {
	_ struct{} `oneof:"api_key|entra"`

	// Endpoint of the resource.
	Endpoint string `yaml:"endpoint" need:"true" format:"endpoint" example:"https://contoso-eastus2.openai.azure.com"`
	// Name of the deployment in that resource. Without it: the model's own name.
	Deployment string `yaml:"deployment" format:"name" example:"gpt-4o-ptu"`
	// Version of the classic API, such as 2024-10-21. Without it the v1 API is used, which has none.
	APIVersion string `yaml:"api_version" format:"apiversion" example:"2024-10-21"`
	// Key of the resource.
	APIKey Secret `yaml:"api_key"`
	// Microsoft Entra ID instead of a key: which identity to use.
	Entra string `yaml:"entra" enum:"default|managed_identity|workload_identity|cli"`
	// Client ID of a user-assigned managed identity, or of a workload identity.
	ClientID string `yaml:"client_id" format:"uuid" example:"00000000-0000-0000-0000-000000000000"`

	// Provisioned throughput units of the deployment. With them Weir knows whether it has room before it asks, keeps it in full use, and lets requests wait for it or spill.
	PTU int `yaml:"ptu" min:"1" max:"100000" example:"100"`
	// What one unit carries is taken from the catalogue (weir price) under this name. Without it: the model's own name.
	PTUModel string `yaml:"ptu_model" format:"name" example:"gpt-4o"`
	// How much of a burst the provisioned deployment is trusted to take in at once, as the time it takes to drain. Azure does not publish it; where it is less, a 429 says so, and Weir goes by that.
	Burst time.Duration `yaml:"burst" default:"1m" min:"100ms" max:"1h"`
	// Share of the burst, or of the quota, that batch requests leave to interactive ones.
	Headroom Percent `yaml:"headroom" default:"30%" min:"0%" max:"99%"`
	// What Azure itself does with requests that a provisioned deployment has no room for.
	Spillover *Spillover `yaml:"spillover"`
	// Quota of a standard deployment. What the service says it allows less counts at once.
	TokensPerMinute int `yaml:"tokens_per_minute" min:"1" max:"1000000000000" example:"450000"`
	// The same in requests. Azure holds it in every second or ten, and so does Weir.
	RequestsPerMinute int `yaml:"requests_per_minute" min:"1" max:"1000000000" example:"2700"`
}

// Process are servers that Weir starts on this machine, one per replica.
type Process struct {
	// Program and arguments; no shell reads them. {port} is the port to listen on, {addr} the address 127.0.0.1:port, {gpu} the GPUs as 0,1 and {replica} the replica's name.
	Command []string `yaml:"command" need:"true" format:"template"`
	// Environment variables, added to Weir's own. The same {names} are filled in.
	Env map[string]string `yaml:"env" format:"template"`
	// Variables of Weir's own environment that this file reads secrets from and that the servers get all the same. Without it they get none of those.
	PassEnv []string `yaml:"pass_env" format:"variable" example:"[HF_TOKEN]"`
	// Working folder. Without it: Weir's own.
	Dir string `yaml:"dir" format:"path"`
	// How many GPUs each replica gets, of those in machine.gpus, set as CUDA_VISIBLE_DEVICES.
	GPUs int `yaml:"gpus" default:"0" min:"0" max:"16"`
	// What one replica runs on. With it `weir check` says whether the model fits, and `weir simulate` knows how fast it is.
	RunsOn *RunsOn `yaml:"runs_on"`
	// What the servers speak.
	Protocol string `yaml:"protocol" default:"openai" enum:"openai|anthropic"`
	// What the servers call the model. Without it: the model's own name.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-8B-Instruct"`
	// Key the servers ask for.
	APIKey Secret `yaml:"api_key"`
	// Path that answers 200 when the server is ready.
	Health string `yaml:"health" default:"/health" format:"urlpath"`
	// Path of the engine's own metrics (vLLM style), read for queue, KV use and GPU utilisation. "" for none.
	Metrics string `yaml:"metrics" default:"/metrics" format:"urlpath"`
	// How long a server may take to become ready before it counts as failed.
	StartTimeout time.Duration `yaml:"start_timeout" default:"10m" min:"100ms" max:"2h"`
	// How long requests in flight may go on when a replica is taken away.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"2m" min:"0s" max:"24h"`
	// How long a server may take to end after SIGTERM before it is killed.
	StopTimeout time.Duration `yaml:"stop_timeout" default:"10s" min:"100ms" max:"10m"`
	// When to start a server again that has ended by itself.
	Restart Restart `yaml:"restart"`
}

// RunsOn is the hardware of one replica and how the model is laid out on it.
type RunsOn struct {
	// GPU, as `weir price list gpus` names it.
	GPU string `yaml:"gpu" need:"true" format:"name" example:"H100-80GB"`
	// Model of the catalogue whose shape it has. Without it: what the servers call the model.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-8B-Instruct"`
	// GPUs one layer is cut over. 0: all of the replica's.
	TP int `yaml:"tp" default:"0" min:"0" max:"64"`
	// Storage format of the weights, as `weir fit --help` lists them. Without it: as published.
	Quant string `yaml:"quant" format:"name" example:"fp8"`
	// Longest request, prompt and answer, in tokens. 0: the model's own.
	Context int `yaml:"context" default:"0" min:"0" max:"100000000"`
	// Inference server and version.
	Engine string `yaml:"engine" format:"name" example:"vllm@0.21"`
}

// Restart says when a server that has ended by itself is started again.
type Restart struct {
	// Wait before the first new start. Doubles each time.
	Base time.Duration `yaml:"base" default:"1s" min:"10ms" max:"10m"`
	// Longest wait.
	Max time.Duration `yaml:"max" default:"1m" min:"10ms" max:"1h"`
}
