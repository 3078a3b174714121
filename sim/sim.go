// Package sim runs recorded or random traffic through Weir in virtual time: the
// same dispatch core, the same control.Step and the same policies as in
// production, over a simulated fleet (fleet/mem) with the timing of package
// engine. It predicts behaviour and cost of a configuration, and policies are
// judged with it.
//
// It is a discrete-event simulation: integer nanoseconds, events ordered by
// (time, priority, sequence), one random stream per named part. The same Config
// gives the same Result, byte for byte. It holds the requests in flight, not
// the trace. No request is silently lost: every arrival ends as completed,
// refused, failed or still waiting, and Run checks that they add up.
//
// Policies are compared with bounds that no policy can beat: FluidBound, the
// Clairvoyant schedule, and a policy that can Foresee.
//
// It does not know files, formats or reports, and it has no model of the
// gateway's own processor time.
package sim

import (
	"errors"
	"fmt"
	"time"

	"weir"
	"weir/control"
	"weir/dispatch"
	"weir/engine"
	"weir/fleet/mem"
	"weir/scale"
	"weir/trace"
)

// Config is the configuration of one run. Zero fields mean their default.
type Config struct {
	Seed   uint64
	Start  weir.Instant  // start of the trace; 0: Tuesday, 14 May 2024, 00:00 UTC
	Source trace.Source  // the arrivals
	Batch  trace.Source  // additional arrivals of class batch; nil: none
	Length time.Duration // end of the cost count; 0: the last arrival

	Model       string
	Deployments []Deployment
	Queue       dispatch.Queue
	Shares      map[string]int // fair-share weight by Client's name; an unnamed client has 1
	Attempts    int
	Health      dispatch.Health
	Affinity    Affinity // which requests go to the same replica

	SLO      SLO           // of Source
	Within   time.Duration // of Batch: from arrival to the last token; 0: 1 h
	Spill    time.Duration // how long a request of Source waits for a preferred tier with its quota used up
	Patience time.Duration // a caller of Source gives up after this time without a token; 0: 120 s
	Grace    time.Duration // after the last arrival, for requests in flight; 0: 30 min

	Tick      time.Duration // between control steps; 0: 2 s
	Phase     time.Duration // of the first step after Start
	Scrape    time.Duration // interval of control's measurements; 0: at every step
	StatusLag time.Duration // until dispatch learns of a replica's change
	Sample    time.Duration // between the points of the timeline; 0: 1 min

	Journal  *control.Journal       // nil: none
	Decided  func(control.Event)    // called after every control step; nil: not called
	Progress func(at time.Duration) // called at every point of the timeline; nil: not called
	Answered func(Answer)           // called for every answered request of Source; nil: not called
}

// Deployment is one way to serve the model: either own replicas or a remote
// service.
type Deployment struct {
	Name   string
	Tier   int
	Weight int // 0: 1

	// As in dispatch: the provider's known quota, and whether one more request
	// costs nothing here.
	Quota dispatch.Quota
	Paid  bool

	MaxRequests int // in flight per replica; 0: twice its engine's batch, or no limit for a remote one
	MaxWork     int // tokens in flight per replica; 0: no limit
	MaxPrefill  int // prompt tokens due per replica for a tenant with more than its share; 0: no limit

	Own    *Own
	Remote *Remote
}

// Answer is the result of one answered request. Tenants are named "client-" and
// the trace's number.
type Answer struct {
	Tenant         string
	Prompt, Output int
	TTFT           time.Duration
	Whole          time.Duration // from arrival to its last token
}

// Affinity defines which requests go to the same replica of Own.
type Affinity struct {
	// Block is the tokens per id of an arrival's Prefix. With it, requests go
	// to the replica that is believed to have their prefix cached, as in
	// dispatch; 0: they do not.
	Block int
	// Leading is the number of Prefix ids to hash instead: requests with the
	// same hash go to the same replica, as with consistent hashing. 0: none.
	Leading int
}

// key returns the affinity of requests with this prefix; 0: none.
func (a Affinity) key(prefix []uint64) uint64 {
	if a.Leading == 0 || len(prefix) == 0 {
		return 0
	}
	h := uint64(14695981039346656037) // FNV-1a
	for _, id := range prefix[:min(a.Leading, len(prefix))] {
		for i := range 8 {
			h = (h ^ id>>(8*i)&0xff) * 1099511628211
		}
	}
	return h
}

// Own is replicas run and scaled by Weir.
type Own struct {
	Engine  engine.Spec
	GPUs    int            // of one replica; 0: 1
	Price   weir.Money     // of one replica for one hour
	Initial int            // replicas ready at the start of the trace
	Fleet   mem.Deployment // cold starts, quota, failures; its Name is not read
	Faults  Faults

	Policy scale.Policy
	Zone   *time.Location // of the policy's schedules; nil: UTC
	Decide scale.Decider  // replaces the Policy's own; nil: Policy decides
	By     string         // name of that Decider
}

