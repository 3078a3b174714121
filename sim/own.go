package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"weir"
	"weir/dispatch"
	"weir/engine"
	"weir/fleet/mem"
)

// own is the state of a deployment's own replicas.
type own struct {
	*Own
	rng      *rand.Rand
	replicas []*replica // by number, oldest first
	byID     map[string]*replica
	numbers  uint64
	busy     time.Duration // of removed replicas
	gone     engine.Load   // totals of removed replicas
	before   mem.Usage     // use of the first starts, before the trace
	want     int
	ready    int // in the fleet's last status
	starting int
	atMax    time.Duration // time at the maximum number of wanted replicas
	fullFrom weir.Instant
	alone    map[int]time.Duration // time to the first token of an idle replica, by prompt
	seen     observation           // the observation for control, unless it is current
	lookedAt weir.Instant          // time of the engines' last measurement
}

// replica is a ready or draining one.
type replica struct {
	id       string
	number   uint64
	engine   *engine.Replica
	load     int          // requests it holds
	due      weir.Instant // time of its event on the agenda
	draining bool
	busyThen time.Duration // GPUBusy at its last measurement
}

func newOwn(o *Own, rng *rand.Rand) *own {
	return &own{Own: o, rng: rng, byID: map[string]*replica{}, alone: map[int]time.Duration{}}
}

// replica finds a replica by its number; nil when it is gone.
func (o *own) replica(number uint64) *replica {
	i, ok := slices.BinarySearchFunc(o.replicas, number, func(r *replica, n uint64) int {
		switch {
		case r.number < n:
			return -1
		case r.number > n:
			return 1
		}
		return 0
	})
	if !ok {
		return nil
	}
	return o.replicas[i]
}

func (o *own) named(id string) *replica { return o.byID[id] }

// warmUp starts each deployment's first replicas before the trace: they are
// ready when it begins.
func (w *world) warmUp(places []mem.Deployment) error {
	const attempts = 8 // for starts that may fail
	began := w.c.Start
	for _, p := range places {
		slowest := p.ColdStart * time.Duration(max(4, int(p.SlowFactor)+1)) * 4
		began = min(began, w.c.Start.Add(-attempts*max(slowest, time.Minute)))
	}
	w.fleet = mem.New(began, w.c.stream("fleet"), places...)
	for _, p := range w.parts {
		if p.own == nil || p.own.Initial == 0 {
			continue
		}
		if err := w.startFirst(began, p); err != nil {
			return err
		}
	}
	w.fleet.Advance(w.c.Start)
	for _, p := range w.parts {
		if p.own != nil {
			p.own.before = w.fleet.Used(p.Name)
			p.own.want = p.own.Initial
			p.own.lookedAt = w.c.Start
		}
	}
	return nil
}

func (w *world) startFirst(began weir.Instant, p *part) error {
	ctx := context.Background()
	for at := began; at < w.c.Start; at = at.Add(time.Second) {
		if next := w.fleet.Next(); next > at {
			at = min(next, w.c.Start)
		}
		w.fleet.Advance(at)
		if err := w.fleet.Scale(ctx, p.Name, p.own.Initial, nil); err != nil {
			return fmt.Errorf("sim: the first %d replicas of %q: %w", p.own.Initial, p.Name, err)
		}
		rs, err := w.fleet.Status(ctx, p.Name)
		if err != nil {
			return err
		}
		ready := 0
		for _, r := range rs {
			if r.State == weir.Ready {
				ready++
			}
		}
		if ready >= p.own.Initial {
			return nil
		}
	}
	return fmt.Errorf("sim: the first %d replicas of %q did not come up: too many of its starts fail", p.own.Initial, p.Name)
}

// planFleet puts the fleet's next event on the agenda.
func (w *world) planFleet() {
	if next := w.fleet.Next(); next != 0 {
		w.todo.add(max(next, w.now), fleetEvent, 0, 0)
	}
}

// fleetChanged passes on changes in the fleet.
func (w *world) fleetChanged() {
	for _, p := range w.parts {
		if p.own == nil {
			continue
		}
		if v := w.fleet.Version(p.Name); v != p.version {
			p.version = v
			w.passOn(p, w.now.Add(w.c.StatusLag))
		}
	}
	w.planFleet()
}

