package dispatch

import (
	"time"

	"weir"
)

// Bounds of the time before a request may retry a replica that failed it.
const (
	backoffBase = 50 * time.Millisecond // at most, for the first retry; doubles each time
	backoffMax  = 2 * time.Second
)

// pause is an entry in the heap of waiting calls that must not be sent before a
// time.
type pause struct {
	q     *call
	at    weir.Instant
	index int
}

func (p *pause) before(o *pause) bool {
	return p.at < o.at || p.at == o.at && p.q.number < o.q.number
}
func (p *pause) heapIndex() *int { return &p.index }

// backOff makes q wait before its next attempt when only replicas that have
// failed it are left. Immediate retries of all failed requests would overload a
// replica that is recovering. Another replica is tried at once. It says whether
// q must wait.
//
// The wait is uniform between zero and a bound that doubles with each attempt
// ("full jitter": Brooker, "Exponential backoff and jitter", AWS Architecture
// Blog, 2015). It is never more than the request's slack, except for the first
// bound: a request that is already late need not hammer.
func (c *Core) backOff(q *call, why Result) bool {
	if why != Unhealthy && why != Unreachable && why != Unavailable || c.avoids(q) {
		return false
	}
	most := min(backoffBase<<min(q.attempts-1, 16), backoffMax)
	for _, until := range [...]weir.Instant{q.SpillAt, q.Deadline} {
		if until != 0 && q.Class == weir.Interactive {
			most = min(most, max(until.Sub(c.now), backoffBase))
		}
	}
	q.pause.q, q.pause.at = q, c.now.Add(time.Duration(c.jitter.Int64N(int64(most)))+1)
	return true
}

// rested removes the pauses that are over.
func (c *Core) rested() {
	for len(c.pauses) > 0 && c.pauses[0].at <= c.now {
		c.pauses.remove(c.pauses[0])
		c.changed(moreRoom | noVerdicts)
	}
}
