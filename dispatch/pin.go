package dispatch

import "weir"

// Pin says where a request must go because what it goes on with is kept there:
// one replica of one deployment, or any that stands at the same address. Nothing
// else will do: it waits for that one, and is refused where waiting is in vain.
// The zero value: it may go anywhere.
type Pin struct {
	Deployment string
	Replica    string
	// Addr is where any other deployment's replica will do too; "": none.
	Addr string
}

func (q *call) pinned() bool { return q.Pin != Pin{} }

// holds says whether r keeps what the pin asks for.
func (p *Pin) holds(r *replica) bool {
	return r.d.Name == p.Deployment && r.id == p.Replica || p.Addr != "" && r.addr == p.Addr
}

// keepers calls f for every replica that keeps what q goes on with, whatever
// its state, until f says to stop.
func (s *backends) keepers(q *call, f func(r *replica) bool) {
	for _, d := range s.deployments {
		for _, r := range d.replicas {
			if !r.gone && q.Pin.holds(r) && !f(r) {
				return
			}
		}
	}
}

// grantPinned sends q where it must go, if there is room.
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

// tierOf is the place of d's tier; 0 where it takes nothing but what must go to it.
func (s *backends) tierOf(d *deployment) int {
	for i, t := range s.tiers {
		if t[0].Tier == d.Tier {
			return i
		}
	}
	return 0
}

// pinnedInVain is inVain for a request that must go somewhere.
func (c *Core) pinnedInVain(q *call, until weir.Instant) Reason {
	if until <= c.now {
		return c.late()
	}
	why := NoReplica
	c.keepers(q, func(r *replica) bool {
		pushed := max(r.d.throttled, r.throttled)
		switch open := r.openUntil(); {
		case r.state == weir.Starting, r.state == weir.Failed:
			why = "" // it comes back, perhaps with what it kept
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

// giveUpOnKeepers refuses the pinned that wait for a replica that has failed its test.
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
