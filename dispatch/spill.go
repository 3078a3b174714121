package dispatch

import (
	"math"
	"time"

	"weir"
)

// This file decides whether a request that finds no room in the preferred tiers
// waits for them or spills to the next. It waits when it is patient: a throttle
// or a quota keeps it out, the time of new room is therefore known, and it is
// before the request's patience ends, even counting the requests ahead of it. A
// short queue thus keeps paid capacity in full use, and only requests that do
// not fit in time cost more. When its patience is over it spills, as a request
// without patience does at once.

// preferTiers counts the leading tiers that requests wait for.
func (s *backends) preferTiers() {
	s.preferred, s.metered = 0, false
	for _, t := range s.tiers {
		paid := false
		for _, d := range t {
			paid = paid || d.Paid
		}
		if !paid {
			break
		}
		s.preferred++
	}
	s.preferred = min(max(s.preferred, 1), len(s.tiers))
	s.lastPassed = make([][]Passed, len(s.tiers)+1)
	for _, t := range s.tiers[:s.preferred] {
		for _, d := range t {
			s.metered = s.metered || d.quota != nil
		}
	}
}

// lets says whether the quota of d admits a request of that class now. Batch
// takes nothing of a quota that interactive requests wait for.
func (c *Core) lets(d *deployment, class weir.Class) bool {
	if d.quota == nil {
		return true
	}
	if class == weir.Batch && c.lanes[weir.Interactive].count > 0 {
		return false
	}
	return d.quota.at(c.now, class) <= c.now
}

// never is later than any patience.
const never = weir.Instant(math.MaxInt64)

// opens returns when a preferred tier admits a request of that class, as far as
// a clock or a quota tells. It returns never if only replicas' room is missing:
// the time at which that is free is unknown.
func (c *Core) opens(class weir.Class) weir.Instant {
	first := never
	for _, t := range c.tiers[:c.preferred] {
		for _, d := range t {
			if d.quota == nil && d.throttled <= c.now && len(c.timers) == 0 {
				continue // no clock applies
			}
			for _, r := range d.replicas {
				if r.state != weir.Ready || r.gone {
					continue
				}
				at := max(d.throttled, r.throttled, r.openUntil())
				if d.quota != nil {
					at = max(at, d.quota.at(c.now, class), 1)
				}
				if at > c.now || d.quota != nil {
					first = min(first, at)
				}
			}
		}
	}
	return first
}

// patience returns until when q may wait for a preferred tier; 0: not at all.
func (c *Core) patience(q *call) weir.Instant {
	switch {
	case c.preferred >= len(c.tiers):
		return 0 // there is no tier to spill to
	case len(q.tried) > 0:
		return 0 // it has failed there
	case q.Class == weir.Batch && c.metered:
		return c.giveUp(q)
	case q.SpillAt > c.now:
		return q.SpillAt
	}
	return 0
}

// waits says whether q, for which the preferred tiers have no room, waits for
// them; if not, its patience is over. A newcomer counts the requests ahead of
// it.
func (c *Core) waits(q *call, newcomer bool) bool {
	q.patient = false
	until := c.patience(q)
	if until <= c.now {
		return false
	}
	at := c.opens(q.Class)
	if newcomer && at < never {
		at = max(at, c.now).Add(c.ahead(q))
	}
	q.patient = at <= until
	return q.patient
}

// ahead returns how long the preferred tiers' quotas take to admit the requests
// before q: all of its class and better, but of other tenants no more than fair
// sharing serves before it.
func (c *Core) ahead(q *call) time.Duration {
	var requests, prompt, output int
	for i := range c.lanes[:int(q.Class)+1] {
		l := &c.lanes[i]
		if l.count == 0 {
			continue
		}
		part := l.before(q, c.share(q.Tenant))
		if i < int(q.Class) {
			part = 1
		}
		requests += int(part * float64(l.count))
		prompt += int(part * float64(l.prompt))
		output += int(part * float64(l.output))
	}
	if requests == 0 {
		return 0
	}
	// Several deployments admit at the sum of their rates.
	rate := 0.0
	for _, t := range c.tiers[:c.preferred] {
		for _, d := range t {
			if d.quota != nil && d.ready > 0 {
				if lag := d.quota.lag(requests, prompt, output); lag > 0 {
					rate += 1 / lag.Seconds()
				}
			}
		}
	}
	if rate == 0 {
		return 0
	}
	return time.Duration(min(1/rate, (24*time.Hour).Seconds()) * float64(time.Second))
}

// before returns the share of the lane's work that is served before q, of a
// tenant of that weight. In start-time fair queueing, until it is q's turn, the
// others get at most their weights' proportion of the work served for q's
// tenant.
func (l *lane) before(q *call, weight int) float64 {
	mine, weights := q.work, l.weights
	if f := l.flows[q.Tenant]; f != nil && f.count > 0 {
		mine += f.work
	} else {
		weights += weight
	}
	most := float64(mine) * float64(weights) / float64(weight)
	return min(most/float64(max(l.work, 1)), 1)
}

// spillBehind sends q, whose own tenant waits patiently, to the tiers after the
// preferred ones, unless q waits too.
func (c *Core) spillBehind(q *call) bool {
	f := c.laneOf(q).flows[q.Tenant]
	if !f.first.patient || c.waits(q, true) {
		return false
	}
	return c.grantIn(q, c.preferred, len(c.tiers))
}

// hurry ends the patience of q, which waits. It says whether q was granted.
func (c *Core) hurry(q *call) bool {
	q.patient = false
	c.changed(moreRoom)
	if f := q.flow; f != nil && f.first == q {
		l := c.laneOf(q)
		l.remove(f)
		l.insert(f)
	}
	q.limit.at = c.giveUp(q)
	c.limits.fix(&q.limit)
	if !c.grantIn(q, c.preferred, len(c.tiers)) {
		return false
	}
	c.dequeue(q, false) // spilled work does not count towards the tenant's share
	return true
}

// reconsider ends the patience of all calls whose expected wait became too
// long. It is called when a clock, replicas or options changed. It says whether
// any call was granted.
func (c *Core) reconsider() (granted bool) {
	c.seen(clockMoved)
	for q := c.waiting.oldest; q != nil; {
		next := q.newer
		if q.patient && c.opens(q.Class) > c.patience(q) {
			granted = c.hurry(q) || granted
		}
		q = next
	}
	return granted
}
