package dispatch

import (
	"math/rand/v2"

	"weir"
)

// Core is the admission queue and router of one model. It is not safe for
// concurrent use: its owner serialises calls. Time given to it never goes back;
// an earlier time than the last counts as the last.
type Core struct {
	o      Options
	health Health
	rng    *rand.Rand // order of newcomers
	jitter *rand.Rand // of pauses
	now    weir.Instant

	tiers       []tier
	deployments []*deployment // in the order of Options
	leaving     []*deployment // no longer configured, with requests in flight

	calls  map[uint64]*call
	spare  *call // ended calls, for reuse
	number uint64
	turn   uint64
	timers heap[*timer] // replicas that come back by themselves

	lanes   [2]lane // by class
	waiting waitList
	limits  heap[*limit] // when those that wait give up, or lose their patience
	pauses  heap[*pause] // when those that failed may be sent again
	warm    bool         // a replica is ready
	warmAt  weir.Instant // when one last became so after there was none
	held    *call        // has a replica kept free, because it is first and found no room
	stale   bool         // something changed in a call that returns no verdicts
	tripped bool         // a replica was opened since those that wait were last looked at

	limited  bool         // a deployment lacks something
	lackAt   weir.Instant // when what was learned of one ends first; 0: nothing was
	narrowed bool         // one more does, since those that wait were last looked at
	soured   bool         // so was something that patience may end for

	preferred int  // leading tiers that requests wait for
	metered   bool // one of them has a quota

	told [][]Passed // the last answers of passed, by the number of tiers

	hedges float64 // that may be made: see hedgeable

	claims claims
	idle   bool // nobody who waits fits anywhere, and nothing has changed since that was seen
	clocks bool // there is a quota, or somebody was throttled: time alone may make room

	rate   rate
	totals Demand
	out    []Verdict
}

// New returns a Core without replicas. The seed settles what would otherwise be
// chance, so that several gateways do not all begin with the same replica.
func New(o Options, seed uint64) *Core {
	c := &Core{
		rng:    rand.New(rand.NewPCG(seed, 0x776569722d647370)),
		jitter: rand.New(rand.NewPCG(seed, 0x776569722d6a6974)),
		calls:  map[uint64]*call{},
	}
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
	if c.stale {
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
		c.idle = false
		c.settle(c.timers[0].r)
	}
	if len(c.pauses) > 0 {
		c.rested()
	}
	if c.lackAt != 0 && c.lackAt <= c.now {
		c.relearn()
	}
}

// end serves the queue after an event and refuses who has waited too long.
func (c *Core) end() []Verdict {
	if c.waiting.count == 0 {
		return c.out
	}
	c.stale = false
	if !c.idle || c.clocks || len(c.timers) > 0 || len(c.pauses) > 0 {
		c.serve()
	}
	if c.tripped {
		c.giveUpOnKeepers()
		c.giveUpOnDead()
	}
	if c.narrowed {
		c.giveUpOnUnfit()
	}
	if c.soured && c.reconsider() {
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
