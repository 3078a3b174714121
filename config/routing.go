package config

import "time"

// Hedge sends a second request to another replica when the first token is late.
type Hedge struct {
	// Maximum fraction of interactive requests that are sent twice. The second request goes to another replica of the same tier or a preferred one, when the first token takes longer than the 95th percentile. The first token wins, the other request is cancelled. Only streams are hedged, only while no request waits, and each hedge uses one of the attempts.
	Share Percent `yaml:"share" default:"5%" min:"0.1%" max:"50%"`
}

// Split makes callers sticky to one deployment of a tier.
type Split struct {
	// Which requests keep their deployment when weights change. key: those with the same key. header: those with the same value of a header. Only as many move as the new weights require.
	Sticky string `yaml:"sticky" default:"none" enum:"none|key|header"`
	// The header. Requests without it are distributed by weight.
	Header string `yaml:"header" format:"header" example:"x-user-id"`
}

// Canary makes a deployment a new version that is compared with the stable one.
// It gets more of the traffic step by step, and none once it is significantly
// worse in errors, time to first token or time per token.
type Canary struct {
	// The stable deployment, in the same tier. Both share its weight.
	Of string `yaml:"of" need:"true" format:"name" example:"chat/v1"`
	// The canary's share of the traffic of both, step by step. If the last is below 100%, it stays there and the comparison continues.
	Steps []Percent `yaml:"steps" min:"0.01%" max:"100%" example:"1%"`
	// Minimum requests to the canary per step.
	MinRequests int `yaml:"min_requests" default:"200" min:"10" max:"100000000"`
	// Minimum duration of a step.
	MinTime time.Duration `yaml:"min_time" default:"5m" min:"1s" max:"720h"`
	// Maximum probability that an equally good version is rolled back, over all steps together.
	FalseAlarm Percent `yaml:"false_alarm" default:"1%" min:"0.01%" max:"20%"`
	// How much slower than the stable version still counts as equally good.
	Slower Percent `yaml:"slower" default:"10%" min:"0%" max:"500%"`
	// Name of the new version. A new trial starts when it, the steps, the servers or their model change.
	Version string `yaml:"version" format:"name" example:"2026-11-23"`
}

// Mirror sends copies of the model's requests to a deployment. Their answers
// are discarded and only compared in metrics. No tenant is billed or limited
// for them.
type Mirror struct {
	// Fraction of the model's requests that is copied.
	Share Percent `yaml:"share" need:"true" min:"0.01%" max:"100%" example:"5%"`
	// Maximum copies in flight.
	MaxConcurrent int `yaml:"max_concurrent" default:"16" min:"1" max:"100000"`
}

// Spillover is Azure's own, from a provisioned deployment to a standard one of
// the same resource.
type Spillover struct {
	// The standard deployment to request with each call. Without it: the one configured at the provisioned deployment, if any.
	Deployment string `yaml:"deployment" format:"name" example:"gpt-4o-standard"`
	// Token prices there. Without it: those of the model named by ptu_model in the catalogue (weir price).
	Price *Price `yaml:"price"`
}
