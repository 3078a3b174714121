package scale

import (
	"errors"
	"fmt"
	"time"

	"weir"
)

// Policy is the scaling policy of a deployment. A zero field means its default;
// a Policy with only Max set is a good one. All targets apply: the highest
// number that any of them asks for is taken.
type Policy struct {
	Min int `json:"min"` // fewest replicas; 0: requests may wait for a cold start
	Max int `json:"max"` // most replicas

	// Targets per replica. 0: the signal is not used. If none of the four is
	// set and the capacity is not known yet, the target for concurrency is 70 %
	// of MaxConcurrency.
	TargetRequests    float64 `json:"target_requests,omitempty"`    // requests per second
	TargetConcurrency float64 `json:"target_concurrency,omitempty"` // requests in flight and queued
	TargetQueue       float64 `json:"target_queue,omitempty"`       // requests queued, at the gateway and in engines
	GPU               GPU     `json:"gpu,omitzero"`

	// One replica's capacity, if known. It is learned in any case.
	Capacity       Capacity `json:"capacity,omitzero"`
	Speeds         []Speed  `json:"speeds,omitempty"`          // in its place, where it is computed: by length, rising, at most maxSpeeds
	MaxConcurrency int      `json:"max_concurrency,omitempty"` // requests one replica admits; 0: unknown
	TargetUse      float64  `json:"target_use,omitempty"`      // share of the capacity to plan for; 0: the headroom is learned (Safety); 0.8 without SLO

	SLO        weir.SLO `json:"slo,omitzero"`
	Attainment float64  `json:"attainment,omitempty"` // share of requests that should meet the SLO; 0: 0.99

	// DrainWithin is the time to work off a backlog once the replicas for it
	// are ready, at least a cold start. 0: 30 s. Negative: the backlog adds no
	// replicas.
	DrainWithin time.Duration `json:"drain_within,omitempty"`

	// ColdStart is the assumed start time until three starts were seen. 0: 90
	// s.
	ColdStart time.Duration `json:"cold_start,omitempty"`

	ScaleInAfter time.Duration `json:"scale_in_after,omitempty"` // load must have been low for this time; 0: 10 min
	ZeroAfter    time.Duration `json:"zero_after,omitempty"`     // time without a request before scaling to zero; 0: ScaleInAfter, with ZeroBreakEven
	StaleAfter   time.Duration `json:"stale_after,omitempty"`    // older signals hold the number; 0: 30 s

	// ZeroBreakEven keeps the last replica until idling has cost as much as a
	// start, like the others. Without it ZeroAfter alone sets how long it
	// stays.
	ZeroBreakEven bool `json:"zero_break_even,omitempty"`

	Forecast  Forecast   `json:"forecast,omitzero"`
	Schedules []Schedule `json:"schedules,omitempty"` // at most 64

	Price         weir.Money `json:"price_dollars,omitempty"`           // of one replica for one hour
	BudgetPerHour weir.Money `json:"budget_per_hour_dollars,omitempty"` // highest cost of all replicas together in an hour; 0: no bound
}

// GPU adds replicas while the mean utilisation stays above High and removes one
// when it stays below Low.
type GPU struct {
	High    float64       `json:"high,omitempty"`    // 0..1; 0: not used
	Low     float64       `json:"low,omitempty"`     // 0: 0.3
	Sustain time.Duration `json:"sustain,omitempty"` // 0: 2 min
}

// Capacity is one replica's throughput at its SLO, from a load test or from
// package engine: tokens per second with prefill only, and with decode only.
// One of the two is enough for work that is nearly all of that kind.
type Capacity struct {
	Prefill float64 `json:"prefill,omitempty"` // tokens per second
	Decode  float64 `json:"decode,omitempty"`  // tokens per second
}

// Forecast looks one cold start ahead and only ever raises the number.
type Forecast struct {
	Off      bool    `json:"off,omitempty"`
	Quantile float64 `json:"quantile,omitempty"` // quantile of demand to be ready for; 0: 0.9
}

// Schedule is a line of the calendar: bounds for some hours. Where several
// apply at once, the highest Min and the highest Max count.
type Schedule struct {
	Days []time.Weekday `json:"days,omitempty"` // weekdays on which it starts; none: every day
	From time.Duration  `json:"from"`           // since local midnight, below 24 h
	To   time.Duration  `json:"to"`             // since local midnight; at or below From: on the next day
	Min  int            `json:"min,omitempty"`  // floor; applied a cold start early: replicas are ready at From
	Max  int            `json:"max,omitempty"`  // replaces Policy.Max; 0: keeps it
}

// Nominal speeds of a replica without a given capacity. Only their ratio
// matters: the cost of an output token relative to a prompt token.
const (
	nominalPrefill = 4000
	nominalDecode  = 1000
)

const (
	maxReplicas  = 10_000
	maxSchedules = 64
	day          = 24 * time.Hour
)

