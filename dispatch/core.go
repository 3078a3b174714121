package dispatch

import (
	"math/rand/v2"

	"weir"
)

// Core is the admission queue and router of one model. It is not safe for
// concurrent use: its owner serialises calls. Time given to it never goes back;
// an earlier time than the last counts as the last.
type Core struct {
	o   Options
	now weir.Instant
	chance

	roster          // the requests it holds
	backends        // where they may go
	queue           // those of them that wait
	claims   claims // what each tenant has in flight
	hedges   float64

	changes // since what waits was last looked at
	totals  Demand
	out     []Verdict // of this event
}

// chance is what the seed settles.
type chance struct {
	rng    *rand.Rand // order of newcomers
	jitter *rand.Rand // of pauses
}

// roster is the requests that wait or are granted.
type roster struct {
	calls  map[uint64]*call
	spare  *call // ended calls, for reuse
	number uint64
}

// backends is the deployments and what is known of all their replicas together.
type backends struct {
	tiers       []tier
	deployments []*deployment // in the order of Options
	leaving     []*deployment // no longer configured, with requests in flight

	preferred  int        // leading tiers that requests wait for
	metered    bool       // one of them has a quota
	limited    bool       // a deployment lacks something
	lastPassed [][]Passed // the last answers of passed, by the number of tiers

	warm   bool         // a replica is ready
	warmAt weir.Instant // when one last became so after there was none
	turn   uint64       // of replicas that are equal
	timers heap[*timer] // replicas that come back by themselves
	lackAt weir.Instant // when what was learned of a deployment ends first; 0: nothing was
	clocks bool         // there is a quota, or a replica was throttled: time alone may make room
}

// queue is the requests that wait.
type queue struct {
	lanes   [2]lane // by class
	waiting waitList
	limits  heap[*limit] // when those that wait give up, or lose their patience
	pauses  heap[*pause] // when those that failed may be sent again
	held    *call        // has a replica kept free, because it is first and found no room
	rate    rate
}

// change is an event that may alter the verdict of waiting calls. Events note it; the
// end of an event, or Wake, looks at the waiting calls only for a noted change.
type change uint8

const (
	moreRoom      change = 1 << iota // one may fit where none did
	clockMoved                       // patience may have ended: clocks, replicas or options are others
	replicaOpened                    // to wait may be in vain
	lackLearned                      // some may fit nowhere
	noVerdicts                       // in an event that returns none: Next says at once
)

type changes struct{ since change }

func (s *changes) changed(what change)  { s.since |= what }
func (s *changes) seen(what change)     { s.since &^= what }
func (s *changes) has(what change) bool { return s.since&what != 0 }

// New returns a Core without replicas. The seed settles what would otherwise be
// chance, so that several gateways do not all begin with the same replica.
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

// Wake does what has become due: replicas that may be asked again, requests
// that have waited long enough.
func (c *Core) Wake(now weir.Instant) []Verdict {
	c.begin(now)
	return c.end()
}

// Next is when Wake must be called at the latest; 0: not before another call.
// It may lie in the past: then at once.
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

// advance moves time on and brings back replicas whose time has come.
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

// end serves the queue after an event and refuses calls that have waited too long.
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
		c.serve() // batch stands behind them
	}
	for len(c.limits) > 0 && c.limits[0].at <= c.now {
		q := c.limits[0].q
		switch {
		case q.patient && c.hurry(q):
		case q.limit.at > c.now: // it waits on, with less patience
		default:
			c.dequeue(q, false)
			c.refuse(q, c.late())
		}
		if len(c.limits) == 0 || c.limits[0].at > c.now {
			c.serve() // what it kept back for itself is free
		}
	}
	return c.out
}
