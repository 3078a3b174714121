package dispatch

import "weir"

// passed says why q did not go to the deployments of the first tiers. The
// returned slice is never written to again. It is nearly always the slice
// returned for the last request that got as far.
func (c *Core) passed(q *call, tiers int) []Passed {
	last := c.lastPassed[tiers]
	n := 0
	for _, t := range c.tiers[:tiers] {
		for _, d := range t {
			if n == MaxPassed {
				break
			}
			p := Passed{d.Name, c.passedBy(d, q)}
			if n == len(last) || last[n] != p {
				last = append(last[:n:n], p)
			}
			n++
		}
	}
	c.lastPassed[tiers] = last
	return last
}

func (c *Core) passedBy(d *deployment, q *call) Reason {
	if d.ready == 0 {
		if d.lacking() {
			return NoCapacity
		}
		return NoReplica
	}
	if q.tooLongFor(d) {
		return ContextShort
	}
	if c.unfit(q, d) {
		return Unsupported
	}
	if d.throttled > c.now {
		return AllThrottled
	}
	if len(c.timers) > 0 {
		if why := d.away(c.now); why != "" {
			return why
		}
	}
	if !c.lets(d, q.Class) {
		return QuotaUsed
	}
	return Full
}

// away says why all ready replicas of d are out of rotation, "" if they are
// not.
func (d *deployment) away(now weir.Instant) Reason {
	throttled, open := 0, 0
	for _, r := range d.replicas {
		switch {
		case r.state != weir.Ready || r.gone:
		case r.throttled > now:
			throttled++
		case r.openUntil() > now:
			open++
		}
	}
	switch d.ready {
	case throttled:
		return AllThrottled
	case throttled + open:
		return AllUnhealthy
	}
	return ""
}
