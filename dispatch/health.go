package dispatch

import "weir"

// health is the record of a replica's real requests. Each change of the circuit
// starts a new epoch, and results of requests sent in an earlier one are
// ignored: fifty requests that fail together open it once, not sixteen times.
type health struct {
	streak // failures since the last success
	well   wellness
	opens  int    // in a row, without a success in between
	open   bool   // takes nothing, or after until one request
	tester uint64 // the request that tests an open replica; 0: none
	until  weir.Instant
	epoch  uint32
}

// timer is an entry in the heap of replicas that return to rotation at a known
// time.
type timer struct {
	r     *replica
	at    weir.Instant
	index int
}

func (t *timer) before(o *timer) bool { return t.at < o.at || t.at == o.at && t.r.turn < o.r.turn }

func (t *timer) heapIndex() *int { return &t.index }

// learn counts one result towards the health of r.
func (c *Core) learn(r *replica, q *call, how Result) {
	tested := r.open && r.tester == q.ID
	if tested {
		r.tester = 0
	}
	switch how {
	case OK:
		r.close(0)
		r.opens = 0
		r.well.did(c.now, q.Key)
	case Unreachable:
		if !q.hasTried(r) {
			r.others++
		}
	case Unhealthy, Unavailable:
		c.suspect(q, r)
	default:
		return
	}
	if tested && how != OK {
		c.trip(r)
		return
	}
	c.judge(r)
}

// trip opens r and marks the waiting calls for another look.
func (c *Core) trip(r *replica) {
	r.trip(c.now, c.o.Health)
	c.changed(replicaOpened | clockMoved)
	c.trickle()
}

// trip opens r, twice as long each time up to the maximum.
func (r *replica) trip(now weir.Instant, h Health) {
	wait := h.Max
	if r.opens < 32 && h.Base<<r.opens > 0 {
		wait = min(h.Base<<r.opens, h.Max)
	}
	r.opens++
	r.streak.end()
	r.tester = 0
	r.open, r.until = true, now.Add(wait)
	r.epoch++
}

// close returns r to rotation, with a count of failures to start from.
func (r *replica) close(failures int) {
	if r.open {
		r.open, r.until, r.tester = false, 0, 0
		r.epoch++
	}
	r.streak.end()
	r.others = failures
}

// answered notes the first token of a request on r. That ends its test of an
// open replica, since a stream may last minutes. But it earns trust for one
// failure only.
func (c *Core) answered(q *call) {
	r := q.on
	if r.open && r.tester == q.ID && q.epoch == r.epoch {
		r.close(c.failures(r) - 1)
		q.epoch = r.epoch
	}
}

// throttle keeps r out of rotation until a time; the latest time wins.
func (c *Core) throttle(r *replica, until weir.Instant) {
	r.throttled = max(r.throttled, until)
	c.settle(r)
}

func (r *replica) openUntil() weir.Instant {
	if r.open {
		return r.until
	}
	return 0
}

// renew resets what was learned of r: it is a new process.
func (r *replica) renew() {
	r.health = health{epoch: r.epoch + 1, streak: streak{number: r.streak.number + 1}}
	r.memory = memory{}
	r.throttled = 0
}
