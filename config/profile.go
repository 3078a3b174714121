package config

// Forecast looks ahead by one cold start. It only raises the number of
// replicas, and is not used while it has been worse than no forecast.
type Forecast struct {
	// Turns the forecast on.
	Enabled bool `yaml:"enabled" default:"true"`
	// Quantile of the predicted load to provide replicas for.
	Quantile Percent `yaml:"quantile" default:"90%" min:"50%" max:"99.9%"`
}

// Profile is the capacity of one replica within the model's slo: tokens per
// second of prompts alone and of answers alone, or the requests per second of a
// load test. With lengths alone, the capacity is computed for such requests.
type Profile struct {
	// Prompt tokens, when it does nothing else.
	Prefill Rate `yaml:"prefill" min:"1/s" max:"100M/s" example:"20k/s"`
	// Answer tokens, when it does nothing else.
	Decode Rate `yaml:"decode" min:"1/s" max:"100M/s" example:"4k/s"`
	// Requests of prompt_tokens and output_tokens, from a load test. Instead of prefill and decode.
	Requests Rate `yaml:"requests" min:"1/h" max:"100k/s" example:"6/s"`
	// Length of a typical prompt.
	PromptTokens int `yaml:"prompt_tokens" default:"1000" min:"1" max:"10000000"`
	// Length of a typical answer.
	OutputTokens int `yaml:"output_tokens" default:"200" min:"1" max:"10000000"`
}

// ReplicaPrice is the price of one replica, given or taken from the catalogue.
type ReplicaPrice struct {
	_ struct{} `oneof:"hour|vm"`

	// Price of one replica per hour.
	Hour Dollars `yaml:"hour" example:"$6.98"`
	// VM size of a replica, a name from `weir price list vms`. A replica that uses some of its GPUs pays for those.
	VM string `yaml:"vm" format:"name" example:"Standard_NC40ads_H100_v5"`
	// Azure region for the price of the VM size.
	Region string `yaml:"region" default:"eastus" format:"name"`
}