// passOn applies the fleet's status to a deployment's replicas, and passes it
// to dispatch at time at.
func (w *world) passOn(p *part, at weir.Instant) {
	rs, err := w.fleet.Status(context.Background(), p.Name)
	if err != nil {
		panic(err) // the fleet was made with it
	}
	lost := w.reconcile(p, rs)
	w.log.add(w.now, loggedReplicas, uint64(p.index), p.version)
	if at <= w.now {
		w.perform(w.core.Replicas(w.now, p.Name, rs))
	} else {
		w.noted = append(w.noted, noted{at, p, rs})
		w.todo.add(at, statusEvent, 0, 0)
	}
	for _, r := range lost {
		w.lose(p, r)
	}
	for _, r := range slices.Clone(p.own.replicas) {
		w.release(p, r)
	}
}

// noted is a deployment's list of replicas for dispatch at a later time.
type noted struct {
	at       weir.Instant
	part     *part
	replicas []weir.Replica
}

func (w *world) tell() {
	n := w.noted[0]
	w.noted = w.noted[1:]
	w.perform(w.core.Replicas(w.now, n.part.Name, n.replicas))
}

// reconcile makes engines for replicas that became ready and returns those of
// removed replicas.
func (w *world) reconcile(p *part, rs []weir.Replica) (lost []*replica) {
	o := p.own
	alive := map[string]bool{}
	o.ready, o.starting = 0, 0
	for i := range rs {
		r := &rs[i]
		switch r.State {
		case weir.Ready:
			o.ready++
		case weir.Starting:
			o.starting++
		}
		if r.State != weir.Ready && r.State != weir.Draining {
			continue
		}
		alive[r.ID] = true
		have := o.byID[r.ID]
		if have == nil {
			o.numbers++
			have = &replica{id: r.ID, number: o.numbers, engine: engine.New(o.Engine)}
			o.replicas = append(o.replicas, have)
			o.byID[r.ID] = have
		}
		have.draining = r.State == weir.Draining
	}
	kept := o.replicas[:0]
	for _, r := range o.replicas {
		if alive[r.id] {
			kept = append(kept, r)
			continue
		}
		lost = append(lost, r)
		delete(o.byID, r.id)
	}
	clear(o.replicas[len(kept):])
	o.replicas = kept
	return lost
}

// lose ends the requests of a removed replica. A request without a token at the
// caller gets another replica; the others are cut.
func (w *world) lose(p *part, r *replica) {
	w.account(p, r)
	if r.load == 0 {
		return
	}
	for i := range w.requests.slots {
		q := &w.requests.slots[i]
		if q.arrived == 0 || q.at != p.index || q.replica != r.number {
			continue
		}
		if q.first == 0 {
			w.failAttempt(p, q, dispatch.Unhealthy)
			continue
		}
		p.tally.failed++
		q.lost = true
		w.result.Cut++
		w.perform(w.core.Done(w.now, q.id, dispatch.Unhealthy, weir.Usage{}))
		w.fail(q, true)
	}
}

// account adds up the totals of a removed replica.
func (w *world) account(p *part, r *replica) {
	r.engine.Advance(w.now)
	l := r.engine.Load()
	p.own.busy += l.GPUBusy - r.busyThen
	g := &p.own.gone
	g.Preemptions += l.Preemptions
	g.PromptTokens += l.PromptTokens
	g.CachedTokens += l.CachedTokens
	g.OutputTokens += l.OutputTokens
}

// release removes a draining replica when its last request has ended.
func (w *world) release(p *part, r *replica) {
	if r.draining && r.load == 0 && p.own.byID[r.id] == r {
		w.fleet.Advance(w.now)
		w.fleet.Drained(p.Name, r.id)
		w.fleetChanged()
	}
}

// planReplica puts a replica's next event on the agenda. A stale event is
// recognised by its time.
func (w *world) planReplica(p *part, r *replica) {
	next := r.engine.Next()
	if next == r.due {
		return
	}
	r.due = next
	if next != 0 {
		w.todo.add(next, engineEvent, p.index, r.number)
	}
}

// stepReplica advances a replica to now and passes on its requests' events.
func (w *world) stepReplica(p *part, number uint64) {
	r := p.own.replica(number)
	if r == nil || r.due != w.now {
		return
	}
	r.due = 0
	w.events = append(w.events[:0], r.engine.Advance(w.now)...)
	for _, e := range w.events {
		q := w.requests.get(e.ID)
		switch e.Kind {
		case engine.FirstToken:
			q.cached = e.Cached
			w.firstToken(q)
		case engine.Finished:
			r.load--
			w.complete(p, q)
		}
	}
	if p.own.replica(number) == r {
		w.planReplica(p, r)
		w.release(p, r)
	}
}
