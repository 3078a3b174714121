// Package mem is a place whose replicas are numbers: the fleet of the simulator
// and of tests. It has everything that makes a real place awkward (cold starts
// that vary, slow or failed starts, quota, stock-outs, lost nodes, drains as
// long as their requests) and no clock: its owner moves the time with Advance
// and reports when a draining replica has become idle.
//
// A Fleet is passive and has no lock: one owner at a time. The same seed and
// the same calls give the same result.
package mem

import (
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"weir"
	"weir/fleet"
)

var _ fleet.Actuator = (*Fleet)(nil)

// Deployment says how the replicas of one deployment behave.
type Deployment struct {
	Name string

	ColdStart time.Duration // median from request to ready
	Sigma     float64       // standard deviation of the logarithm of the cold start; 0: always the median

	StartFailure float64 // share of starts that fail, at a random moment of the cold start
	SlowStart    float64 // share of starts that take SlowFactor times as long
	SlowFactor   float64 // 0: 4

	Quota   int // most replicas that exist at once, draining ones included; 0: no bound
	PerNode int // replicas on one node, lost together by LoseNode; 0: 1

	DrainDeadline time.Duration // a draining replica ends after this even if busy; 0: never
	// OneAddress: the replicas are units behind one address, as at a managed
	// endpoint. Status lists the ready ones as one replica named after the
	// deployment.
	OneAddress bool

	KeepFailed time.Duration // how long a failed replica stays in Status; 0: 5 min
}

// keptFailed bounds the failed replicas in Status: the oldest are dropped.
const keptFailed = 16

// Usage is a deployment's cost and history, for judging a policy. Times are
// sums over replicas, from request to release.
type Usage struct {
	Allocated time.Duration // from request to release, whatever the state; failed ones until they failed
	Starting  time.Duration // of Allocated: before ready
	Draining  time.Duration // of Allocated: finishing
	Asked     int           // replicas requested
	Failed    int           // replicas that failed, starting or later
	TakenBack int           // draining replicas that went back to work
}

// Fleet is the place.
type Fleet struct {
	now  weir.Instant
	next weir.Instant // earliest event; 0: none
	deps []*deployment
	by   map[string]*deployment // looked up only, never ranged over
}

type deployment struct {
	Deployment
	rng      *rand.Rand
	seq      int
	replicas []replica // in order of age
	version  uint64
	stockOut bool
	used     Usage // of replicas that are gone, and the counts
}

type replica struct {
	weir.Replica
	node  int
	event weir.Instant // starting: ready or fails; draining: deadline; failed: forgotten; 0: none
	fails bool
}

// New makes a fleet whose time is now. Each deployment has its own random
// stream: adding one changes nothing for the others.
func New(now weir.Instant, seed uint64, deployments ...Deployment) *Fleet {
	f := &Fleet{now: now, by: map[string]*deployment{}}
	for _, d := range deployments {
		if d.SlowFactor == 0 {
			d.SlowFactor = 4
		}
		if d.PerNode == 0 {
			d.PerNode = 1
		}
		if d.KeepFailed == 0 {
			d.KeepFailed = 5 * time.Minute
		}
		h := fnv.New64a()
		h.Write([]byte(d.Name))
		m := &deployment{Deployment: d, rng: rand.New(rand.NewPCG(seed, h.Sum64()))}
		f.deps = append(f.deps, m)
		f.by[d.Name] = m
	}
	return f
}

// Status lists the deployment's replicas, oldest first. The slice is the caller's.
func (f *Fleet) Status(ctx context.Context, name string) ([]weir.Replica, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	d, err := f.find(name)
	if err != nil || len(d.replicas) == 0 {
		return nil, err
	}
	rs := make([]weir.Replica, len(d.replicas))
	for i := range d.replicas {
		rs[i] = d.replicas[i].Replica
	}
	if d.OneAddress {
		rs = d.together(rs)
	}
	return rs, nil
}

// together makes the ready replicas units of one, listed first.
func (d *deployment) together(rs []weir.Replica) []weir.Replica {
	one := weir.Replica{ID: d.Name, Deployment: d.Name, Addr: "mem://" + d.Name, State: weir.Ready}
	rest := make([]weir.Replica, 1, len(rs)+1)
	for _, r := range rs {
		if r.State != weir.Ready {
			r.Addr = one.Addr
			rest = append(rest, r)
			continue
		}
		one.Units++
		if one.Since == 0 {
			one.Since = r.Since
		}
		if r.ReadyAt >= one.ReadyAt {
			one.Asked, one.ReadyAt = r.Asked, r.ReadyAt
		}
	}
	if one.Units == 0 {
		return rest[1:]
	}
	rest[0] = one
	return rest
}

