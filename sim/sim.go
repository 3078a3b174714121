// Package sim runs recorded or drawn traffic through Weir in virtual time: the
// same dispatch core, the same control.Step and the same policies as in
// production, over a fleet whose replicas are numbers (fleet/mem) and behave
// in time as package engine says. It answers what a configuration would do and
// cost, and it is where policies are judged.
//
// It is a discrete-event simulation: integer nanoseconds, events ordered by
// (time, priority, sequence), one random stream per named part. The same
// Config gives the same Result, byte for byte. It holds what is in flight, not
// the trace. Nothing is silently lost: every arrival ends as completed,
// refused, failed or still waiting, and Run checks that they add up.
//
// Beside what a policy does stands what nobody can do better than: FluidBound,
// the Clairvoyant schedule, and a policy that is let to Foresee.
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

// Config is one run. Zero fields mean their default.
type Config struct {
	Seed   uint64
	Start  weir.Instant  // when the trace begins; 0: Tuesday, 14 May 2024, 00:00 UTC
	Source trace.Source  // what arrives
	Batch  trace.Source  // what arrives beside it and may wait (class batch); nil: nothing
	Length time.Duration // until when cost is counted; 0: until the last arrival

	Model       string
	Deployments []Deployment
	Queue       dispatch.Queue
	Shares      map[string]int // fair-share weight by Client's name; one not named has 1
	Attempts    int
	Health      dispatch.Health
	Affinity    Affinity // which requests meet at the same replica

	SLO      SLO           // of Source
	Within   time.Duration // of Batch: from arrival to the last token; 0: 1 h
	Spill    time.Duration // how long a request of Source had better wait for a preferred tier whose quota is used up
	Patience time.Duration // a caller of Source gives up when no token came for that long; 0: 120 s
	Grace    time.Duration // after the last arrival, for what is still under way; 0: 30 min

	Tick      time.Duration // between control steps; 0: 2 s
	Phase     time.Duration // of the first one after Start
	Scrape    time.Duration // how often the figures that control sees are taken; 0: at every step
	StatusLag time.Duration // until dispatch learns what became of a replica
	Sample    time.Duration // between the points of the timeline; 0: 1 min

	Journal  *control.Journal       // nil: none is kept
	Decided  func(control.Event)    // after every control step; nil: nobody listens
	Progress func(at time.Duration) // at every point of the timeline; nil: nobody listens
	Answered func(Answer)           // for every request of Source that was answered; nil: nobody listens
}

// Deployment is one way to serve the model: either own replicas or a remote
// service.
type Deployment struct {
	Name   string
	Tier   int
	Weight int // 0: 1

	// As in dispatch: what its provider is known to let through, and whether one
	// more request costs nothing here.
	Quota dispatch.Quota
	Paid  bool

	MaxRequests int // in flight per replica; 0: twice what its engine batches, or no limit for a remote one
	MaxWork     int // tokens in flight per replica; 0: no limit
	MaxPrefill  int // prompt tokens due per replica for a tenant with more than its share; 0: no limit

	Own    *Own
	Remote *Remote
}

// Answer is how one answered request fared. Tenants are named "client-" and the
// trace's number.
type Answer struct {
	Tenant         string
	Prompt, Output int
	TTFT           time.Duration
	Whole          time.Duration // from arrival to its last token
}

// Affinity is which requests meet at the same replica of Own.
type Affinity struct {
	// Block is the tokens that one id of an arrival's Prefix stands for. With it,
	// requests go to the replica that is believed to know the beginning of their
	// prompt, as dispatch does it; 0: they do not.
	Block int
	// Leading is how many ids of the Prefix are hashed instead, so that requests
	// that share them meet, wherever: what a consistent hash does. 0: none are.
	Leading int
}

// key is what requests with this prefix meet by; 0: nothing.
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

// Own is replicas that Weir runs and scales.
type Own struct {
	Engine  engine.Spec
	GPUs    int            // of one replica; 0: 1
	Price   weir.Money     // of one replica for one hour
	Initial int            // replicas that are ready when the trace begins
	Fleet   mem.Deployment // cold starts, quota, failures; its Name is not read
	Faults  Faults

	Policy scale.Policy
	Zone   *time.Location // of the policy's schedules; nil: UTC
	Decide scale.Decider  // replaces the Policy's own; nil: Policy decides
	By     string         // who decides then
}

// Faults befall own replicas while they run.
type Faults struct {
	NodeLoss time.Duration // mean time between losses of one node, all nodes together; 0: none
	StockOut []Window      // the place has no new replica to give
}

// Window is a part of the run.
type Window struct{ From, To time.Duration }

// SLO is what a request must meet to be attained.
type SLO struct {
	TTFT     time.Duration `json:"ttft_ns"`                     // to the first token, from arrival
	PerToken time.Duration `json:"ttft_per_token_ns,omitempty"` // more for each prompt token beyond Above
	Above    int           `json:"ttft_above_prompt_tokens,omitempty"`
	TPOT     time.Duration `json:"tpot_ns"` // mean per token after the first
}

func (s SLO) ttft(prompt int) time.Duration {
	return s.TTFT + s.PerToken*time.Duration(max(0, prompt-s.Above))
}

// DefaultStart is when a trace begins where Config.Start does not say: on the day
// the recorded days of Azure 2024 are of.
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
