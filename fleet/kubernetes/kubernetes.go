// Package kubernetes runs replicas as pods of workloads that were deployed by
// other means: a Deployment, a StatefulSet, a LeaderWorkerSet, anything with a
// scale subresource.
//
// It owns the number in that subresource, the choice of the pods that go first,
// and the watch that reports each pod. It refuses to know how many replicas
// there should be (package scale) and what requests they get (package gateway).
// It creates and deletes no pod, and it shares the number with no other writer:
// where an autoscaler, a manifest or a person writes it too, it changes nothing
// and names that writer.
//
// One goroutine per workload reads, marks and writes; Fleet.Run starts and
// joins them all. A drain is marked on the pod itself: every gateway sees it,
// and a restarted Weir goes on where the last one ended.
package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/fleet"
)

var (
	_ fleet.Place     = (*Fleet)(nil)
	_ fleet.Watcher   = (*Fleet)(nil)
	_ fleet.Bounder   = (*Fleet)(nil)
	_ fleet.Starter   = (*Fleet)(nil)
	_ fleet.Holder    = (*Fleet)(nil)
	_ fleet.Announcer = (*Fleet)(nil)
)

// ErrHeld: another writer changes the number of replicas. Weir changes nothing
// until it stops; the error names it.
var ErrHeld = errors.New("another writes its replicas")

// errNotYet: the pods have not been listed since Run began.
var errNotYet = fmt.Errorf("%w: its pods have not been listed", fleet.ErrNotYet)

// Manager is the field manager under which Weir writes.
const Manager = "weir"

// Options configure a Fleet.
type Options struct {
	Deployments []Deployment

	// Kubeconfig is a file, Context one of its contexts; "": the current one.
	// Without a file: KUBECONFIG, then ~/.kube/config, then the service account of
	// the pod that Weir runs in.
	Kubeconfig, Context string

	// Busy says how many requests a replica still works on. A draining replica
	// goes when that has been 0 for Deployment.DrainQuiet. Nil: a draining
	// replica always gets its whole DrainDeadline.
	Busy func(deployment, replica string) int

	// Leads says whether this Weir may write now; nil: the holder of Lease may.
	// A Weir that may not still sees every pod.
	Leads func() bool

	// Lease is the Lease object that one Weir of several holds while it has a
	// workload to write; "": none, and this Weir is alone. LeaseNamespace is its namespace; "": the one that Weir
	// runs in, or that of the context.
	Lease, LeaseNamespace string

	// HoldFor is how long Weir leaves a workload alone after another client
	// wrote its replicas; default 10 min.
	HoldFor time.Duration

	Log *slog.Logger // nil: silent
}

// Fleet is the place. Make one with New; it is safe for concurrent use.
type Fleet struct {
	o     Options // without the deployments
	nodes *nodes
	lease *lease // nil: there is none

	mu      sync.Mutex
	c       *cluster             // nil before the first deployment; then never changed
	shared  bool                 // nodes are followed
	leased  bool                 // the lease is followed
	by      map[string]*workload // by deployment
	changes fleet.Changes
	running context.Context // of Run; nil before and after it
	all     sync.WaitGroup  // of its workloads
}

// New checks the options and, if there are deployments, reads the access to the
// cluster. It sends the cluster no request: see Check.
func New(o Options) (*Fleet, error) {
	f := &Fleet{o: o, nodes: newNodes(), by: map[string]*workload{}}
	if err := f.o.fill(); err != nil {
		return nil, err
	}
	if o.Leads == nil && o.Lease != "" {
		f.lease = newLease(f.o)
	}
	return f, f.Configure(o.Deployments)
}

// Configure replaces the deployments; on an error nothing has changed. The
// workload of a removed deployment stays as it is.
func (f *Fleet) Configure(ds []Deployment) error {
	o := f.o
	o.Deployments = ds
	if err := o.fill(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.c == nil && len(o.Deployments) > 0 {
		c, err := connect(o, requestsPerSecond, requestsAtOnce)
		if err != nil {
			return err
		}
		f.c = c
	}
	next := map[string]*workload{}
	for _, d := range o.Deployments {
		old := f.by[d.Name]
		if old != nil && old.d == d {
			next[d.Name] = old
			continue
		}
		w := newWorkload(f, d)
		if old != nil {
			w.succeeds(old)
		}
		next[d.Name] = w
	}
	for name, w := range f.by {
		if next[name] != w && w.stop != nil {
			w.stop()
		}
	}
	f.by = next
	f.launch()
	return nil
}

// Run watches the cluster and drains replicas until ctx ends. Replicas go on
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

// launch starts the workloads that do not run yet, in Run. The lock is held.
func (f *Fleet) launch() {
	if f.running == nil || f.c == nil {
		return
	}
	if !f.shared {
		f.shared = true
		ctx, c := f.running, f.c
		f.all.Go(func() { f.nodes.follow(ctx, c) })
	}
	if f.lease != nil && !f.leased && f.writes() {
		f.leased = true
		ctx, c := f.running, f.c
		f.all.Go(func() { f.lease.run(ctx, c) })
	}
	for _, w := range f.by {
		if w.stop == nil {
			ctx, stop := context.WithCancel(f.running)
			w.stop = stop
			f.all.Go(func() { w.run(ctx) })
		}
	}
}

// writes says whether Weir writes the number of any workload. The lock is held.
func (f *Fleet) writes() bool {
	for _, w := range f.by {
		if !w.d.ScaledElsewhere {
			return true
		}
	}
	return false
}

// workloads are all workloads, in no order.
func (f *Fleet) workloads() []*workload {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Values(f.by))
}

// get is the workload of a deployment; nil: none.
func (f *Fleet) get(deployment string) *workload {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.by[deployment]
}

// Status lists the deployment's replicas, oldest first: as last seen, while the
// API server cannot be reached.
func (f *Fleet) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w, err := f.find(deployment)
	if err != nil {
		return nil, err
	}
	return w.status()
}

func (f *Fleet) find(deployment string) (*workload, error) {
	if w := f.get(deployment); w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("kubernetes: %w: %q", fleet.ErrUnknown, deployment)
}

// Held names the other writer of the deployment's replicas, which makes Weir
// leave them alone; "": none.
func (f *Fleet) Held(deployment string) string {
	if w := f.get(deployment); w != nil {
		return w.heldBy()
	}
	return ""
}

// ColdStart is the median of the deployment's last cold starts; false before
// the first.
func (f *Fleet) ColdStart(deployment string) (fleet.ColdStart, bool) {
	w := f.get(deployment)
	if w == nil {
		return fleet.ColdStart{}, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.starts.median()
}

// leads says whether this Weir may write.
func (f *Fleet) leads() bool {
	switch {
	case f.o.Leads != nil:
		return f.o.Leads()
	case f.lease == nil:
		return true
	}
	f.mu.Lock()
	writes := f.writes()
	f.mu.Unlock()
	return !writes || f.lease.held()
}

// wake makes a goroutine look again, without waiting for it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
