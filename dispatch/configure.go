package dispatch

import (
	"slices"

	"weir"
)

// Configure changes the options, which must be valid. Waiting and running
// requests continue. A deployment with a known name keeps its replicas, health
// and totals. A removed deployment takes no new requests and is forgotten after
// its last one. A new one has no replicas until Replicas is called for it. A
// queue that is now too long is not cut: it takes no requests until it is short
// enough.
func (c *Core) Configure(now weir.Instant, o Options) []Verdict {
	c.begin(now)
	c.o = o.withDefaults()
	before := slices.Concat(c.deployments, c.leaving)
	known := map[string]*deployment{}
	for _, d := range before {
		d.retired = true
		known[d.Name] = d
	}
	c.deployments = nil
	for _, want := range o.Deployments {
		d := known[want.Name]
		if d == nil {
			d = &deployment{byID: map[string]*replica{}, key: keyOf(want.Name)}
			known[want.Name] = d // a duplicate name is one deployment
		}
		if d.block != o.PrefixBlock || d.CacheTokens != want.CacheTokens {
			d.forgetPrompts()
		}
		d.Deployment, d.retired, d.block = want, false, o.PrefixBlock
		d.quota = newQuota(c.now, want.Quota, d.quota)
		d.learned = nil
		c.deployments = append(c.deployments, d)
	}
	c.leaving = slices.DeleteFunc(before, func(d *deployment) bool { return !d.retired || d.requests == 0 })
	c.tiers = tiersOf(c.deployments)
	c.relearn()
	for _, d := range c.deployments {
		for _, r := range d.replicas {
			c.settle(r) // limits may have changed
		}
	}
	for i := range c.lanes {
		c.lanes[i].reweigh(c.share)
	}
	c.claims.reweigh(c.share)
	return c.reopen()
}

// reopen looks again at all waiting calls after quotas or options changed.
func (c *Core) reopen() []Verdict {
	for _, d := range c.deployments {
		c.clocks = c.clocks || d.quota != nil
	}
	c.changed(moreRoom | clockMoved)
	c.preferTiers()
	c.rewarm(true)
	return c.end()
}

// deployment returns a configured deployment, or one with requests left.
func (s *backends) deployment(name string) *deployment {
	for _, d := range s.deployments {
		if d.Name == name {
			return d
		}
	}
	for _, d := range s.leaving {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// drop forgets a deployment that is no longer configured.
func (s *backends) drop(d *deployment) {
	s.leaving = slices.DeleteFunc(s.leaving, func(o *deployment) bool { return o == d })
}
