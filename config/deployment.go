package config

import "time"

// Deployment is one way to serve a model: a place, a protocol, a price.
type Deployment struct {
	_ struct{} `oneof:"external|azureopenai|process|kubernetes|azure_ml|aci"`

	// Name in metrics, logs, usage and x-weir-deployment, unique in the file.
	Name string `yaml:"name" need:"true" format:"name" example:"gpt-4o/ptu-eastus2"`
	// Order of preference: 0 first; the next gets the overflow.
	Tier int `yaml:"tier" default:"0" min:"0" max:"100"`
	// Share of the traffic in its tier. 0 takes no new requests.
	Weight int `yaml:"weight" default:"1" min:"0" max:"1000000"`
	// The model it actually serves, if it stands in for another model of this file: the limits of both then count its requests. Without it: the model it is listed under.
	Serves string `yaml:"serves" format:"name" example:"gpt-4o-mini"`
	// Makes this deployment a canary of another one.
	Canary *Canary `yaml:"canary"`
	// Sends it copies of requests; their answers are discarded and only compared.
	Mirror *Mirror `yaml:"mirror"`
	// Capacity of one replica. Requests beyond it wait or spill over.
	Capacity Capacity `yaml:"capacity"`
	// Longest prompt and answer together, in tokens. A request that is too long here goes to a deployment with more; if there is none, its caller gets the error.
	MaxContext int `yaml:"max_context" min:"1" max:"100000000" example:"128000"`
	// Supported APIs and kinds of input. A request that needs another one goes to a deployment that lists it, or is refused. Without it: everything, until a server answers that it does not.
	Supports []string `yaml:"supports" enum:"chat|completions|embeddings|responses|messages|images|audio|tools" example:"[chat, tools]"`
	// Token prices. Absent prices count as free.
	Price Price `yaml:"price"`
	// Timeouts for the upstream.
	Timeouts Timeouts `yaml:"timeouts"`
	// Uses HTTP/2 to the upstream. HTTP/1.1 costs less and is better supported by inference servers.
	HTTP2 bool `yaml:"http2" default:"false"`

	// Existing servers, by URL.
	External *External `yaml:"external"`
	// A deployment in an Azure OpenAI resource.
	AzureOpenAI *AzureOpenAI `yaml:"azureopenai"`
	// Servers that Weir starts and stops as processes on this machine.
	Process *Process `yaml:"process"`
	// Pods of a workload in a Kubernetes cluster, whose number Weir changes.
	Kubernetes *Kubernetes `yaml:"kubernetes"`
	// A deployment of a managed online endpoint of Azure Machine Learning, whose number of instances Weir changes.
	AzureML *AzureML `yaml:"azure_ml"`
	// Container groups of Azure Container Instances, which Weir makes and deletes.
	ACI *ACI `yaml:"aci"`
	// How many replicas there should be. Only for places that start replicas (process, kubernetes, azure_ml, aci). Without it: one, always.
	Scaling *Scaling `yaml:"scaling"`
}

// Place is the kind of place that runs the deployment's replicas: "external",
// "azureopenai", "kubernetes", "azure_ml", "aci" or "process".
func (d *Deployment) Place() string {
	switch {
	case d.External != nil:
		return "external"
	case d.AzureOpenAI != nil:
		return "azureopenai"
	case d.Kubernetes != nil:
		return "kubernetes"
	case d.AzureML != nil:
		return "azure_ml"
	case d.ACI != nil:
		return "aci"
	default:
		return "process"
	}
}

// Elastic says whether Weir changes the number of the deployment's replicas.
func (d *Deployment) Elastic() bool {
	return d.Process != nil || d.Kubernetes != nil || d.AzureML != nil || d.ACI != nil
}

// Capacity is the capacity of one replica. An absent part does not apply.
type Capacity struct {
	// Requests in flight per replica.
	MaxRequests int `yaml:"max_requests" min:"1" max:"1000000" example:"64"`
	// Tokens of work in flight per replica, prompt and predicted completion together.
	MaxWork int `yaml:"max_work" min:"1" max:"1000000000" example:"200000"`
	// Prompt tokens per replica still waiting for their first token, up to which a tenant over its fair share may add more while other tenants are active. For replicas that are one engine each; 0: no bound. Without it: 512 for replicas that Weir starts, no bound for others.
	MaxPrefill *int `yaml:"max_prefill" min:"0" max:"1000000000" example:"512"`
	// Size of a replica's prefix cache in tokens, for affinity: prefix. If too large, Weir expects cache hits that do not happen; if too small, it misses some.
	PrefixCache int `yaml:"prefix_cache" default:"262144" min:"0" max:"100000000" example:"500000"`
}

