package scale

import (
	"errors"
	"fmt"
	"time"

	"weir"
)

// Policy says what a deployment's replicas are for. A zero field means its
// default; a Policy with nothing but Max is a good one. Every target that is
// given holds: the highest number any of them asks for is taken.
type Policy struct {
	Min int `json:"min"` // fewest replicas; 0: a request may have to wait for a cold start
	Max int `json:"max"` // most replicas

	// Targets per replica. 0: this signal is not used. When none of the four is
	// given and the capacity is not known yet, 70 % of MaxConcurrency is the
	// target for concurrency.
	TargetRequests    float64 `json:"target_requests,omitempty"`    // requests per second
	TargetConcurrency float64 `json:"target_concurrency,omitempty"` // requests in flight and queued
	TargetQueue       float64 `json:"target_queue,omitempty"`       // requests queued, at the gateway and in engines
	GPU               GPU     `json:"gpu,omitzero"`

	// What one replica can do, where it is known. It is learned either way.
	Capacity       Capacity `json:"capacity,omitzero"`
	MaxConcurrency int      `json:"max_concurrency,omitempty"` // requests one replica admits; 0: not known
	TargetUse      float64  `json:"target_use,omitempty"`      // share of the capacity to plan for; 0: what must be kept free is learned (Safety); 0.8 without SLO

	SLO        weir.SLO `json:"slo,omitzero"`
	Attainment float64  `json:"attainment,omitempty"` // share of requests that should meet the SLO; 0: 0.99

	// DrainWithin is the time in which a backlog should be worked off once the
	// replicas it calls for are there, and at least the time they take to start.
	// 0: 30 s. Negative: the backlog adds none.
	DrainWithin time.Duration `json:"drain_within,omitempty"`

	// ColdStart is what a start takes until three have been seen. 0: 90 s.
	ColdStart time.Duration `json:"cold_start,omitempty"`

	ScaleInAfter time.Duration `json:"scale_in_after,omitempty"` // load must have been low for that long; 0: 10 min
	ZeroAfter    time.Duration `json:"zero_after,omitempty"`     // no request for that long before there are none; 0: ScaleInAfter, with ZeroBreakEven
	StaleAfter   time.Duration `json:"stale_after,omitempty"`    // signals older than that hold; 0: 30 s

	// ZeroBreakEven lets the last replica wait until idling has cost what a start
	// does, as the others do. Without it ZeroAfter alone says how long it stays.
	ZeroBreakEven bool `json:"zero_break_even,omitempty"`

	Forecast  Forecast   `json:"forecast,omitzero"`
	Schedules []Schedule `json:"schedules,omitempty"` // at most 64

	Price         weir.Money `json:"price_dollars,omitempty"`           // of one replica for one hour
	BudgetPerHour weir.Money `json:"budget_per_hour_dollars,omitempty"` // most all replicas together may cost in an hour; 0: no bound
}

// GPU adds replicas when the mean utilisation stays above High and lets one go
// when it stays below Low.
type GPU struct {
	High    float64       `json:"high,omitempty"`    // 0..1; 0: not used
	Low     float64       `json:"low,omitempty"`     // 0: 0.3
	Sustain time.Duration `json:"sustain,omitempty"` // 0: 2 min
}

// Capacity is what one replica does at its SLO, from a load test or from
// package engine: tokens per second when it does nothing but prefill, and
// when it does nothing but decode. One of them alone is enough for work that
// is nearly all of that kind.
type Capacity struct {
	Prefill float64 `json:"prefill,omitempty"` // tokens per second
	Decode  float64 `json:"decode,omitempty"`  // tokens per second
}

// Forecast looks ahead by as much as a cold start takes, and only ever raises.
type Forecast struct {
	Off      bool    `json:"off,omitempty"`
	Quantile float64 `json:"quantile,omitempty"` // of demand to be ready for; 0: 0.9
}

// Schedule is a line of the calendar: bounds that hold at some hours. Where
// several hold at once, the highest Min and the highest Max count.
type Schedule struct {
	Days []time.Weekday `json:"days,omitempty"` // days on which it begins; none: every day
	From time.Duration  `json:"from"`           // since local midnight, below 24 h
	To   time.Duration  `json:"to"`             // since local midnight; at or below From: on the next day
	Min  int            `json:"min,omitempty"`  // floor; it begins a cold start early, so that replicas are ready at From
	Max  int            `json:"max,omitempty"`  // in place of Policy.Max; 0: as that
}

// Nominal speeds of a replica for which none are given. Only their ratio
// matters: how much more a token of output costs than one of prompt.
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
		if !(v >= low && v <= high) { // so that NaN is a fault too
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
