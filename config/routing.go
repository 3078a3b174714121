package config

import "time"

// Hedge sends a second request to another replica when the first token is late.
type Hedge struct {
	// Share of the interactive requests, at most, that are sent twice. The second goes to another replica of the same tier or a preferred one, when no token has come in the time that 95 of 100 take there; the first token wins, the other request is cancelled. Only streams are hedged, only while nothing waits, and each hedge uses one of the attempts.
	Share Percent `yaml:"share" default:"5%" min:"0.1%" max:"50%"`
}

// Split says how the deployments of a tier share its traffic, beyond their weights.
type Split struct {
	// Who stays with a deployment while weights change only as far as they must: key for callers with the same key, header for requests with the same value of a header.
	Sticky string `yaml:"sticky" default:"none" enum:"none|key|header"`
	// The header. Requests without it are shared by weight.
	Header string `yaml:"header" format:"header" example:"x-user-id"`
}

// Canary makes a deployment a new version that is tried beside the stable one:
// it gets more of the traffic step by step, and none any more once it is
// significantly worse in errors, time to first token or time per token.
type Canary struct {
	// The stable deployment, of the same tier. Its weight is what both share.
	Of string `yaml:"of" need:"true" format:"name" example:"chat/v1"`
	// Shares of the traffic of both that the canary gets, one after the other. If the last is less than 100% it stays there and goes on being compared.
	Steps []Percent `yaml:"steps" min:"0.01%" max:"100%" example:"1%"`
	// How many requests to the canary a step sees at least.
	MinRequests int `yaml:"min_requests" default:"200" min:"10" max:"100000000"`
	// How long a step lasts at least.
	MinTime time.Duration `yaml:"min_time" default:"5m" min:"1s" max:"720h"`
	// The chance, at most, that a version no worse than the stable one is stepped back, over all steps together.
	FalseAlarm Percent `yaml:"false_alarm" default:"1%" min:"0.01%" max:"20%"`
	// How much slower than the stable one it may be and still count as no worse.
	Slower Percent `yaml:"slower" default:"10%" min:"0%" max:"500%"`
	// What is tried. The trial begins anew when it, the steps, the servers or their model change.
	Version string `yaml:"version" format:"name" example:"2026-11-23"`
}

// Mirror sends copies of the model's requests to a deployment. Their answers are
// dropped and only compared; nobody is billed for them or limited by them.
type Mirror struct {
	// Share of the model's requests that are copied.
	Share Percent `yaml:"share" need:"true" min:"0.01%" max:"100%" example:"5%"`
	// Copies in flight at once. More are not made.
	MaxConcurrent int `yaml:"max_concurrent" default:"16" min:"1" max:"100000"`
}

// Spillover is Azure's own, from a provisioned deployment to a standard one of
// the same resource.
type Spillover struct {
	// The standard deployment to ask for with each request. Without it: the one that the provisioned deployment names itself, if any.
	Deployment string `yaml:"deployment" format:"name" example:"gpt-4o-standard"`
	// What tokens cost there. Without it: what the catalogue (weir price) says of the model, as ptu_model names it.
	Price *Price `yaml:"price"`
}
