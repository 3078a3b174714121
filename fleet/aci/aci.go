// Package aci runs replicas as container groups of Azure Container Instances: a
// server on CPUs in a group of its own, made when it is wanted and deleted when it is
// not, since a group costs money while it runs.
//
// It owns the groups that carry its tags, from the request to their end. It refuses to
// know how many there should be (package scale), what requests they get (package
// gateway), and every group without its tags: those are another's, also where they have
// a name like its own.
//
// The state is Azure's. Tags say to which Weir and deployment a group belongs, from
// what template and when it was asked for, and that it drains. A group's name is that
// of its slot: a creation that is sent twice makes one group. So a Weir that was killed
// in the middle of an operation, or another gateway, goes on from there.
package aci

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/azure"
	"weir/fleet"
)

var (
	_ fleet.Place   = (*Fleet)(nil)
	_ fleet.Watcher = (*Fleet)(nil)
	_ fleet.Bounder = (*Fleet)(nil)
)

// Options configure a Fleet.
type Options struct {
	Account     *azure.Account // needed once there are deployments
	Deployments []Deployment

	// Busy says how many requests a replica still works on; negative: not known. Nil:
	// replicas that go always get their whole Deployment.DrainDeadline.
	Busy func(deployment, replica string) int

	// Leads says whether this Weir may write now; nil: always. A Weir that may not
	// still sees every group.
	Leads func() bool

	Pace Pace
	Log  *slog.Logger // nil: silent
}

// Pace is how often groups are looked at; the zero value of each is its default.
type Pace struct {
	Idle      time.Duration // between two looks; 15 s
	Busy      time.Duration // the same while a group starts or goes; 3 s, unless Azure asks for more
	Backoff   time.Duration // after a first failure, doubled with each further one; 15 s
	Longest   time.Duration // of Backoff; 10 min
	Quiet     time.Duration // how long a draining replica must have had no request before it is deleted; 1 s
	Sick      time.Duration // how long one that was ready may fail its health check before it is replaced; 2 min
	ColdStart time.Duration // assumed before the first start was seen; 1 min
}

func (p *Pace) fill() {
	for _, f := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&p.Idle, 15 * time.Second}, {&p.Busy, 3 * time.Second}, {&p.Backoff, 15 * time.Second}, {&p.Longest, 10 * time.Minute},
		{&p.Quiet, time.Second}, {&p.Sick, 2 * time.Minute}, {&p.ColdStart, time.Minute},
	} {
		if *f.at == 0 {
			*f.at = f.def
		}
	}
}

// Fleet is the place. Make one with New; it is safe for concurrent use.
type Fleet struct {
	o     Options // without the deployments
	calls *calls  // nil before the first deployment; then never changed

	mu      sync.Mutex
	by      map[string]*target // by deployment
	old     []*target          // retired ones whose groups go
	changes fleet.Changes
	running context.Context // of Run; nil before and after it
	all     sync.WaitGroup  // of its targets
}

// New checks the options. It sends no request: see Examine.
func New(o Options) (*Fleet, error) {
	f := &Fleet{o: o, by: map[string]*target{}}
	f.o.Deployments = nil
	f.o.Pace.fill()
	if f.o.Log == nil {
		f.o.Log = slog.New(slog.DiscardHandler)
	}
	return f, f.Configure(o.Deployments)
}

// Configure replaces the deployments; on an error nothing has changed. Groups of a
// removed deployment are drained and deleted. Those of another template (Deployment)
// are replaced one by one, each when its replacement is ready.
func (f *Fleet) Configure(ds []Deployment) error {
	ds, err := filled(ds)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.calls == nil && len(ds) > 0 {
		if f.calls, err = newCalls(f.o.Account); err != nil {
			return err
		}
	}
	next := map[string]*target{}
	for _, d := range ds {
		old := f.former(&d)
		if old == nil {
			old = newTarget(f, d)
		}
		old.set(d)
		next[d.Name] = old
	}
	for _, old := range f.by {
		if !slices.Contains(slices.Collect(maps.Values(next)), old) {
			old.retire()
			f.old = append(f.old, old)
		}
	}
	f.by = next
	f.launch()
	return nil
}

// former is the target that has a deployment's groups, retired or not; nil: none. The
// lock is held.
func (f *Fleet) former(d *Deployment) *target {
	if t := f.by[d.Name]; t != nil && t.home() == d.home() {
		return t
	}
	for i, t := range f.old {
		if t.deployment().Name == d.Name && t.home() == d.home() {
			f.old = slices.Delete(f.old, i, i+1)
			return t
		}
	}
	return nil
}

// Run watches the groups and changes them until ctx ends. Groups go on running after
// it. It may be called once.
func (f *Fleet) Run(ctx context.Context) error {
	f.mu.Lock()
	f.running = ctx
	f.launch()
	f.mu.Unlock()
	<-ctx.Done()
	f.mu.Lock()
	f.running = nil
	f.mu.Unlock()
	f.all.Wait()
	return nil
}

// launch starts the targets that do not run yet, in Run. The lock is held.
func (f *Fleet) launch() {
	if f.running == nil {
		return
	}
	for _, t := range f.by {
		if !t.runs {
			t.runs = true
			ctx := f.running
			f.all.Go(func() { t.run(ctx) })
		}
	}
}

func (f *Fleet) find(deployment string) (*target, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.by[deployment]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("aci: %w: %q", fleet.ErrUnknown, deployment)
}

// Status lists the deployment's groups, oldest first. While Azure cannot be reached,
// as last seen.
func (f *Fleet) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := f.find(deployment)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.s.known {
		return nil, t.s.d.fault("%w", t.s.unknown())
	}
	return t.s.replicas(f.o.Pace), nil
}

// Scale makes the number of groups want. A failed one is deleted, and a new one made
// in its place after a wait.
func (f *Fleet) Scale(ctx context.Context, deployment string, want int, victims []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := f.find(deployment)
	if err != nil {
		return err
	}
	err = t.scale(want, victims, f.leads())
	f.changes.Publish(deployment)
	wake(t.wake)
	return err
}

func (f *Fleet) leads() bool { return f.o.Leads == nil || f.o.Leads() }

// Room is how many groups the deployment could have.
func (f *Fleet) Room(deployment string) int {
	most, _, _ := f.Bound(deployment)
	return most
}

// Bound is Room, and what sets it.
func (f *Fleet) Bound(deployment string) (most int, why, text string) {
	t, err := f.find(deployment)
	if err != nil {
		return -1, "", ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.bound(time.Now())
}

// Again is when Azure is asked again for a group that did not come.
func (f *Fleet) Again(deployment string) time.Time {
	t, err := f.find(deployment)
	if err != nil {
		return time.Time{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.again
}

// wake makes a goroutine look again, without waiting for it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
