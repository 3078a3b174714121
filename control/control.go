// Package control closes the loop: it gets the replicas from the place and the
// demand from the gateway, lets package scale decide, has the place apply the
// decision, and writes all of it to the journal. It is the one writer of
// replica counts.
//
// Step takes the time as an argument: the simulator runs the same code. Run
// only waits between steps. The package refuses to know how to decide (scale),
// how to run replicas (fleet) and where demand comes from (a func).
package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"weir"
	"weir/fleet"
	"weir/scale"
)

// Demand returns a deployment's present demand, in an observation that began as
// scale.Unknown: totals and levels of the gateway, and reports of the engines.
// The Controller fills in Now, Replicas, NoCapacity and UTCOffset. After an
// error the last good figures are used, with their age.
type Demand func(now weir.Instant, deployment string) (scale.Observation, error)

// Target is one deployment whose replicas are controlled.
type Target struct {
	Deployment string
	Actuator   fleet.Actuator
	Demand     Demand
	Policy     scale.Policy

	// Decide replaces the Policy's own Decider, for comparing policies. By then
	// names it in the journal.
	Decide scale.Decider
	By     string

	Zone *time.Location // time zone of Policy.Schedules; nil: UTC
}

// Event is the result of one step of one target.
type Event struct {
	Deployment  string
	Observation scale.Observation
	Decision    scale.Decision
	State       scale.State // of the next step; copy it to keep it
	Acted       bool        // the place was asked to scale
	Err         error       // the place's error
}

// Options configure a Controller. Funcs may be nil. They are called by the
// goroutine that steps the target, for several targets at once under Run, and
// must return soon.
type Options struct {
	Journal *Journal      // nil: none
	Tick    time.Duration // between the steps of a target under Run; 0: 2 s
	Timeout time.Duration // of one call of an Actuator under Run; 0: 10 s

	// Holder and Token are written to the journal: the leader that decides, and
	// the token of its term. "" and 0 with a single gateway.
	Holder string
	Token  int64

	// Replicas gets the replicas at every step, and once more after the place
	// was asked to scale.
	Replicas func(deployment string, rs []weir.Replica)
	Decided  func(Event)                        // called after every decision
	Failed   func(deployment string, err error) // called when no decision was possible, or the journal could not be written
}

const (
	defaultTick    = 2 * time.Second
	defaultTimeout = 10 * time.Second
	pokeGap        = 100 * time.Millisecond // least time between steps of a target, however often it is poked
)

// Controller steps its targets. It is safe for concurrent use.
type Controller struct {
	o       Options
	changed chan struct{} // Configure was called

	mu      sync.Mutex
	targets []*target
}

// target is a Target with its memory. Its lock is held for a whole step, and
// nothing else waits for it: a slow place delays only itself.
type target struct {
	name    string
	poke    chan struct{}
	removed chan struct{}          // closed when it is removed
	next    atomic.Pointer[Target] // the configuration for the next step; nil: unchanged
	claimed atomic.Bool            // its goroutine is running

	mu         sync.Mutex
	Target     Target
	decide     scale.Decider
	state      scale.State
	demand     scale.Observation // the last good one
	asked      weir.Instant      // time of demand
	stepped    bool              // it has decided before
	noCapacity bool              // reported by the place since the last observation
	mark       mark              // its last checkpoint in the journal
}

// New makes a Controller. states are those of an earlier run, by deployment,
// from Recover. With nil the running replicas are held.
func New(o Options, targets []Target, states map[string]scale.State) (*Controller, error) {
	if o.Tick == 0 {
		o.Tick = defaultTick
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	c := &Controller{o: o, changed: make(chan struct{}, 1)}
	if err := c.Configure(targets); err != nil {
		return nil, err
	}
	for _, t := range c.targets {
		t.state = states[t.name]
	}
	return c, nil
}

// Configure replaces the targets, from their next step on. A remaining
// deployment keeps its memory. A removed one is no longer scaled, except for a
// step in progress; its replicas stay as they are. After an error nothing is
// changed.
func (c *Controller) Configure(targets []Target) error {
	if err := validate(targets); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.targets
	c.targets = nil
	for _, want := range targets {
		var t *target
		if i := slices.IndexFunc(old, func(t *target) bool { return t.name == want.Deployment }); i >= 0 {
			t = old[i]
			old = slices.Delete(slices.Clone(old), i, i+1)
		} else {
			t = &target{name: want.Deployment, poke: make(chan struct{}, 1), removed: make(chan struct{})}
		}
		t.next.Store(&want)
		c.targets = append(c.targets, t)
	}
	for _, t := range old {
		close(t.removed)
	}
	wake(c.changed)
	return nil
}

func validate(targets []Target) error {
	var faults []error
	seen := map[string]bool{}
	for _, t := range targets {
		if t.Deployment == "" || t.Actuator == nil || t.Demand == nil {
			faults = append(faults, fmt.Errorf("control: target %q has no name, no actuator or no demand", t.Deployment))
		}
		if seen[t.Deployment] {
			faults = append(faults, fmt.Errorf("control: deployment %q is a target twice: its replicas would have two writers", t.Deployment))
		}
		seen[t.Deployment] = true
		if err := t.Policy.Validate(); err != nil {
			faults = append(faults, fmt.Errorf("control: policy of %q: %w", t.Deployment, err))
		}
	}
	return errors.Join(faults...)
}

// begin applies the configuration since the last step. The lock is held.
func (t *target) begin() {
	want := t.next.Swap(nil)
	if want == nil {
		return
	}
	t.Target, t.decide = *want, want.Decide
	if t.decide == nil {
		t.decide = want.Policy.Decider()
	}
	t.mark = mark{} // the next line records the policy
}

// Poke makes the target step at once instead of at its next tick, for example
// when its queue grows. It never blocks. Only Run heeds it.
func (c *Controller) Poke(deployment string) {
	for _, t := range c.all() {
		if t.name == deployment {
			wake(t.poke)
		}
	}
}

func (c *Controller) all() []*target {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.targets)
}

// Step lets every target observe, decide and act, in order. It waits for the
// actuators without a timeout.
func (c *Controller) Step(now weir.Instant) {
	for _, t := range c.all() {
		c.step(context.Background(), 0, now, t)
	}
}

// wake signals a goroutine without waiting for it.
func wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
