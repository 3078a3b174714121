package config

// Forecast looks ahead by as much as a cold start takes. It only raises the
// number of replicas, and stops where it has been worse than no forecast.
type Forecast struct {
	// Whether to look ahead at all.
	Enabled bool `yaml:"enabled" default:"true"`
	// Share of what may come that there should be replicas for.
	Quantile Percent `yaml:"quantile" default:"90%" min:"50%" max:"99.9%"`
}

// Profile is what one replica does within the model's slo: tokens a second of
// prompts alone and of answers alone, or the requests a second of a load test.
// Nothing but lengths says for which requests to compute it.
type Profile struct {
	// Tokens of prompts, when it does nothing else.
	Prefill Rate `yaml:"prefill" min:"1/s" max:"100M/s" example:"20k/s"`
	// Tokens of answers, when it does nothing else.
	Decode Rate `yaml:"decode" min:"1/s" max:"100M/s" example:"4k/s"`
	// Requests of prompt_tokens and output_tokens that it answers, as a load test has shown. Instead of prefill and decode.
	Requests Rate `yaml:"requests" min:"1/h" max:"100k/s" example:"6/s"`
	// Length of a usual prompt.
	PromptTokens int `yaml:"prompt_tokens" default:"1000" min:"1" max:"10000000"`
	// Length of a usual answer.
	OutputTokens int `yaml:"output_tokens" default:"200" min:"1" max:"10000000"`
}

// ReplicaPrice is what one replica costs, said or taken from the catalogue.
type ReplicaPrice struct {
	_ struct{} `oneof:"hour|vm"`

	// One replica for one hour.
	Hour Dollars `yaml:"hour" example:"$6.98"`
	// VM size a replica runs on, as `weir price list vms` names it. A replica that has some of its GPUs pays for those.
	VM string `yaml:"vm" format:"name" example:"Standard_NC40ads_H100_v5"`
	// Azure region the price of the VM size is of.
	Region string `yaml:"region" default:"eastus" format:"name"`
}