// Faults are the faults of running own replicas.
type Faults struct {
	NodeLoss time.Duration // mean time between node losses, over all nodes together; 0: none
	StockOut []Window      // times in which the place has no new replicas
}

// Window is a period of the run.
type Window struct{ From, To time.Duration }

// SLO is the target a request must meet to be attained.
type SLO struct {
	TTFT     time.Duration `json:"ttft_ns"`                     // to the first token, from arrival
	PerToken time.Duration `json:"ttft_per_token_ns,omitempty"` // added for each prompt token beyond Above
	Above    int           `json:"ttft_above_prompt_tokens,omitempty"`
	TPOT     time.Duration `json:"tpot_ns"` // mean per token after the first
}

func (s SLO) ttft(prompt int) time.Duration {
	return s.TTFT + s.PerToken*time.Duration(max(0, prompt-s.Above))
}

// DefaultStart is the start of a trace without Config.Start: the date of the
// days recorded in Azure 2024.
var DefaultStart = weir.At(time.Date(2024, 5, 14, 0, 0, 0, 0, time.UTC))

func (c Config) withDefaults() Config {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	if c.Start == 0 {
		c.Start = DefaultStart
	}
	if c.Model == "" {
		c.Model = "model"
	}
	set(&c.Patience, 120*time.Second)
	set(&c.Grace, 30*time.Minute)
	set(&c.Within, time.Hour)
	set(&c.Tick, 2*time.Second)
	set(&c.Sample, time.Minute)
	ds := make([]Deployment, len(c.Deployments))
	for i, d := range c.Deployments {
		if d.Weight == 0 {
			d.Weight = 1
		}
		if d.Own != nil {
			own := *d.Own
			own.GPUs = max(own.GPUs, 1)
			own.Fleet.Name = d.Name
			d.Own = &own
			if d.MaxRequests == 0 {
				d.MaxRequests = 2 * max(own.Engine.MaxSeqs, 1)
			}
		}
		ds[i] = d
	}
	c.Deployments = ds
	return c
}

// Validate returns every fault of the Config, joined.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf("sim: "+format, args...)) }
	if c.Source == nil {
		fault("no Source: there is nothing to simulate")
	}
	if len(c.Deployments) == 0 {
		fault("no deployment")
	}
	if c.SLO.TTFT <= 0 || c.SLO.TPOT <= 0 {
		fault("SLO is TTFT %v, TPOT %v: both must be above zero", c.SLO.TTFT, c.SLO.TPOT)
	}
	for _, d := range []time.Duration{c.Patience, c.Grace, c.Tick, c.Sample, c.Within} {
		if d < 0 {
			fault("a duration of %v is negative", d)
		}
	}
	for _, d := range []time.Duration{c.Phase, c.Scrape, c.StatusLag, c.Length, c.Spill} {
		if d < 0 {
			fault("a duration of %v is negative", d)
		}
	}
	for _, d := range c.Deployments {
		if (d.Own == nil) == (d.Remote == nil) {
			fault("deployment %q must be either Own or Remote", d.Name)
		}
		if d.Own != nil {
			if d.Own.Engine.Speed == nil {
				fault("deployment %q: no engine speed", d.Name)
			}
			if d.Own.Initial < 0 {
				fault("deployment %q begins with %d replicas", d.Name, d.Own.Initial)
			}
			if err := d.Own.Policy.Validate(); err != nil {
				faults = append(faults, fmt.Errorf("sim: policy of %q: %w", d.Name, err))
			}
		}
	}
	if err := c.dispatchOptions().Validate(); err != nil {
		faults = append(faults, fmt.Errorf("sim: %w", err))
	}
	return errors.Join(faults...)
}

func (c Config) dispatchOptions() dispatch.Options {
	o := dispatch.Options{Model: c.Model, Queue: c.Queue, Shares: c.Shares, Attempts: c.Attempts, Health: c.Health, PrefixBlock: c.Affinity.Block}
	for _, d := range c.Deployments {
		remembers := 0
		if d.Own != nil && c.Affinity.Block > 0 && d.Own.Engine.PrefixCache {
			remembers = d.Own.Engine.KVTokens
		}
		o.Deployments = append(o.Deployments, dispatch.Deployment{
			Name: d.Name, Tier: d.Tier, Weight: d.Weight, MaxRequests: d.MaxRequests, MaxWork: d.MaxWork, MaxPrefill: d.MaxPrefill,
			Elastic: d.Own != nil, CacheTokens: remembers, Quota: d.Quota, Paid: d.Paid,
		})
	}
	return o
}
