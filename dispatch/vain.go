package dispatch

import (
	"time"

	"weir"
)

// maxWait returns how long a call may wait from since on, with a ready replica
// and without.
func (c *Core) maxWait(class weir.Class) (warm, cold time.Duration) {
	warm = c.o.Queue.MaxWait
	if class == weir.Batch {
		warm = c.o.Queue.BatchWait
	}
	return warm, max(warm, c.o.Queue.MaxWaitCold)
}

// giveUp returns when q's wait ends. It is later while no replica is ready.
// When one becomes ready the usual wait counts from then: calls that waited out
// a cold start are not refused at its end.
func (c *Core) giveUp(q *call) weir.Instant {
	warm, cold := c.maxWait(q.Class)
	at := q.since.Add(cold)
	if c.warm {
		at = min(at, max(q.since, c.warmAt).Add(warm))
	}
	if q.Deadline != 0 {
		at = min(at, q.Deadline)
	}
	return at
}

// inVain returns why a call that waits until at can never be served, or "". No
// call waits for failed replicas longer than the first time they stay open,
// which is long enough for a server to restart. If a server stays dead, callers
// learn it at once.
func (c *Core) inVain(at weir.Instant) Reason {
	if len(c.tiers) == 0 {
		return NoDeployment
	}
	if at <= c.now {
		return c.late()
	}
	back, why := c.comesBack()
	switch {
	case why == "" || c.hope():
		return ""
	case why == NoReplica:
		return c.nothing()
	case back > at:
		return why
	case why == AllUnhealthy && (back.Sub(c.now) > c.o.Health.Base || c.dead()):
		return why
	}
	return ""
}

// hope says whether a replica may come that is not there now. It is assumed for
// a deployment whose replicas are not reported yet, and not for one whose
// replicas fail to start or whose place has none to give.
func (s *backends) hope() bool {
	for _, t := range s.tiers {
		for _, d := range t {
			if d.broken == nil && !d.lacking() && (d.Elastic || d.coming > 0 || !d.reported) {
				return true
			}
		}
	}
	return false
}

// nothing says why there is no replica and none to wait for.
func (s *backends) nothing() Reason {
	switch {
	case len(s.tiers) == 0:
		return NoDeployment
	case s.broken() != nil:
		return StartFails
	case s.short() != nil:
		return NoCapacity
	}
	return NoReplica
}

// broken returns a replica that failed to start; nil: there is none.
func (s *backends) broken() *replica {
	for _, t := range s.tiers {
		for _, d := range t {
			if d.broken != nil {
				return d.broken
			}
		}
	}
	return nil
}

// comesBack says when the first replica may be asked again, and why not now.
// The reason is "" when one may be asked now, as soon as it has room.
func (c *Core) comesBack() (at weir.Instant, why Reason) {
	why = NoReplica
	for _, t := range c.tiers {
		for _, d := range t {
			for _, r := range d.replicas {
				if r.state != weir.Ready || r.gone {
					continue
				}
				pushed := max(d.throttled, r.throttled)
				back, because := pushed, AllThrottled
				if r.openUntil() > pushed {
					back, because = r.openUntil(), AllUnhealthy
				}
				if back <= c.now {
					return 0, ""
				}
				if why == NoReplica || back < at {
					at, why = back, because
				}
			}
		}
	}
	return at, why
}

// late says why a call waited too long.
func (c *Core) late() Reason {
	if !c.warm {
		return ColdTimeout
	}
	return QueueTimeout
}

// giveUpOnDead refuses all waiting calls when the last replica has failed its
// test: see inVain.
func (c *Core) giveUpOnDead() {
	c.seen(replicaOpened)
	for q := c.waiting.oldest; q != nil; q = c.waiting.oldest {
		if c.inVain(q.limit.at) != AllUnhealthy {
			return
		}
		c.dequeue(q, false)
		c.refuse(q, AllUnhealthy)
	}
}

// giveUpAll refuses every waiting call.
func (c *Core) giveUpAll() {
	why := c.nothing()
	for c.waiting.oldest != nil {
		q := c.waiting.oldest
		c.dequeue(q, false)
		c.refuse(q, why)
	}
}
