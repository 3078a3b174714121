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
	// Requests that may wait for each replica, here and inside its engine.
	TargetQueue int `yaml:"target_queue" min:"1" max:"1000000" example:"5"`
	// Share of what replicas can do that is planned for. Without it: what must be kept free is learned from who meets the slo (80% where there is none).
	TargetUse Percent `yaml:"target_use" min:"1%" max:"100%" example:"80%"`
	// GPU utilisation that adds and removes replicas.
	GPUUtilisation *GPUUtilisation `yaml:"gpu_utilisation"`
	// Growth of the queue that adds replicas at once.
	Queue ScalingQueue `yaml:"queue"`
	// How long load must have stayed low before a replica is removed.
	ScaleInAfter time.Duration `yaml:"scale_in_after" default:"10m" min:"0s" max:"24h"`
	// How long no request must have come before the last replica goes, where min is 0. Without it: scale_in_after.
	ZeroAfter time.Duration `yaml:"zero_after" min:"1s" max:"24h" example:"15m"`
	// How long a replica takes from being asked for to answering, until Weir has seen it itself.
	ColdStart time.Duration `yaml:"cold_start" default:"90s" min:"0s" max:"2h"`
	// Share of requests that should meet the model's slo. Without it: 99%.
	Attainment Percent `yaml:"attainment" min:"50%" max:"99.9%" example:"99%"`
	// Figures of demand older than that hold what runs: nothing is added or removed on them.
	StaleAfter time.Duration `yaml:"stale_after" default:"30s" min:"1s" max:"1h"`
	// Looking ahead by as much as a cold start takes.
	Forecast Forecast `yaml:"forecast"`
	// What one replica does within the model's slo. Without it: computed from what it runs on, where that is known, and else learned from what it does.
	Profile *Profile `yaml:"profile"`
	// What one replica costs.
	Price *ReplicaPrice `yaml:"price"`
	// Most that all replicas of the deployment together may cost in an hour. Without it: no bound.
	BudgetPerHour Dollars `yaml:"budget_per_hour" example:"$40"`
	// Zone of the hours in schedules, by its name in the IANA time zone database.
	TimeZone string `yaml:"time_zone" default:"UTC" format:"timezone"`
	// Other bounds at some hours of the week. Where several hold at once, the highest min and the highest max count.
	Schedules []Schedule `yaml:"schedules"`
}

// Most is the highest number of replicas there may ever be: max, or that of a
// schedule where it is more.
func (s *Scaling) Most() int {
	most := s.Max
	for i := range s.Schedules {
		most = max(most, s.Schedules[i].Max)
	}
	return most
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