// Price is the price of each class of tokens, from the catalogue or given here.
type Price struct {
	// Model of the price catalogue (`weir price list tokens`), for prices not given here.
	Catalogue string `yaml:"catalogue" format:"name" example:"gpt-5.6-terra"`
	// Deployment type for the catalogue's prices.
	SKU string `yaml:"sku" default:"GlobalStandard" format:"name"`
	// Prompt tokens.
	Prompt TokenPrice `yaml:"prompt" example:"$2.50/1M tokens"`
	// Prompt tokens read from the upstream's cache. Without it: as prompt.
	Cached *TokenPrice `yaml:"cached" example:"$1.25/1M tokens"`
	// Prompt tokens written to the upstream's cache. Without it: as prompt.
	CacheWrite TokenPrice `yaml:"cache_write" example:"$3.125/1M tokens"`
	// The same, kept for an hour. Without it: as cache_write.
	CacheWriteHour TokenPrice `yaml:"cache_write_hour" example:"$5.00/1M tokens"`
	// Completion tokens, including reasoning.
	Completion TokenPrice `yaml:"completion" example:"$10.00/1M tokens"`
	// Reasoning tokens, if priced separately. Without it: as completion.
	Reasoning TokenPrice `yaml:"reasoning" example:"$10.00/1M tokens"`
	// Audio tokens of prompts. If tokens have a price and this or audio_completion is missing, requests with audio are refused.
	AudioPrompt TokenPrice `yaml:"audio_prompt" example:"$40.00/1M tokens"`
	// Audio tokens of completions.
	AudioCompletion TokenPrice `yaml:"audio_completion" example:"$80.00/1M tokens"`
	// Price per request, in addition to its tokens.
	Request Dollars `yaml:"request" example:"$0.005"`
	// Price of service_tier: priority, as a percentage of all prices above. If tokens have a price and this is missing, requests that ask for it are refused.
	Priority Percent `yaml:"priority" min:"1%" max:"10000%" example:"200%"`
	// The same for service_tier: flex.
	Flex Percent `yaml:"flex" min:"1%" max:"10000%" example:"50%"`
}

// Timeouts bound the wait for an upstream.
type Timeouts struct {
	// To establish a connection, including TLS.
	Connect time.Duration `yaml:"connect" default:"5s" min:"10ms" max:"5m"`
	// From the sent request to the answer's header. Without streaming, a server sends it with the whole answer: allow for the generation.
	Header time.Duration `yaml:"header" default:"2m" min:"10ms" max:"1h"`
	// Between two parts of a stream.
	Stall time.Duration `yaml:"stall" default:"1m" min:"10ms" max:"1h"`
	// For the whole answer.
	Total time.Duration `yaml:"total" default:"10m" min:"10ms" max:"24h"`
}

// External are existing servers.
type External struct {
	// Base URL of each server, without /v1. Each is one replica.
	URLs []string `yaml:"urls" need:"true" format:"url" example:"http://10.0.0.5:8000"`
	// API of the servers.
	Protocol string `yaml:"protocol" default:"openai" enum:"openai|anthropic"`
	// The servers' name for the model. Without it: the model's own name.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-8B-Instruct"`
	// API key of the servers.
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
	// Whether Weir changes the size of the deployment: up grows it and proposes a smaller one, both also shrinks it, ask proposes each change. Without it Weir only reads it.
	Resize string `yaml:"resize" enum:"up|both|ask"`
	// Sizes at certain hours of the week, instead of ptu or tokens_per_minute. Of several the highest counts.
	Schedules []UnitSchedule `yaml:"schedules"`
	// IANA time zone of the schedules.
	TimeZone string `yaml:"time_zone" default:"UTC" format:"timezone"`
	// Maximum cost per hour of its units, at the hourly price in the catalogue.
	BudgetPerHour Dollars `yaml:"budget_per_hour" example:"$300"`
	// Name of the resource, for azure: at the top of the file. Without it: the first word of the endpoint's host.
	Resource string `yaml:"resource" format:"name" example:"contoso-eastus2"`
	// Its resource group. Without it: azure.resource_group.
	ResourceGroup string `yaml:"resource_group" format:"name" example:"models-eastus2"`
	// Version of the classic API, such as 2024-10-21. Without it the v1 API is used, which has none.
	APIVersion string `yaml:"api_version" format:"apiversion" example:"2024-10-21"`
	// Key of the resource.
	APIKey Secret `yaml:"api_key"`
	// Microsoft Entra ID instead of a key: which identity to use.
	Entra string `yaml:"entra" enum:"default|managed_identity|workload_identity|cli"`
	// Client ID of a user-assigned managed identity, or of a workload identity.
	ClientID string `yaml:"client_id" format:"uuid" example:"00000000-0000-0000-0000-000000000000"`

	// Provisioned throughput units of the deployment. With them Weir computes whether it has room before sending, keeps it fully used, and lets requests wait for it or spill over.
	PTU int `yaml:"ptu" min:"1" max:"100000" example:"100"`
	// Name in the catalogue (weir price) for the capacity of a unit. Without it: the model's own name.
	PTUModel string `yaml:"ptu_model" format:"name" example:"gpt-4o"`
	// Assumed burst capacity of the provisioned deployment, as the time it takes to drain. Azure does not publish it; if it is smaller, Weir learns that from a 429.
	Burst time.Duration `yaml:"burst" default:"1m" min:"100ms" max:"1h"`
	// Fraction of the burst, or of the quota, that batch requests leave to interactive ones.
	Headroom Percent `yaml:"headroom" default:"30%" min:"0%" max:"99%"`
	// Azure's own spillover of requests for which a provisioned deployment has no room.
	Spillover *Spillover `yaml:"spillover"`
	// Quota of a standard deployment. A lower value reported by the service applies at once.
	TokensPerMinute int `yaml:"tokens_per_minute" min:"1" max:"1000000000000" example:"450000"`
	// The same in requests. Azure enforces it per second or ten seconds, and so does Weir.
	RequestsPerMinute int `yaml:"requests_per_minute" min:"1" max:"1000000000" example:"2700"`
}

