package sim

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"weir"
	"weir/control"
	"weir/dispatch"
	"weir/engine"
	"weir/fleet/mem"
	"weir/meter"
)

// world is a run in progress.
type world struct {
	c     Config
	now   weir.Instant
	todo  agenda
	core  *dispatch.Core
	fleet *mem.Fleet
	ctrl  *control.Controller
	parts []*part

	requests requests
	verdicts verdicts
	incoming [2]incoming  // by weir.Class
	lastAt   weir.Instant // of the last arrival so far
	wakeAt   weir.Instant // the wake that is on the agenda
	patience fifo
	tenants  map[int]string
	lengths  meter.Learned
	log      eventLog
	noted    []noted // later updates of replicas for dispatch
	horizon  weir.Instant
	billed   bool // the horizon has passed

	first  int32  // the deployment requests wait for
	blamed blamed // causes of the misses

	events []engine.Event // of one replica, while they are handled
	judge  judge
	result *Result
}

// part is one deployment in a run.
type part struct {
	*Deployment
	index   int32
	own     *own
	remote  *remote
	version uint64 // of the fleet's status passed on last
	tally   tally
}

// tally is a deployment's part of the result.
type tally struct {
	granted, completed, failed, throttled uint64
	attained, missed, outOfReach          uint64
	prompt, output                        uint64
	gaps                                  uint64
	gapTime                               time.Duration
}

// Run plays the whole of c. An error is the Config's, the source's, or a broken
// conservation law; with the last the Result must not be used.
func Run(ctx context.Context, c Config) (*Result, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	w, err := newWorld(c.withDefaults())
	if err != nil {
		return nil, err
	}
	if err := w.run(ctx); err != nil {
		return nil, err
	}
	return w.finish()
}

// stream returns the seed of a named part's random numbers.
func (c *Config) stream(name string) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d/%s", c.Seed, name)
	return h.Sum64()
}

func (c *Config) rand(name string) *rand.Rand {
	s := c.stream(name)
	return rand.New(rand.NewPCG(s, s^0x9e3779b97f4a7c15))
}

func newWorld(c Config) (*world, error) {
	w := &world{
		c: c, now: c.Start, tenants: map[int]string{},
		core:   dispatch.New(c.dispatchOptions(), c.stream("dispatch")),
		log:    newEventLog(),
		judge:  newJudge(c.Start, c.SLO),
		result: &Result{Start: c.Start.Time(), Seed: c.Seed, SLO: c.SLO},
	}
	var places []mem.Deployment
	for i := range c.Deployments {
		d := &c.Deployments[i]
		p := &part{Deployment: d, index: int32(i)}
		if d.Own != nil {
			places = append(places, d.Own.Fleet)
			p.own = newOwn(d.Own, c.rand("faults/"+d.Name))
		} else {
			p.remote = newRemote(*d.Remote, c.Start, c.rand("remote/"+d.Name))
		}
		w.parts = append(w.parts, p)
	}
	w.first = w.preferred()
	if err := w.warmUp(places); err != nil {
		return nil, err
	}
	var targets []control.Target
	for _, p := range w.parts {
		if p.own != nil {
			targets = append(targets, w.target(p))
		}
	}
	var err error
	w.ctrl, err = control.New(control.Options{Journal: c.Journal, Decided: w.decided}, targets, nil)
	return w, err
}

func (w *world) run(ctx context.Context) error {
	w.begin()
	w.incoming[weir.Interactive].source = w.c.Source
	w.incoming[weir.Batch].source = w.c.Batch
	w.incoming[weir.Batch].ended = w.c.Batch == nil
	for class := range w.incoming {
		if err := w.fetch(weir.Class(class)); err != nil {
			return err
		}
	}
	for steps := 0; len(w.todo.heap) > 0; steps++ {
		if steps%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		e := w.todo.next()
		if w.over(e.at) {
			break
		}
		w.now = e.at
		if err := w.handle(e); err != nil {
			return err
		}
	}
	return nil
}

// begin puts recurring events on the agenda.
func (w *world) begin() {
	c := &w.c
	for _, p := range w.parts {
		if p.remote != nil {
			w.perform(w.core.Replicas(w.now, p.Name, []weir.Replica{{
				ID: p.Name, Deployment: p.Name, Addr: "sim://" + p.Name, State: weir.Ready, Since: w.now,
			}}))
			continue
		}
		w.passOn(p, w.now)
		w.planFaults(p)
	}
	w.todo.add(c.Start.Add(c.Phase), tickEvent, 0, 0)
	w.todo.add(c.Start.Add(c.Sample), sampleEvent, 0, 0)
	if c.Scrape > 0 {
		w.todo.add(c.Start, scrapeEvent, 0, 0)
	}
	if c.Length > 0 {
		w.horizon = c.Start.Add(c.Length)
		w.todo.add(w.horizon, horizonEvent, 0, 0)
	}
	w.planFleet()
	w.rearm()
}

// over says whether no later event can change the result.
func (w *world) over(at weir.Instant) bool {
	if !w.allArrived() {
		return false
	}
	if at > w.lastAt.Add(w.c.Grace) && w.billed {
		return true
	}
	return w.requests.live == 0 && w.billed
}

func (w *world) handle(e event) error {
	switch e.kind {
	case fleetEvent:
		w.fleet.Advance(w.now)
		w.fleetChanged()
	case faultEvent:
		w.fault(w.parts[e.a], e.b)
	case engineEvent:
		w.stepReplica(w.parts[e.a], e.b)
	case remoteEvent:
		w.remoteToken(e.b)
	case patienceEvent:
		w.losePatience()
	case arrivalEvent:
		w.arrive(weir.Class(e.a))
		w.rearm()
		return w.fetch(weir.Class(e.a))
	case statusEvent:
		w.tell()
	case wakeEvent:
		if e.at == w.wakeAt {
			w.wakeAt = 0
			w.perform(w.core.Wake(w.now))
		}
	case scrapeEvent:
		w.scrape()
		w.todo.add(w.now.Add(w.c.Scrape), scrapeEvent, 0, 0)
	case tickEvent:
		w.tick()
		w.todo.add(w.now.Add(w.c.Tick), tickEvent, 0, 0)
	case sampleEvent:
		w.sample()
		w.todo.add(w.now.Add(w.c.Sample), sampleEvent, 0, 0)
	case horizonEvent:
		w.bill()
	}
	w.rearm()
	return nil
}

// tick runs one step of control.
func (w *world) tick() {
	w.fleet.Advance(w.now)
	w.fullHouse()
	w.ctrl.Step(w.now)
	w.fleetChanged()
}

// rearm puts the core's next wake on the agenda.
func (w *world) rearm() {
	next := w.core.Next()
	if next == 0 {
		w.wakeAt = 0
		return
	}
	next = max(next, w.now)
	if next != w.wakeAt {
		w.wakeAt = next
		w.todo.add(next, wakeEvent, 0, 0)
	}
}

func (w *world) tenant(client int) string {
	t, ok := w.tenants[client]
	if !ok {
		t = fmt.Sprintf("client-%d", client)
		w.tenants[client] = t
	}
	return t
}

// since returns the time since the start of the trace.
func (w *world) since() time.Duration { return w.now.Sub(w.c.Start) }
