package dispatch

import (
	"time"

	"weir"
)

// This file decides whether the replica or the request is at fault for a
// failure.
//
// A failure first counts as a suspicion. A request brings one suspicion against
// one replica only, however often it is tried. The suspicion is proved when
// another replica answers the same request. A request that fails on two
// replicas that serve other callers is itself at fault: it counts against
// neither replica and is refused. Suspicions of one key alone do not open a
// replica. Proofs and failed connections do.

// streak counts the failures at a replica since its last success.
type streak struct {
	number uint32 // of the streak: suspicions from earlier streaks no longer count
	key    uint64 // the first key that failed
	own    int    // suspicions of that key
	others int    // of other or unknown keys, and failed connections
	proved int    // failures of requests that another replica then answered
}

// failures returns how many failures count, where most open the replica: those
// of one key alone stay one below.
func (s *streak) failures(most int) int { return s.proved + s.others + min(s.own, most-1) }

// of returns the counter for suspicions of a key.
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

// end starts a new streak.
func (s *streak) end() { *s = streak{number: s.number + 1} }

// wellness records when requests last succeeded at a replica: for the latest
// key, and for any other.
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

// passWindow is how long a success is taken as a sign of a healthy replica.
const passWindow = 30 * time.Second

// since returns when a request of another key last succeeded, and when any did.
func (w *wellness) since(key uint64) (another, some weir.Instant) {
	if key == w.key && key != 0 {
		return w.other, w.at
	}
	return w.at, w.at
}

// suspect counts a failure of q at r, unless q has already brought its
// suspicion.
func (c *Core) suspect(q *call, r *replica) {
	if q.suspect != nil {
		return
	}
	*r.of(q.Key)++
	q.suspect, q.streak = r, r.streak.number
}

// prove turns q's suspicion against a replica into a proof: another replica has
// just answered q.
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

// judge opens r after enough failures.
func (c *Core) judge(r *replica) {
	if most := c.failures(r); !r.open && r.failures(most) >= most {
		c.trip(r)
	}
}

// follows says whether the failure follows q, which has just failed at r,
// rather than the replicas. It is never said of a request with an unknown key.
func (c *Core) follows(q *call, r *replica) bool {
	a := q.suspect
	if q.Key == 0 || q.excused || a == nil || a == r || a.doubted(q) || r.doubted(q) {
		return false
	}
	return c.passes(a, q) || c.passes(r, q)
}

// absolve takes back q's suspicion.
func (q *call) absolve() {
	if r := q.suspect; r != nil && r.streak.number == q.streak {
		if n := r.of(q.Key); *n > 0 {
			*n--
		}
	}
	q.suspect = nil
}

// doubted says whether r has more against it than failures of q's own key.
func (r *replica) doubted(q *call) bool {
	others := r.others
	if q.suspect == r && q.streak == r.streak.number && r.streak.key != q.Key {
		others--
	}
	return r.open || others > 0 || r.proved > 0 || r.own > 0 && r.streak.key != q.Key
}

// passes says whether other requests succeed at r: those of another key or,
// unless many of q's key failed in a row, of the same key.
func (c *Core) passes(r *replica, q *call) bool {
	another, some := r.well.since(q.Key)
	recent := func(at weir.Instant) bool { return at != 0 && c.now.Sub(at) <= passWindow }
	return recent(another) || recent(some) && r.own <= c.failures(r)
}

// trickle lets a request through to each open replica every Base while all of
// them are open: with no alternative left, even a replica believed dead is
// tried.
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

// eachReady calls f for every ready replica until f returns false, and returns
// f's last result; true when there is none.
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

// dead says whether every open replica has failed its test.
func (s *backends) dead() bool {
	return s.eachReady(func(r *replica) bool { return !r.open || r.opens > 1 })
}