// Process are servers that Weir starts on this machine, one per replica.
type Process struct {
	// Program and arguments; no shell is involved. {port} is the port to listen on, {addr} the address 127.0.0.1:port, {gpu} the GPUs as 0,1 and {replica} the replica's name.
	Command []string `yaml:"command" need:"true" format:"template"`
	// Environment variables, added to Weir's own. The same {names} are filled in.
	Env map[string]string `yaml:"env" format:"template"`
	// Environment variables that this file reads secrets from and that the servers may see. Without it they see none of those.
	PassEnv []string `yaml:"pass_env" format:"variable" example:"[HF_TOKEN]"`
	// Working folder. Without it: Weir's own.
	Dir string `yaml:"dir" format:"path"`
	// GPUs per replica, from machine.gpus, set as CUDA_VISIBLE_DEVICES.
	GPUs int `yaml:"gpus" default:"0" min:"0" max:"16"`
	// Hardware of one replica. With it `weir check` tells whether the model fits, and `weir simulate` how fast it is.
	RunsOn *RunsOn `yaml:"runs_on"`
	// API of the servers.
	Protocol string `yaml:"protocol" default:"openai" enum:"openai|anthropic"`
	// The servers' name for the model. Without it: the model's own name.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-8B-Instruct"`
	// API key of the servers.
	APIKey Secret `yaml:"api_key"`
	// Path that returns 200 when the server is ready.
	Health string `yaml:"health" default:"/health" format:"urlpath"`
	// Path of the engine's own metrics (vLLM style), read for queue, KV use and GPU utilisation. "" for none.
	Metrics string `yaml:"metrics" default:"/metrics" format:"urlpath"`
	// How long a server may take to become ready before it counts as failed.
	StartTimeout time.Duration `yaml:"start_timeout" default:"10m" min:"100ms" max:"2h"`
	// Time for requests in flight when a replica is removed.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"2m" min:"0s" max:"24h"`
	// How long a server may take to end after SIGTERM before it is killed.
	StopTimeout time.Duration `yaml:"stop_timeout" default:"10s" min:"100ms" max:"10m"`
	// When to restart a server that exits.
	Restart Restart `yaml:"restart"`
}

// RunsOn is the hardware of one replica and how the model is laid out on it.
type RunsOn struct {
	// GPU, a name from `weir price list gpus`.
	GPU string `yaml:"gpu" need:"true" format:"name" example:"H100-80GB"`
	// Catalogue model with the same shape. Without it: the servers' name for the model.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-8B-Instruct"`
	// Tensor parallel size. 0: all GPUs of the replica.
	TP int `yaml:"tp" default:"0" min:"0" max:"64"`
	// Quantisation of the weights, as listed by `weir fit --help`. Without it: as published.
	Quant string `yaml:"quant" format:"name" example:"fp8"`
	// Longest request, prompt and answer, in tokens. 0: the model's own.
	Context int `yaml:"context" default:"0" min:"0" max:"100000000"`
	// Inference server and version.
	Engine string `yaml:"engine" format:"name" example:"vllm@0.21"`
}

// Restart says when a server that exits is restarted.
type Restart struct {
	// Wait before the first restart. Doubles each time.
	Base time.Duration `yaml:"base" default:"1s" min:"10ms" max:"10m"`
	// Longest wait.
	Max time.Duration `yaml:"max" default:"1m" min:"10ms" max:"1h"`
}
