package dispatch

import (
	"time"

	"weir"
)

// Bounds of Retry-After.
const (
	minRetryAfter     = 10 * time.Millisecond
	maxRetryAfter     = 5 * time.Minute
	unknownRetryAfter = 5 * time.Second // without any observation
)

// refuse answers q, which is no longer waiting, with a refusal and forgets it.
func (c *Core) refuse(q *call, why Reason) {
	c.totals.Refused++
	v := Verdict{ID: q.ID, Kind: Refuse, Reason: why, Queued: c.now.Sub(q.since)}
	if r := last(q.tried); r != nil {
		v.Deployment, v.Replica = r.d.Name, r.id
	}
	switch why {
	case StartFails:
		r := c.broken()
		v.Deployment, v.Replica, v.Detail = r.d.Name, r.id, r.detail
	case NoCapacity:
		d := c.short()
		v.Deployment, v.Detail = d.Name, d.short.Why+": "+d.short.Text
	case QueueFull, QueueTimeout, ColdTimeout:
		v.Ahead = c.lanes[weir.Interactive].count
		if q.Class == weir.Batch {
			v.Ahead = c.waiting.count
		}
	}
	if why == ColdTimeout {
		v.Detail = c.starting()
	}
	v.RetryAfter = c.retryAfter(q, why)
	v.Passed = c.passed(q, len(c.tiers))
	c.out = append(c.out, v)
	c.release(q)
}

// starting returns the place's message about the first starting replica.
func (s *backends) starting() string {
	for _, t := range s.tiers {
		for _, d := range t {
			for _, r := range d.replicas {
				if r.state == weir.Starting && !r.gone {
					return r.detail
				}
			}
		}
	}
	return ""
}

func last(tried []*replica) *replica {
	if len(tried) == 0 {
		return nil
	}
	return tried[len(tried)-1]
}

// retryAfter returns the time until there should be room for q: the work ahead
// divided by the observed rate, and not before a replica may be asked or is
// expected to be ready.
func (c *Core) retryAfter(q *call, why Reason) time.Duration {
	at, because := c.comesBack()
	if because == NoReplica {
		if at = c.expected(); why == NoCapacity {
			at = c.short().short.Again
		}
		if at == 0 {
			return unknownRetryAfter
		}
	}
	wait := time.Duration(0)
	if at > c.now {
		wait = at.Sub(c.now)
	}
	ahead := c.waitingWork() + q.work
	if why == QueueFull { // the queue must shrink until q fits
		ahead = max(ahead-c.o.Queue.MaxWork, q.work)
	}
	if why == QueueFull || why == QueueTimeout {
		if perSecond := c.rate.perSecond(c.now); perSecond > 0 {
			wait = max(wait, time.Duration(min(float64(ahead)/perSecond, maxRetryAfter.Seconds())*float64(time.Second)))
		} else if wait == 0 {
			wait = unknownRetryAfter
		}
	}
	return min(max(wait, minRetryAfter), maxRetryAfter)
}

// expected returns when the first starting replica should be ready; 0: unknown.
func (s *backends) expected() (at weir.Instant) {
	for _, t := range s.tiers {
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

// rate is how much work is done per second while requests wait: only then does
// the work done equal the capacity. It is a mean over windows of at least a
// second, with a time constant of 20 seconds of such time.
type rate struct {
	mean  float64
	known bool

	running bool // requests are waiting
	since   weir.Instant
	busy    time.Duration // of the current window, before since
	sum     int           // tokens of the current window
}

const (
	rateWindow = time.Second
	rateMemory = 20 * time.Second
)

// start and stop mark when requests begin and cease to wait.
func (r *rate) start(now weir.Instant) { r.running, r.since = true, now }

func (r *rate) stop(now weir.Instant) {
	r.roll(now)
	r.busy += now.Sub(r.since)
	r.running = false
}

// add counts finished work.
func (r *rate) add(now weir.Instant, work int) {
	if r.running {
		r.sum += work
		r.roll(now)
	}
}

// roll closes the window when it is long enough.
func (r *rate) roll(now weir.Instant) {
	d := r.busy + now.Sub(r.since)
	if !r.running || d < rateWindow {
		return
	}
	have := float64(r.sum) / d.Seconds()
	if r.known {
		r.mean += (have - r.mean) * d.Seconds() / (d + rateMemory).Seconds()
	} else {
		r.mean, r.known = have, true
	}
	r.sum, r.busy, r.since = 0, 0, now
}

// perSecond returns the rate; 0: not known yet.
func (r *rate) perSecond(now weir.Instant) float64 {
	r.roll(now)
	return r.mean
}
