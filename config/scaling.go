package config

import "time"

// Scaling decides how many replicas run. All targets given apply: the one that
// asks for the most wins.
type Scaling struct {
	// Minimum number of replicas. With 0 a request may wait for a cold start.
	Min int `yaml:"min" default:"1" min:"0" max:"10000"`
	// Maximum number of replicas.
	Max int `yaml:"max" default:"1" min:"1" max:"10000"`
	// Replicas the place can hold, if fewer than max. Without it: unknown.
	Quota int `yaml:"quota" min:"1" max:"10000" example:"4"`
	// Requests per replica and time.
	TargetRequests Rate `yaml:"target_requests" min:"1/h" max:"100k/s" example:"4/s"`
	// Requests in flight per replica.
	TargetConcurrency int `yaml:"target_concurrency" min:"1" max:"1000000" example:"32"`
	// Requests waiting per replica, in Weir and inside its engine.
	TargetQueue int `yaml:"target_queue" min:"1" max:"1000000" example:"5"`
	// Target utilisation of replicas. Without it: headroom is learned from how many requests meet the slo (80% without an slo).
	TargetUse Percent `yaml:"target_use" min:"1%" max:"100%" example:"80%"`
	// GPU utilisation that adds and removes replicas.
	GPUUtilisation *GPUUtilisation `yaml:"gpu_utilisation"`
	// Growth of the queue that adds replicas at once.
	Queue ScalingQueue `yaml:"queue"`
	// How long load must have stayed low before a replica is removed.
	ScaleInAfter time.Duration `yaml:"scale_in_after" default:"10m" min:"0s" max:"24h"`
	// The last replica stops after this long without a request, if min is 0. Without it: scale_in_after.
	ZeroAfter time.Duration `yaml:"zero_after" min:"1s" max:"24h" example:"15m"`
	// Time from requesting a replica until it answers, used until Weir has measured it.
	ColdStart time.Duration `yaml:"cold_start" default:"90s" min:"0s" max:"2h"`
	// Fraction of requests that should meet the model's slo. Without it: 99%.
	Attainment Percent `yaml:"attainment" min:"50%" max:"99.9%" example:"99%"`
	// Older signals add and remove nothing.
	StaleAfter time.Duration `yaml:"stale_after" default:"30s" min:"1s" max:"1h"`
	// Looks ahead by one cold start.
	Forecast Forecast `yaml:"forecast"`
	// Capacity of one replica within the model's slo. Without it: computed from runs_on if known, else learned.
	Profile *Profile `yaml:"profile"`
	// Price of one replica.
	Price *ReplicaPrice `yaml:"price"`
	// Maximum cost per hour of all replicas of the deployment together. Without it: no bound.
	BudgetPerHour Dollars `yaml:"budget_per_hour" example:"$40"`
	// IANA time zone of the schedules.
	TimeZone string `yaml:"time_zone" default:"UTC" format:"timezone"`
	// Other bounds at certain hours of the week. If several apply, the highest min and the highest max count.
	Schedules []Schedule `yaml:"schedules"`
}

// Most is the highest possible number of replicas: max, or that of a schedule
// if it is higher.
func (s *Scaling) Most() int {
	most := s.Max
	for i := range s.Schedules {
		most = max(most, s.Schedules[i].Max)
	}
	return most
}

// GPUUtilisation adds a replica above High and removes one below Low.
type GPUUtilisation struct {
	// Adds replicas above this.
	High Percent `yaml:"high" default:"80%" min:"1%" max:"100%"`
	// Removes replicas below this.
	Low Percent `yaml:"low" default:"30%" min:"0%" max:"99%"`
	// How long it must last.
	Sustain time.Duration `yaml:"sustain" default:"2m" min:"0s" max:"1h"`
}

// ScalingQueue adds replicas when requests wait.
type ScalingQueue struct {
	// A growing queue adds replicas at once, as many as the backlog needs.
	Enabled bool `yaml:"enabled" default:"true"`
	// Time in which the backlog should be cleared. A shorter time asks for more replicas.
	DrainWithin time.Duration `yaml:"drain_within" default:"30s" min:"1s" max:"1h"`
}
