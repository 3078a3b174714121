package dispatch

import (
	"time"

	"weir"
)

// Bounds of what a refused caller is told.
const (
	minRetryAfter     = 10 * time.Millisecond
	maxRetryAfter     = 5 * time.Minute
	unknownRetryAfter = 5 * time.Second // nothing has been observed to tell by
)

// refuse answers q, which waits no more, with a refusal, and forgets it.
func (c *Core) refuse(q *call, why Reason) {
	c.totals.Refused++
	v := Verdict{ID: q.ID, Kind: Refuse, Reason: why, Queued: c.now.Sub(q.since)}
	if r := last(q.tried); r != nil {
		v.Deployment, v.Replica = r.d.Name, r.id
	}
	if why == QueueFull {
		v.Ahead = c.lanes[weir.Interactive].count
		if q.Class == weir.Batch {
			v.Ahead = c.waiting.count
		}
	}
	v.RetryAfter = c.retryAfter(q, why)
	c.out = append(c.out, v)
	c.release(q)
}

func last(tried []*replica) *replica {
	if len(tried) == 0 {
		return nil
	}
	return tried[len(tried)-1]
}

// retryAfter is when there should be room for q: the work that must be done
// first, at the rate at which work was seen to be done; not before a replica may
// be asked or is expected to be ready.
func (c *Core) retryAfter(q *call, why Reason) time.Duration {
	at, because := c.comesBack()
	if because == NoReplica {
		at = c.expected()
		if at == 0 {
			return unknownRetryAfter
		}
	}
	wait := time.Duration(0)
	if at > c.now {
		wait = at.Sub(c.now)
	}
	ahead := c.waitingWork() + q.work
	if why == QueueFull { // enough of the queue has to go that q fits in
		ahead = max(ahead-c.o.Queue.MaxWork, q.work)
	}
	if why == QueueFull || why == QueueTimeout {
		if perSecond := c.rate.perSecond(c.now); perSecond > 0 {
			wait = max(wait, time.Duration(min(float64(ahead)/perSecond, maxRetryAfter.Seconds())*1e9))
		} else if wait == 0 {
			wait = unknownRetryAfter
		}
	}
	return min(max(wait, minRetryAfter), maxRetryAfter)
}

// expected is when the first of the starting replicas should be ready; 0: not known.
func (c *Core) expected() (at weir.Instant) {
	for _, t := range c.tiers {
		for _, d := range t {
			for _, r := range d.replicas {
				if r.state == weir.Starting && !r.gone && r.readyAt > 0 && (at == 0 || r.readyAt < at) {
					at = r.readyAt
				}
			}
		}
	}
	return at
}

// rate is how much work is done per second, of late: a mean over windows of at
// least a second that forgets with a time constant of 20 seconds.
type rate struct {
	mean  float64
	known bool
	sum   int
	since weir.Instant // begin of the window; 0: nothing yet
}

const (
	rateWindow = time.Second
	rateMemory = 20 * time.Second
)

func (r *rate) add(now weir.Instant, work int) {
	if r.since == 0 {
		r.since = now
	}
	r.roll(now)
	r.sum += work
}

// roll closes the window when it is long enough.
func (r *rate) roll(now weir.Instant) {
	d := now.Sub(r.since)
	if d < rateWindow {
		return
	}
	have := float64(r.sum) / d.Seconds()
	if !r.known {
		r.mean, r.known = have, true
	} else {
		r.mean += (have - r.mean) * d.Seconds() / (d + rateMemory).Seconds()
	}
	r.sum, r.since = 0, now
}

func (r *rate) perSecond(now weir.Instant) float64 {
	if r.since == 0 {
		return 0
	}
	r.roll(now)
	if !r.known && now > r.since { // less than a window has passed
		return float64(r.sum) / rateWindow.Seconds()
	}
	return r.mean
}
