package dispatch

import (
	"time"

	"weir"
)

// This file knows whose fault a failure is: the replica's, or the request's.
//
// A failure is a suspicion first, and a request brings one against one replica
// only, however often it is tried. It is proved when another replica answers the
// same request. What fails on two replicas while others' requests pass there is
// the request's own fault: it counts against neither and is refused. Suspicions
// of one key alone do not open a replica, proofs do, and so does what did not
// reach it.

// streak is what has failed at a replica since it last did well.
type streak struct {
	number uint32 // of the streak: a suspicion of an earlier one counts no more
	key    uint64 // the first that failed
	own    int    // suspicions of that key
	others int    // of other keys, of unknown ones, and what did not reach it
	proved int    // failures of requests that another replica answered
}

// failures is how many count, where most open the replica: of one key alone one
// less.
func (s *streak) failures(most int) int { return s.proved + s.others + min(s.own, most-1) }

// of is where the suspicions of a key are counted.
func (s *streak) of(key uint64) *int {
	if key == 0 {
		return &s.others
	}
	if s.own == 0 {
		s.key = key
	}
	if s.key == key {
		return &s.own
	}
	return &s.others
}

// end begins another streak.
func (s *streak) end() { *s = streak{number: s.number + 1} }

// wellness is when requests last passed at a replica: of the key that did last,
// and of any other.
type wellness struct {
	key       uint64
	at, other weir.Instant
}

func (w *wellness) did(now weir.Instant, key uint64) {
	if key != w.key || key == 0 {
		w.other = w.at
	}
	w.key, w.at = key, now
}

// passWindow is how long a request that passed shows that a replica is well.
const passWindow = 30 * time.Second

// since is when a request of another key than this passed, and of any.
func (w *wellness) since(key uint64) (another, some weir.Instant) {
	if key == w.key && key != 0 {
		return w.other, w.at
	}
	return w.at, w.at
}

// suspect counts a failure of q at r, unless q has brought its suspicion already.
func (c *Core) suspect(q *call, r *replica) {
	if q.suspect != nil {
		return
	}
	*r.of(q.Key)++
	q.suspect, q.streak = r, r.streak.number
}

// prove makes the suspicion that q, which another replica has just answered,
// brought against one a proof.
func (c *Core) prove(q *call) {
	r := q.suspect
	q.suspect = nil
	if r == nil || r == q.on || r.streak.number != q.streak {
		return
	}
	if n := r.of(q.Key); *n > 0 {
		*n--
	}
	r.proved++
	c.judge(r)
	c.settle(r)
}

// judge opens r if enough has failed there.
func (c *Core) judge(r *replica) {
	if most := c.failures(r); !r.open && r.failures(most) >= most {
		c.trip(r)
	}
}

// follows says whether what failed follows q, which has just failed at r. Of a
// request whose key is not known it is not said.
func (c *Core) follows(q *call, r *replica) bool {
	a := q.suspect
	if q.Key == 0 || q.excused || a == nil || a == r || a.doubted(q) || r.doubted(q) {
		return false
	}
	return c.passes(a, q) || c.passes(r, q)
}

// absolve takes back the suspicion that q brought.
func (q *call) absolve() {
	if r := q.suspect; r != nil && r.streak.number == q.streak {
		if n := r.of(q.Key); *n > 0 {
			*n--
		}
	}
	q.suspect = nil
}

// doubted says whether more speaks against r than failures of q's own key.
func (r *replica) doubted(q *call) bool {
	others := r.others
	if q.suspect == r && q.streak == r.streak.number && r.streak.key != q.Key {
		others--
	}
	return r.open || others > 0 || r.proved > 0 || r.own > 0 && r.streak.key != q.Key
}

// passes says whether requests of others pass at r: of another key or, while not
// many of its own have failed in a row, of the same.
func (c *Core) passes(r *replica, q *call) bool {
	another, some := r.well.since(q.Key)
	recent := func(at weir.Instant) bool { return at != 0 && c.now.Sub(at) <= passWindow }
	return recent(another) || recent(some) && r.own <= c.failures(r)
}

// trickle lets a request through to each open replica every Base, while all of
// them are open: one that is believed dead may be asked when nothing else is left.
func (c *Core) trickle() {
	if c.eachReady(func(r *replica) bool { return r.open }) {
		c.eachReady(func(r *replica) bool {
			if soon := c.now.Add(c.o.Health.Base); r.until > soon {
				r.until = soon
				c.settle(r)
			}
			return true
		})
	}
}

// eachReady calls f for every replica that is ready until it says false, and
// returns what it said last; true where there is none.
func (s *backends) eachReady(f func(*replica) bool) bool {
	for _, t := range s.tiers {
		for _, d := range t {
			for _, r := range d.replicas {
				if r.state == weir.Ready && !r.gone && !f(r) {
					return false
				}
			}
		}
	}
	return true
}

// dead says whether every replica that is open has failed its test.
func (s *backends) dead() bool {
	return s.eachReady(func(r *replica) bool { return !r.open || r.opens > 1 })
}
