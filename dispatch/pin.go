package dispatch

import "weir"

// Pin is the only place a request may go, because state it continues is kept
// there: one replica of one deployment, or any replica at the same address. The
// request waits for that replica, never goes to another, and is refused where
// waiting is in vain. The zero value: it may go anywhere.
type Pin struct {
	Deployment string
	Replica    string
	// Addr is an address at which replicas of other deployments serve it too;
	// "": none.
	Addr string
}

func (q *call) pinned() bool { return q.Pin != Pin{} }

// holds says whether r keeps the pinned state.
func (p *Pin) holds(r *replica) bool {
	return r.d.Name == p.Deployment && r.id == p.Replica || p.Addr != "" && r.addr == p.Addr
}

// keepers calls f for every replica that keeps q's pinned state, in whatever
// life-cycle state, until f returns false.
func (s *backends) keepers(q *call, f func(r *replica) bool) {
	for _, d := range s.deployments {
		for _, r := range d.replicas {
			if !r.gone && q.Pin.holds(r) && !f(r) {
				return
			}
		}
	}
}

// grantPinned sends q to a replica of its pin, if there is room.
func (c *Core) grantPinned(q *call) bool {
	var to *replica
	c.keepers(q, func(r *replica) bool {
		if r.d.throttled <= c.now && r.inRotation(c.now) && r.room() >= q.work && c.lets(r.d, q.Class) && !q.tooLongFor(r.d) {
			to = r
		}
		return to == nil
	})
	if to == nil {
		return false
	}
	c.send(q, to, c.tierOf(to.d))
	return true
}

// tierOf returns the index of d's tier; 0 if it takes pinned requests only.
func (s *backends) tierOf(d *deployment) int {
	for i, t := range s.tiers {
		if t[0].Tier == d.Tier {
			return i
		}
	}
	return 0
}

// pinnedInVain is inVain for a pinned request.
func (c *Core) pinnedInVain(q *call, until weir.Instant) Reason {
	if until <= c.now {
		return c.late()
	}
	why := NoReplica
	c.keepers(q, func(r *replica) bool {
		pushed := max(r.d.throttled, r.throttled)
		switch open := r.openUntil(); {
		case r.state == weir.Starting, r.state == weir.Failed:
			why = "" // it comes back, perhaps with the state
		case r.state != weir.Ready:
		case open > pushed && open.Sub(c.now) > c.o.Health.Base:
			why = AllUnhealthy
		case max(open, pushed) > until:
			why = AllThrottled
		default:
			why = ""
		}
		return why != ""
	})
	return why
}

// giveUpOnKeepers refuses pinned requests that wait for a replica that failed
// its test.
func (c *Core) giveUpOnKeepers() {
	for i := range c.lanes {
		for q := c.lanes[i].again.first; q != nil; {
			next := q.after
			if q.pinned() {
				if why := c.pinnedInVain(q, q.limit.at); why == AllUnhealthy || why == NoReplica {
					c.dequeue(q, false)
					c.refuse(q, why)
				}
			}
			q = next
		}
	}
}
