// Package azureml runs replicas as instances of the deployments of managed online
// endpoints of Azure Machine Learning: N instances behind one address.
//
// It owns the number of instances (sku.capacity) and, where that is allowed, the
// deployment itself: Azure has no zero, so zero is a deployment that is deleted and
// made again from its definition. It refuses to know how many instances there
// should be (package scale) and what requests they get (package gateway). It shares
// the number with no other writer: where an autoscale setting or a person writes it
// too, it changes nothing and names that writer.
//
// The state is Azure's. One goroutine for each endpoint reads before it writes and
// has one operation under way, as Azure allows; a tag of the deployment says what
// was begun. So a Weir that was killed in the middle of an operation, or another
// gateway, goes on from there.
package azureml

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// ErrHeld: another writer changes the number of instances. Weir changes nothing
// until it stops; the error names it.
var ErrHeld = errors.New("another writes its instances")

// Options configure a Fleet.
type Options struct {
	Account     *azure.Account // needed once there are deployments
	Deployments []Deployment

	// Busy says how many requests a replica still works on. Nil: instances that go
	// always get their whole Deployment.DrainDeadline.
	Busy func(deployment, replica string) int

	// Quota is how many instances the subscription's quota allows, of which have are
	// there, and what it is; not known: it bounds nothing. Nil: never known.
	Quota func(deployment string, have int) (most int, text string, known bool)

	// Leads says whether this Weir may write now; nil: always. A Weir that may not
	// still sees every instance.
	Leads func() bool

	Pace Pace
	Log  *slog.Logger // nil: silent
}

// Pace is how often Azure is asked; the zero value of each is its default.
type Pace struct {
	Idle      time.Duration // between two looks at an endpoint; 15 s
	Busy      time.Duration // the same while an operation or a drain is under way; 5 s, unless Azure asks for more
	Backoff   time.Duration // after a first failure, doubled with each further one; 1 min
	Longest   time.Duration // of Backoff; 15 min
	HoldFor   time.Duration // how long a number that another wrote is left alone; 10 min
	Others    time.Duration // between two searches for autoscale settings; 10 min
	Quiet     time.Duration // how long a deployment must have had no request before it is deleted; 1 s
	ColdStart time.Duration // assumed before the first start was seen; 15 min
}

func (p *Pace) fill() {
	for _, f := range []struct {
		at  *time.Duration
		def time.Duration
	}{
		{&p.Idle, 15 * time.Second}, {&p.Busy, 5 * time.Second}, {&p.Backoff, time.Minute}, {&p.Longest, 15 * time.Minute},
		{&p.HoldFor, 10 * time.Minute}, {&p.Others, 10 * time.Minute}, {&p.Quiet, time.Second}, {&p.ColdStart, 15 * time.Minute},
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

	mu        sync.Mutex
	by        map[string]*target // by deployment
	endpoints map[at]*endpoint
	changes   fleet.Changes
	running   context.Context // of Run; nil before and after it
	all       sync.WaitGroup  // of its endpoints
}

// New checks the options. It sends no request: see Check.
func New(o Options) (*Fleet, error) {
	f := &Fleet{o: o, by: map[string]*target{}, endpoints: map[at]*endpoint{}}
	f.o.Deployments = nil
	f.o.Pace.fill()
	if f.o.Log == nil {
		f.o.Log = slog.New(slog.DiscardHandler)
	}
	return f, f.Configure(o.Deployments)
}

// Configure replaces the deployments; on an error nothing has changed. What a
// removed deployment has at Azure stays as it is.
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
	next, endpoints, targets := map[string]*target{}, map[at]*endpoint{}, map[at][]*target{}
	for _, d := range ds {
		old := f.by[d.Name]
		if old == nil || old.at != d.at || old.name != d.Deployment {
			old = &target{f: f, at: d.at, name: d.Deployment, s: state{want: unsaid}}
		}
		old.set(d)
		next[d.Name] = old
		e := endpoints[d.at]
		if e == nil {
			if e = f.endpoints[d.at]; e == nil {
				e = newEndpoint(f, d.at)
			}
			endpoints[d.at] = e
		}
		targets[d.at] = append(targets[d.at], old)
	}
	for at, e := range endpoints {
		e.set(targets[at])
	}
	for at, e := range f.endpoints {
		if endpoints[at] == nil {
			e.set(nil)
			if e.stop != nil {
				e.stop()
			}
		}
	}
	f.by, f.endpoints = next, endpoints
	f.launch()
	return nil
}

// Run watches the endpoints and changes them until ctx ends. Instances go on
// running after it. It may be called once.
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

// launch starts the endpoints that do not run yet, in Run. The lock is held.
func (f *Fleet) launch() {
	if f.running == nil {
		return
	}
	for _, e := range f.endpoints {
		if e.stop == nil {
			ctx, stop := context.WithCancel(f.running)
			e.stop = stop
			f.all.Go(func() { e.run(ctx) })
		}
	}
}

func (f *Fleet) find(deployment string) (*target, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.by[deployment]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("azureml: %w: %q", fleet.ErrUnknown, deployment)
}

// Status lists the deployment's instances as units of few replicas: those that
// serve, those that go, those that start, those that did not start. While Azure
// cannot be reached, as last seen.
func (f *Fleet) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t, err := f.find(deployment)
	if err != nil {
		return nil, err
	}
	if !f.leads() { // what this gateway wanted as the leader counts no more
		t.follow()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.s.known {
		return nil, t.d.fault("%w", t.unknown())
	}
	return t.s.replicas(&t.d, time.Now(), f.o.Pace), nil
}

// Scale makes the number of instances want. An operation that is under way ends
// first; what it brings beyond want goes again after it.
func (f *Fleet) Scale(ctx context.Context, deployment string, want int, _ []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, err := f.find(deployment)
	if err != nil {
		return err
	}
	if want < 0 {
		return t.d.fault("scale to %d: want zero or more", want)
	}
	if !f.leads() {
		t.follow()
		return t.d.fault("%w", fleet.ErrNotLeading)
	}
	fresh, err := t.scale(want, time.Now())
	f.changes.Publish(deployment)
	if e := f.endpointOf(t); e != nil && fresh { // else its own pace will do
		wake(e.wake)
	}
	return err
}

func (f *Fleet) endpointOf(t *target) *endpoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.endpoints[t.at]
}

func (f *Fleet) leads() bool { return f.o.Leads == nil || f.o.Leads() }

// Room is how many instances the deployment could have.
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
	most, why, text = t.s.bound(&t.d, time.Now())
	have, known := t.s.v.capacity, t.s.known
	t.mu.Unlock()
	if f.o.Quota == nil || !known {
		return most, why, text
	}
	if n, said, bounds := f.o.Quota(deployment, have); bounds && n < most {
		return n, fleet.WhyQuota, said
	}
	return most, why, text
}

// Again is when Azure is asked again for instances that it could not give.
func (f *Fleet) Again(deployment string) time.Time {
	t, err := f.find(deployment)
	if err != nil {
		return time.Time{}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.again
}

// Held names the other writer of the deployment's instances, which makes Weir
// leave them alone; "": none.
func (f *Fleet) Held(deployment string) string {
	t, err := f.find(deployment)
	if err != nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.held(time.Now())
}

// wake makes a goroutine look again, without waiting for it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
