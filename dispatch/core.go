package dispatch

import (
	"math/rand/v2"

	"weir"
)

// Core is the admission queue and router of one model. It is not safe for
// concurrent use: its owner serialises calls. Its time never goes back: an
// Instant earlier than the last one counts as the last one.
type Core struct {
	o   Options
	now weir.Instant
	chance

	roster          // the requests it holds
	backends        // where requests may go
	queue           // the waiting requests
	claims   claims // each tenant's work in flight
	hedges   float64

	changes // since the last look at the waiting calls
	totals  Demand
	out     []Verdict // of this event
}

// chance holds the random number generators of the seed.
type chance struct {
	rng    *rand.Rand // order of new replicas
	jitter *rand.Rand // of pauses
}

// roster holds the waiting and granted requests.
type roster struct {
	calls  map[uint64]*call
	spare  *call // ended calls, for reuse
	number uint64
}

// backends holds the deployments and the state common to their replicas.
type backends struct {
	tiers       []tier
	deployments []*deployment // in the order of Options
	leaving     []*deployment // no longer configured, with requests in flight

	preferred  int        // number of leading tiers that requests wait for
	metered    bool       // a preferred deployment has a quota
	limited    bool       // a deployment lacks something
	lastPassed [][]Passed // the last results of passed, by the number of tiers

	warm   bool         // a replica is ready
	warmAt weir.Instant // when a first replica last became ready
	turn   uint64       // counter for turns between equal replicas
	timers heap[*timer] // replicas that return to rotation at a known time
	lackAt weir.Instant // when the first learned lack expires; 0: none
	clocks bool         // a quota or a throttle exists: time alone may make room
}

// queue holds the waiting requests.
type queue struct {
	lanes   [2]lane // by class
	waiting waitList
	limits  heap[*limit] // when waiting calls give up or lose their patience
	pauses  heap[*pause] // when failed calls may be sent again
	held    *call        // the call a replica is kept free for: it was first and found no room
	rate    rate
}

// change is an event that may alter the verdict of waiting calls. Events set
// it. Wake and the end of an event look at waiting calls only if a change is
// set.
type change uint8

const (
	moreRoom      change = 1 << iota // a call may fit that did not before
	clockMoved                       // patience may have ended: clocks, replicas or options changed
	replicaOpened                    // waiting may be in vain
	lackLearned                      // some calls may fit nowhere
	noVerdicts                       // set by an event that returns no verdicts: Next says now
)

type changes struct{ since change }

func (s *changes) changed(what change)  { s.since |= what }
func (s *changes) seen(what change)     { s.since &^= what }
func (s *changes) has(what change) bool { return s.since&what != 0 }

// New returns a Core without replicas. All random choices come from the seed:
// with different seeds, gateways start with different replicas.
func New(o Options, seed uint64) *Core {
	c := &Core{roster: roster{calls: map[uint64]*call{}}, chance: chance{
		rng:    rand.New(rand.NewPCG(seed, 0x776569722d647370)),
		jitter: rand.New(rand.NewPCG(seed, 0x776569722d6a6974)),
	}}
	for i := range c.lanes {
		c.lanes[i].class, c.lanes[i].flows = i, map[string]*flow{}
	}
	c.Configure(0, o)
	return c
}

// Wake does all that is due: it returns replicas to rotation and ends waits
// that are over.
func (c *Core) Wake(now weir.Instant) []Verdict {
	c.begin(now)
	return c.end()
}

// Next is the latest time for the next call of Wake; 0: no Wake is due before
// another event. It may lie in the past: call Wake at once.
func (c *Core) Next() weir.Instant {
	if c.waiting.count == 0 {
		return 0
	}
	if c.has(noVerdicts) {
		return max(c.now, 1)
	}
	next := c.limits[0].at
	if len(c.timers) > 0 {
		next = min(next, c.timers[0].at)
	}
	if len(c.pauses) > 0 {
		next = min(next, c.pauses[0].at)
	}
	if c.lackAt != 0 {
		next = min(next, c.lackAt)
	}
	for _, d := range c.deployments {
		if d.throttled > c.now {
			next = min(next, d.throttled)
		}
		if d.quota == nil {
			continue
		}
		for class := range c.lanes {
			if c.lanes[class].count == 0 {
				continue
			}
			if at := d.quota.at(c.now, weir.Class(class)); at > c.now {
				next = min(next, at)
			}
		}
	}
	return next
}

// begin starts an event that returns verdicts.
func (c *Core) begin(now weir.Instant) {
	c.out = c.out[:0]
	c.advance(now)
}

// advance moves time on and returns replicas to rotation.
func (c *Core) advance(now weir.Instant) {
	c.now = max(c.now, now)
	for len(c.timers) > 0 && c.timers[0].at <= c.now {
		c.changed(moreRoom)
		c.settle(c.timers[0].r)
	}
	if len(c.pauses) > 0 {
		c.rested()
	}
	if c.lackAt != 0 && c.lackAt <= c.now {
		c.relearn()
	}
}

// end serves the queue after an event and refuses calls whose wait is over.
func (c *Core) end() []Verdict {
	if c.waiting.count == 0 {
		return c.out
	}
	c.seen(noVerdicts)
	if c.has(moreRoom) || c.clocks || len(c.timers) > 0 || len(c.pauses) > 0 {
		c.serve()
	}
	if c.has(replicaOpened) {
		c.giveUpOnKeepers()
		c.giveUpOnDead()
	}
	if c.has(lackLearned) {
		c.giveUpOnUnfit()
	}
	if c.has(clockMoved) && c.reconsider() {
		c.serve() // batch comes after them
	}
	for len(c.limits) > 0 && c.limits[0].at <= c.now {
		q := c.limits[0].q
		switch {
		case q.patient && c.hurry(q):
		case q.limit.at > c.now: // it waits on, without patience
		default:
			c.dequeue(q, false)
			c.refuse(q, c.late())
		}
		if len(c.limits) == 0 || c.limits[0].at > c.now {
			c.serve() // the room held for it is free
		}
	}
	return c.out
}
