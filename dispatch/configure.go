package dispatch

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"weir"
)

// Validate returns every fault of o, joined.
func (o Options) Validate() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	seen := map[string]bool{}
	for i, d := range o.Deployments {
		if d.Name == "" || seen[d.Name] {
			bad("deployment %d: its name %q is empty or taken; names are unique within a model", i+1, d.Name)
		}
		seen[d.Name] = true
		if d.Weight < 0 || d.Weight > maxWeight {
			bad("deployment %q: weight %d; allowed are 0 to %d", d.Name, d.Weight, maxWeight)
		}
		if d.MaxRequests < 0 || d.MaxWork < 0 || d.MaxPrefill < 0 {
			bad("deployment %q: max_requests %d, max_work %d and max_prefill %d must not be negative; 0 means no limit", d.Name, d.MaxRequests, d.MaxWork, d.MaxPrefill)
		}
		if d.Context < 0 {
			bad("deployment %q: context of %d tokens must not be negative; 0 means that it is not known", d.Name, d.Context)
		}
		if d.CacheTokens < 0 || d.CacheTokens/max(o.PrefixBlock, 1) > maxNames {
			bad("deployment %q: a cache of %d tokens; allowed are 0 to %d", d.Name, d.CacheTokens, maxNames*max(o.PrefixBlock, 1))
		}
		if err := d.Quota.Validate(); err != nil {
			bad("deployment %q: %w", d.Name, err)
		}
	}
	for _, tenant := range slices.Sorted(maps.Keys(o.Shares)) {
		if w := o.Shares[tenant]; w < 1 || w > maxWeight {
			bad("tenant %q: share %d; allowed are 1 to %d", tenant, w, maxWeight)
		}
	}
	if o.PrefixBlock < 0 {
		bad("blocks of %d tokens must not be negative; 0 means that prefixes are not looked at", o.PrefixBlock)
	}
	if o.Hedge.Share < 0 || o.Hedge.Share > 1 {
		bad("hedge.share %v; allowed are 0 to 1", o.Hedge.Share)
	}
	if o.Attempts < 0 || o.Health.Failures < 0 || o.Queue.MaxWork < 0 || o.Queue.MaxRequests < 0 {
		bad("attempts, health.failures, queue.max_work and queue.max_requests must not be negative; 0 means the default")
	}
	for _, d := range []time.Duration{o.Queue.MaxWait, o.Queue.MaxWaitCold, o.Queue.BatchWait, o.Health.Base, o.Health.Max} {
		if d < 0 {
			bad("a wait of %v: waits must not be negative; 0 means the default", d)
		}
	}
	return errors.Join(faults...)
}

// maxWeight bounds weights and shares, so that sums of them cannot overflow.
const maxWeight = 1_000_000

// withDefaults fills in what o leaves open.
func (o Options) withDefaults() Options {
	o.Attempts = cmp.Or(o.Attempts, 3)
	o.Queue.MaxWork = cmp.Or(o.Queue.MaxWork, 2_000_000)
	o.Queue.MaxRequests = cmp.Or(o.Queue.MaxRequests, 10_000)
	o.Queue.MaxWait = cmp.Or(o.Queue.MaxWait, 30*time.Second)
	o.Queue.MaxWaitCold = cmp.Or(o.Queue.MaxWaitCold, 10*time.Minute)
	o.Queue.BatchWait = cmp.Or(o.Queue.BatchWait, time.Hour)
	o.Health.Failures = cmp.Or(o.Health.Failures, 3)
	o.Health.Base = cmp.Or(o.Health.Base, time.Second)
	o.Health.Max = cmp.Or(o.Health.Max, 30*time.Second)
	return o
}

// Configure changes the options, which must be valid. What waits goes on
// waiting, what is in flight goes on, and a deployment keeps its replicas,
// health and totals by its name. One that is no longer configured takes nothing
// new and is forgotten with its last request; one that is new has no replicas
// until Replicas is called for it. A queue that is now too long is not cut, it
// takes nothing until it is short enough.
func (c *Core) Configure(now weir.Instant, o Options) []Verdict {
	c.begin(now)
	c.o = o.withDefaults()
	c.health = c.o.Health
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
			known[want.Name] = d // a name that comes twice is one deployment
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

// Capacity says that the provider of a deployment now lets through q, which must be
// valid: provisioned capacity was added or taken away. What waits for it is served
// at once when there is more; what is in flight goes on when there is less, and what
// stands in the bucket drains at the new rate. An unknown deployment is ignored.
// Traffic after it is served as after Configure with that quota.
func (c *Core) Capacity(now weir.Instant, deployment string, q Quota) []Verdict {
	c.begin(now)
	d := c.deployment(deployment)
	if d == nil {
		return c.out
	}
	d.Quota = q
	d.quota = newQuota(c.now, q, d.quota)
	return c.reopen()
}

// reopen looks again at all that wait, after quotas or options have changed.
func (c *Core) reopen() []Verdict {
	for _, d := range c.deployments {
		c.clocks = c.clocks || d.quota != nil
	}
	c.idle, c.soured = false, true
	c.preferTiers()
	c.rewarm(true)
	return c.end()
}

// Replicas is the full list of a deployment's replicas. One that is not listed
// any more takes nothing; its requests go on and are accounted for until they
// end. One that becomes ready, or has moved to another address, is taken for
// new: its health is forgotten. An unknown deployment is ignored.
func (c *Core) Replicas(now weir.Instant, deployment string, rs []weir.Replica) []Verdict {
	c.begin(now)
	d := c.deployment(deployment)
	if d == nil {
		return c.out
	}
	old := d.replicas
	d.told, c.idle = true, false
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
	c.soured = true
	c.rewarm(false)
	return c.end()
}

// order gives replicas their first turns, in an order settled by the seed.
func (c *Core) order(rs []*replica) {
	for _, i := range c.rng.Perm(len(rs)) {
		c.turn++
		rs[i].turn = c.turn
	}
}

// rewarm notes whether there is a ready replica. When that has changed, or when
// the options have, everyone who waits gives up at another time; and nobody
// waits for what will not come.
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

// giveUpAll refuses everyone who waits.
func (c *Core) giveUpAll() {
	why := c.nothing()
	for c.waiting.oldest != nil {
		q := c.waiting.oldest
		c.dequeue(q, false)
		c.refuse(q, why)
	}
}

// deployment returns a configured deployment, or one with requests left.
func (c *Core) deployment(name string) *deployment {
	for _, d := range c.deployments {
		if d.Name == name {
			return d
		}
	}
	for _, d := range c.leaving {
		if d.Name == name {
			return d
		}
	}
	return nil
}

// drop forgets a deployment that is no longer configured.
func (c *Core) drop(d *deployment) {
	c.leaving = slices.DeleteFunc(c.leaving, func(o *deployment) bool { return o == d })
}
