package config

import "time"

// Scaling says how many replicas there should be. Every target that is given
// holds: the highest number any of them asks for is taken.
type Scaling struct {
	// Fewest replicas. 0 means that a request may have to wait for a cold start.
	Min int `yaml:"min" default:"1" min:"0" max:"10000"`
	// Most replicas.
	Max int `yaml:"max" default:"1" min:"1" max:"10000"`
	// Most replicas the place can have, when less than max at the moment. Without it: not known.
	Quota int `yaml:"quota" min:"1" max:"10000" example:"4"`
	// Requests one replica should serve.
	TargetRequests Rate `yaml:"target_requests" min:"1/h" max:"100k/s" example:"4/s"`
	// Requests one replica should have in flight.
	TargetConcurrency int `yaml:"target_concurrency" min:"1" max:"1000000" example:"32"`
	// GPU utilisation that adds and removes replicas.
	GPUUtilisation *GPUUtilisation `yaml:"gpu_utilisation"`
	// Growth of the queue that adds replicas at once.
	Queue ScalingQueue `yaml:"queue"`
	// How long load must have stayed low before a replica is removed.
	ScaleInAfter time.Duration `yaml:"scale_in_after" default:"5m" min:"0s" max:"24h"`
	// How long a replica takes from being asked for to answering, until Weir has seen it itself.
	ColdStart time.Duration `yaml:"cold_start" default:"90s" min:"0s" max:"2h"`
}

// GPUUtilisation adds a replica above High and removes one below Low.
type GPUUtilisation struct {
	// Above this, replicas are added.
	High Percent `yaml:"high" default:"80%" min:"1%" max:"100%"`
	// Below this, replicas are removed.
	Low Percent `yaml:"low" default:"30%" min:"0%" max:"99%"`
	// For how long it must have been so.
	Sustain time.Duration `yaml:"sustain" default:"2m" min:"0s" max:"1h"`
}

// ScalingQueue adds replicas when requests wait.
type ScalingQueue struct {
	// Whether a growing queue adds replicas at once, as many as the backlog needs.
	Enabled bool `yaml:"enabled" default:"true"`
	// Time in which the backlog should be worked off. Less asks for more replicas.
	DrainWithin time.Duration `yaml:"drain_within" default:"30s" min:"1s" max:"1h"`
}
