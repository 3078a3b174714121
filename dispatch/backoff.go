package dispatch

import (
	"time"

	"weir"
)

// Bounds of the time before a replica is asked again by a request it has failed.
const (
	backoffBase = 50 * time.Millisecond // at most, the first time; doubles each time
	backoffMax  = 2 * time.Second
)

// pause stands in the heap of waiting calls that are not to be sent before.
type pause struct {
	q     *call
	at    weir.Instant
	index int
}

func (p *pause) before(o *pause) bool {
	return p.at < o.at || p.at == o.at && p.q.number < o.q.number
}
func (p *pause) heapIndex() *int { return &p.index }

// backOff makes q, whose attempt failed, wait before it is sent again, where only
// replicas are left that have failed it: asked at once, by all whose requests
// failed together, what stumbled is knocked over. Another replica is asked at
// once. It says whether q is to wait.
//
// The time is drawn evenly from nothing to a bound that doubles with each attempt
// ("full jitter": Brooker, "Exponential backoff and jitter", AWS Architecture
// Blog, 2015) and is never more than the request's slack leaves, but for the
// first bound: what is late already need not hammer.
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

// rested lets go of those whose pause is over.
func (c *Core) rested() {
	for len(c.pauses) > 0 && c.pauses[0].at <= c.now {
		c.pauses.remove(c.pauses[0])
		c.changed(moreRoom | noVerdicts)
	}
}
