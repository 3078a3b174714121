package dispatch

import (
	"math"

	"weir"
)

// replica is the Core's record of one replica. It outlives the replica's entry
// in the fleet: a vanished replica takes nothing and is kept until its last
// request has ended.
type replica struct {
	d    *deployment
	id   string
	key  uint64 // of id, for nearest
	addr string

	// units is the number of servers behind addr. Limits are multiplied by it,
	// and work is compared per unit. See units.go.
	units int

	state   weir.ReplicaState
	readyAt weir.Instant // when it is expected, while it starts
	gone    bool         // no longer in the fleet

	failedStarts int // in a row
	detail       string

	requests int // in flight
	work     int // outstanding tokens
	prefill  int // prompt tokens to compute before pending first tokens
	due      int // of these, those for which FirstToken will be called
	granted  uint64
	turn     uint64 // turn of its last request: equals take turns

	memory memory // of prompts, where the deployment has CacheTokens

	health
	throttled weir.Instant // takes nothing until then
	held      bool         // kept free for a large request: see hold

	inLoad int
	wake   timer
}

// before orders replicas by outstanding work per unit, then requests per unit,
// then turn. The first one with room is the best; when the first has none, none
// has.
func (r *replica) before(o *replica) bool {
	if c := r.compare(o, r.work, o.work); c != 0 {
		return c < 0
	}
	if c := r.compare(o, r.requests, o.requests); c != 0 {
		return c < 0
	}
	return r.turn < o.turn
}

func (r *replica) heapIndex() *int { return &r.inLoad }

// usable says whether r may get requests now, apart from its room.
func (r *replica) usable(now weir.Instant) bool {
	return r.state == weir.Ready && !r.gone && r.throttled <= now && (!r.open || r.until <= now)
}

// inRotation says whether r may get one more request, apart from its limit of
// work.
func (r *replica) inRotation(now weir.Instant) bool {
	slots := r.slots()
	return r.usable(now) && !r.held && (slots <= 0 || r.requests < slots) && (!r.open || r.tester == 0)
}

// noLimit is unlimited room. A need of nobody exceeds any room.
const (
	noLimit = math.MaxInt - 1
	nobody  = math.MaxInt
)

// room returns how many tokens of work one more request may bring. A replica
// with an idle unit takes anything: otherwise a request larger than the limit
// would never be served.
func (r *replica) room() int {
	limit := r.d.MaxWork
	if limit <= 0 || r.requests < r.units {
		return noLimit
	}
	return max(times(limit, r.units)-r.work, 0)
}

// settle updates r's membership of the heaps after any change to it.
func (c *Core) settle(r *replica) {
	if at := max(r.throttled, r.openUntil()); at > c.now && r.state == weir.Ready && !r.gone {
		r.wake.at = at
		if c.timers.has(&r.wake) {
			c.timers.fix(&r.wake)
		} else {
			c.timers.push(&r.wake)
		}
	} else {
		c.timers.remove(&r.wake)
	}
	load := &r.d.load
	switch in := r.inRotation(c.now); {
	case in && load.has(r):
		load.fix(r)
	case in:
		load.push(r)
	default:
		load.remove(r)
	}
	if r.gone && r.requests == 0 {
		r.d.forget(r)
	}
}

// take books a request on r.
func (c *Core) take(r *replica, q *call) {
	c.turn++
	r.turn = c.turn
	r.recall(q)
	r.requests++
	r.work += q.work
	r.prefill += q.prefill
	if q.Streams {
		q.due = q.prefill
		r.due += q.due
	}
	r.granted++
	r.d.requests++
	r.d.work += q.work
	if r.open {
		r.tester = q.ID
	}
	q.on, q.epoch, q.sent, q.firstAt = r, r.epoch, c.now, 0
	q.calm(r)
	c.claims.add(q.claim, q.work)
	c.settle(r)
}

// free takes a request off its replica and learns from its result.
func (c *Core) free(q *call, how Result) {
	r := q.on
	if how == OK {
		c.does(r.d, q)
		c.prove(q)
	}
	q.on = nil
	c.changed(moreRoom)
	r.requests--
	r.work -= q.work
	r.prefill -= q.prefill
	r.due -= q.due
	q.due = 0
	c.claims.add(q.claim, -q.work)
	r.d.requests--
	r.d.lastEnded = c.now
	r.d.work -= q.work
	if q.epoch == r.epoch {
		c.learn(r, q, how)
	}
	c.settle(r)
	if r.d.retired && r.d.requests == 0 {
		c.drop(r.d)
	}
}
