// Package ticks holds the comparison of Weir's baselines with the autoscalers
// they stand for. A Case is one course of load; the modules beside this
// package (hpa, kpa, apa) run the original over it and write down, tick by
// tick, what it saw and what it wanted. The tests of package scale read those
// files and hold the baselines to them without importing the originals.
//
// The original drives: replicas start and stop as it says, and the baseline is
// given what the original saw. So a difference shows at the tick where it
// arises and not at later ones, and a baseline that agrees at every tick would
// have taken the same course alone.
package ticks

import (
	"fmt"
	"time"

	"weir"
	"weir/scale"
	"weir/scale/baseline"
)

// Case is one course of load under one policy.
type Case struct {
	Name     string
	Policy   string  // one of baseline.Names
	Target   float64 // its main knob
	Min, Max int
	Start    int           // replicas ready at the beginning
	Every    time.Duration // a tick
	Cold     time.Duration // from asked to ready
	Behavior bool          // HPA only: spec.behavior is given, and filled in with its defaults

	// Differs is by how many replicas the baseline may be off at a tick, for
	// the reason in Because; 0: it must agree at every tick.
	Differs int
	Because string

	Rows []Row

	course
}

// Row is one tick.
type Row struct {
	At       time.Duration // since the beginning
	Signal   float64       // what the policy looks at: requests, or utilisation 0..1
	Ready    int
	Starting int
	Want     int // what the original wanted
}

// Have is how many replicas there are.
func (r Row) Have() int { return r.Ready + r.Starting }

// epoch is the beginning of every case: a whole minute, as sync periods and
// one-second buckets begin there.
const epoch = weir.Instant(1_700_000_040_000_000_000)

// Epoch is the beginning of every case.
func Epoch() time.Time { return time.Unix(0, int64(epoch)) }

// decider is the baseline of the case.
func (c *Case) decider() (scale.Decider, error) {
	bounds := baseline.Bounds{Min: c.Min, Max: c.Max}
	if c.Behavior {
		return baseline.HPA{Bounds: bounds, Metric: baseline.ByConcurrency, Target: c.Target, Behavior: true}.Decider(), nil
	}
	return baseline.New(c.Policy, baseline.Make{Bounds: bounds, Knob: c.Target})
}

// observation is what the baseline sees at a row.
func (c *Case) observation(r Row) scale.Observation {
	o := scale.Unknown(epoch.Add(r.At))
	for i := range r.Have() {
		state := weir.Ready
		if i >= r.Ready {
			state = weir.Starting
		}
		o.Replicas = append(o.Replicas, weir.Replica{ID: fmt.Sprint(i), State: state})
	}
	switch c.Policy {
	case "hpa":
		o.GPUUtilisation = r.Signal
	case "hpa-queue":
		o.Waiting = int(r.Signal)
	default:
		o.InFlight = int(r.Signal)
	}
	return o
}

// Check gives the baseline what the original saw and returns the ticks where
// it wants something else than the original wanted by more than is known. A
// known difference that no longer shows is a fault too: its reason is stale.
func (c *Case) Check() (faults []string, err error) {
	decide, err := c.decider()
	if err != nil {
		return nil, err
	}
	var state scale.State
	most := 0
	for _, r := range c.Rows {
		var d scale.Decision
		d, state = decide(state, c.observation(r))
		off := max(d.Want-r.Want, r.Want-d.Want)
		if most = max(most, off); off > c.Differs {
			faults = append(faults, fmt.Sprintf("%v: signal %v, %d ready, %d starting: wants %d, the original %d: %s",
				r.At, r.Signal, r.Ready, r.Starting, d.Want, r.Want, d.Reasons[0].Note))
		}
	}
	if most == 0 && c.Differs > 0 {
		faults = append(faults, fmt.Sprintf("agrees at every tick, although it is said to differ because %s", c.Because))
	}
	return faults, nil
}