// Scale makes the number of replicas that start or serve want.
func (f *Fleet) Scale(ctx context.Context, name string, want int, victims []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d, err := f.find(name)
	if err != nil {
		return err
	}
	if want < 0 {
		return fmt.Errorf("mem fleet: scale %q to %d: want zero or more", name, want)
	}
	have := d.live()
	switch {
	case want < have:
		d.shrink(f.now, have-want, victims)
	case want > have:
		err = d.grow(f.now, want-have)
	}
	f.plan()
	return err
}

// Version changes with every change of the deployment's Status, which saves its
// owner a comparison. Unknown names have version 0.
func (f *Fleet) Version(name string) uint64 {
	if d := f.by[name]; d != nil {
		return d.version
	}
	return 0
}

// Next is the time of the next event (a start ends, a drain runs out); 0: none.
func (f *Fleet) Next() weir.Instant { return f.next }

// Advance moves the time to now and makes every event due happen.
func (f *Fleet) Advance(now weir.Instant) {
	f.now = max(f.now, now)
	if f.next == 0 || f.next > f.now {
		return
	}
	for _, d := range f.deps {
		d.settle(f.now)
	}
	f.plan()
}

// Drained reports that a draining replica has nothing left to do: it ends.
func (f *Fleet) Drained(name, id string) {
	d := f.by[name]
	if d == nil {
		return
	}
	if i := d.index(id); i >= 0 && d.replicas[i].State == weir.Draining {
		d.remove(f.now, i)
		f.plan()
	}
}

// Fail makes one replica die, whatever it was doing.
func (f *Fleet) Fail(name, id, why string) {
	d := f.by[name]
	if d == nil {
		return
	}
	if i := d.index(id); i >= 0 && d.replicas[i].State != weir.Failed {
		d.fail(i, f.now, why)
		d.forget()
		f.plan()
	}
}

// LoseNode makes every replica on one node of the deployment die. Replicas are
// packed PerNode to a node, nodes numbered from 0.
func (f *Fleet) LoseNode(name string, node int) {
	d := f.by[name]
	if d == nil {
		return
	}
	for i := range d.replicas {
		if r := &d.replicas[i]; r.node == node && r.State != weir.Failed {
			d.fail(i, f.now, fmt.Sprintf("node %d was lost", node))
		}
	}
	d.forget()
	f.plan()
}

// SetQuota changes the deployment's quota from now on; 0: no bound. Replicas
// beyond it stay.
func (f *Fleet) SetQuota(name string, quota int) {
	if d := f.by[name]; d != nil {
		d.Quota = quota
	}
}

// SetStockOut makes the place give no new replica, whatever the quota, until it
// is unset.
func (f *Fleet) SetStockOut(name string, out bool) {
	if d := f.by[name]; d != nil {
		d.stockOut = out
	}
}

// Used is what the deployment has cost up to now.
func (f *Fleet) Used(name string) Usage {
	d := f.by[name]
	if d == nil {
		return Usage{}
	}
	u := d.used
	for i := range d.replicas {
		u.add(&d.replicas[i], f.now)
	}
	return u
}

func (f *Fleet) find(name string) (*deployment, error) {
	if d := f.by[name]; d != nil {
		return d, nil
	}
	return nil, fmt.Errorf("mem fleet: %w: %q", fleet.ErrUnknown, name)
}

// plan finds the next event.
func (f *Fleet) plan() {
	f.next = 0
	for _, d := range f.deps {
		for i := range d.replicas {
			if at := d.replicas[i].event; at != 0 && (f.next == 0 || at < f.next) {
				f.next = at
			}
		}
	}
}

// coldStart draws a cold start. Logarithms of cold starts are close to normal:
// most are near the median, a few take much longer, none is negative.
func (d *deployment) coldStart() time.Duration {
	factor := math.Exp(d.Sigma * d.rng.NormFloat64())
	if d.rng.Float64() < d.SlowStart {
		factor *= d.SlowFactor
	}
	return time.Duration(float64(d.ColdStart) * factor)
}

func (d *deployment) live() int {
	n := 0
	for i := range d.replicas {
		if s := d.replicas[i].State; s == weir.Starting || s == weir.Ready {
			n++
		}
	}
	return n
}

func (d *deployment) index(id string) int {
	return slices.IndexFunc(d.replicas, func(r replica) bool { return r.ID == id })
}