func (p Policy) withDefaults() Policy {
	setDuration := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	setFloat := func(f *float64, def float64) {
		if *f == 0 {
			*f = def
		}
	}
	setFloat(&p.Attainment, 0.99)
	setFloat(&p.Forecast.Quantile, 0.9)
	setDuration(&p.DrainWithin, 30*time.Second)
	setDuration(&p.ColdStart, 90*time.Second)
	setDuration(&p.ScaleInAfter, 10*time.Minute)
	setDuration(&p.StaleAfter, 30*time.Second)
	if p.ZeroAfter == 0 {
		p.ZeroAfter, p.ZeroBreakEven = max(p.ScaleInAfter, time.Second), true
	}
	if p.GPU.High > 0 {
		setFloat(&p.GPU.Low, 0.3)
		setDuration(&p.GPU.Sustain, 2*time.Minute)
	}
	return p
}

// Validate reports every fault of the policy at once, joined.
func (p Policy) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	between := func(name string, v, low, high float64) {
		if !(v >= low && v <= high) { // NaN is a fault too
			fault("%s is %v, must be %v to %v", name, v, low, high)
		}
	}
	notBelow := func(name string, d, low time.Duration) {
		if d < low {
			fault("%s is %v, must be at least %v", name, d, low)
		}
	}
	if p.Max < 1 || p.Max > maxReplicas {
		fault("max is %d, must be 1 to %d", p.Max, maxReplicas)
	}
	if p.Min < 0 || p.Min > p.Max {
		fault("min is %d, must be 0 to max, which is %d", p.Min, p.Max)
	}
	between("target_requests", p.TargetRequests, 0, 1e9)
	between("target_concurrency", p.TargetConcurrency, 0, 1e9)
	between("target_queue", p.TargetQueue, 0, 1e9)
	between("gpu.high", p.GPU.High, 0, 1)
	between("gpu.low", p.GPU.Low, 0, 1)
	if d := p.withDefaults().GPU; d.High > 0 && d.Low >= d.High {
		fault("gpu.low is %v, which is not below gpu.high, %v: replicas would be added and removed in turn", d.Low, d.High)
	}
	between("capacity.prefill", p.Capacity.Prefill, 0, 1e12)
	between("capacity.decode", p.Capacity.Decode, 0, 1e12)
	if len(p.Speeds) > maxSpeeds {
		fault("%d speeds, at most %d are allowed", len(p.Speeds), maxSpeeds)
	}
	for i, s := range p.Speeds {
		if !(s.Prefill > 0 && s.Decode > 0) || s.Tokens < 1 || i > 0 && s.Tokens <= p.Speeds[i-1].Tokens {
			fault("speeds[%d] is %d tokens at %v and %v/s: lengths must rise, and speeds be above 0", i, s.Tokens, s.Prefill, s.Decode)
		}
	}
	if p.MaxConcurrency < 0 {
		fault("max_concurrency is %d, must be 0 (unknown) or more", p.MaxConcurrency)
	}
	between("target_use", p.TargetUse, 0, 1)
	between("attainment", p.Attainment, 0, 1)
	between("forecast.quantile", p.Forecast.Quantile, 0, 0.999)
	notBelow("gpu.sustain", p.GPU.Sustain, 0)
	notBelow("cold_start", p.ColdStart, 0)
	notBelow("scale_in_after", p.ScaleInAfter, 0)
	notBelow("zero_after", p.ZeroAfter, 0)
	notBelow("stale_after", p.StaleAfter, 0)
	faults = append(faults, p.scheduleFaults()...)
	faults = append(faults, p.budgetFaults()...)
	return errors.Join(faults...)
}

func (p Policy) scheduleFaults() (faults []error) {
	if len(p.Schedules) > maxSchedules {
		faults = append(faults, fmt.Errorf("%d schedules, at most %d are allowed", len(p.Schedules), maxSchedules))
	}
	for i, s := range p.Schedules {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Errorf("schedules[%d]: "+format, append([]any{i}, args...)...))
		}
		if s.From < 0 || s.From >= day || s.To < 0 || s.To > day {
			fault("from %v to %v is not within a day", s.From, s.To)
		}
		if s.Min < 0 || s.Max < 0 || s.Max > maxReplicas {
			fault("min is %d and max %d, both must be 0 to %d", s.Min, s.Max, maxReplicas)
		}
		if top := max(p.Max, s.Max); s.Min > top {
			fault("min is %d, above max, %d", s.Min, top)
		}
		for _, d := range s.Days {
			if d < time.Sunday || d > time.Saturday {
				fault("day %d does not exist: 0 is Sunday, 6 is Saturday", int(d))
			}
		}
	}
	return faults
}

func (p Policy) budgetFaults() (faults []error) {
	switch {
	case p.Price < 0 || p.BudgetPerHour < 0:
		faults = append(faults, fmt.Errorf("price is %v and budget_per_hour %v, neither may be negative", p.Price, p.BudgetPerHour))
	case p.BudgetPerHour > 0 && p.Price == 0:
		faults = append(faults, fmt.Errorf("budget_per_hour is %v, but the price of a replica is not given", p.BudgetPerHour))
	case p.BudgetPerHour > 0 && weir.Money(p.Min)*p.Price > p.BudgetPerHour:
		faults = append(faults, fmt.Errorf("min is %d replicas at %v an hour, above budget_per_hour, %v", p.Min, p.Price, p.BudgetPerHour))
	}
	return faults
}
