package dispatch

// sendNow grants q, which does not wait yet, if a replica has room and q would
// not rather wait for a preferred tier.
func (c *Core) sendNow(q *call, newcomer bool) bool {
	if c.grantIn(q, 0, c.preferred) {
		return true
	}
	return c.preferred < len(c.tiers) && !q.pinned() && !c.waits(q, newcomer) && c.grantIn(q, c.preferred, len(c.tiers))
}

// grant grants q, which waits, if a replica has room in a tier open to q.
func (c *Core) grant(q *call) bool {
	if q.patient {
		return c.grantIn(q, 0, c.preferred)
	}
	return c.grantIn(q, 0, len(c.tiers))
}

// grantIn grants q at the first of the tiers from..to with room.
func (c *Core) grantIn(q *call, from, to int) bool {
	if q.pinned() {
		return c.grantPinned(q)
	}
	avoid := c.avoids(q)
	q.stance = c.stanceOf(q)
	for i := from; i < to; i++ {
		if r := c.choose(c.tiers[i], q, avoid); r != nil {
			c.send(q, r, i)
			return true
		}
	}
	return false
}

// send books q on r and adds the verdict.
func (c *Core) send(q *call, r *replica, tier int) {
	reason := Room
	switch {
	case r.open:
		reason = HalfOpen
	case tier > 0:
		reason = Spill
	}
	q.attempts++
	if r.d.quota != nil {
		q.booked = r.d.quota.book(c.now, q.Prompt, q.mayAnswer())
	}
	c.take(r, q)
	r.d.granted++
	c.totals.Granted++
	c.out = append(c.out, Verdict{})
	v := &c.out[len(c.out)-1]
	v.ID, v.Kind, v.Deployment, v.Replica, v.Addr = q.ID, Grant, r.d.Name, r.id, r.addr
	v.Reason, v.Queued, v.Known = reason, c.now.Sub(q.since), q.known
	if tier > 0 {
		v.Passed = c.passed(q, tier)
	}
	if c.o.Hedge.Share > 0 && !q.pinned() {
		c.hedgeable(q, v)
	}
}

// avoids says whether q must avoid the replicas that failed it: an untried
// replica could serve it now or when it has room.
func (c *Core) avoids(q *call) bool {
	if len(q.tried) == 0 {
		return false
	}
	for _, t := range c.tiers {
		for _, d := range t {
			if d.throttled > c.now || c.unfit(q, d) {
				continue
			}
			for _, r := range d.replicas {
				if r.usable(c.now) && !q.hasTried(r) {
					return true
				}
			}
		}
	}
	return false
}

// fits says whether any deployment can take q at all: its context is long
// enough and it supports q's needs.
func (c *Core) fits(q *call) bool {
	for _, t := range c.tiers {
		for _, d := range t {
			if !c.unfit(q, d) && (d.ready > 0 || d.Elastic || d.coming > 0) {
				return true
			}
		}
	}
	return false
}
