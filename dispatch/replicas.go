package dispatch

import (
	"slices"

	"weir"
)

// Replicas is the full list of a deployment's replicas. A replica missing from
// it takes nothing; its requests continue and are accounted for until they end.
// A replica that becomes ready, or has moved to another address, counts as new:
// its health is forgotten. An unknown deployment is ignored.
func (c *Core) Replicas(now weir.Instant, deployment string, rs []weir.Replica) []Verdict {
	c.begin(now)
	d := c.deployment(deployment)
	if d == nil {
		return c.out
	}
	old := d.replicas
	d.reported = true
	c.changed(moreRoom | clockMoved)
	d.replicas = make([]*replica, 0, len(rs))
	for _, r := range old {
		r.gone = true
	}
	var fresh []*replica
	for _, want := range rs {
		r := d.byID[want.ID]
		switch {
		case r == nil:
			r = &replica{d: d, id: want.ID, key: keyOf(want.ID), units: 1, gone: true}
			r.wake.r = r
			d.byID[want.ID] = r
			fresh = append(fresh, r)
		case !r.gone:
			continue // listed twice: the first counts
		}
		if r.state != weir.Ready && want.State == weir.Ready || r.addr != want.Addr {
			r.renew()
		}
		r.gone, r.state, r.addr, r.readyAt = false, want.State, want.Addr, want.ReadyAt
		r.failedStarts, r.detail = want.FailedStarts, want.Detail
		d.setUnits(r, want.Size())
		d.replicas = append(d.replicas, r)
	}
	c.order(fresh)
	for _, r := range old {
		if r.gone {
			d.replicas = append(d.replicas, r)
		}
	}
	for _, r := range slices.Clone(d.replicas) {
		c.settle(r)
	}
	d.count()
	c.trickle()
	c.rewarm(false)
	return c.end()
}

// order gives replicas their first turns, in an order set by the seed.
func (c *Core) order(rs []*replica) {
	for _, i := range c.rng.Perm(len(rs)) {
		c.turn++
		rs[i].turn = c.turn
	}
}

// rewarm notes whether a replica is ready. When that or the options changed,
// every waiting call gets a new time to give up. No call waits for a replica
// that will not come.
func (c *Core) rewarm(changed bool) {
	warm := false
	for _, t := range c.tiers {
		for _, d := range t {
			warm = warm || d.ready > 0
		}
	}
	if warm && !c.warm {
		c.warmAt = c.now
	}
	changed = changed || warm != c.warm
	c.warm = warm
	if c.waiting.count == 0 {
		return
	}
	if !warm && !c.hope() {
		c.giveUpAll()
		return
	}
	if !changed {
		return
	}
	for q := c.waiting.oldest; q != nil; q = q.newer {
		q.limit.at = c.limitOf(q, c.giveUp(q))
		c.limits.fix(&q.limit)
	}
}
