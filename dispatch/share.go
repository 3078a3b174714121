package dispatch

import "weir"

// This file protects a tenant's first tokens from another tenant's burst. Fair
// queueing orders waiting requests only. A tenant that has taken every slot
// keeps them until its answers end, and its prompts are computed before later
// ones. Therefore, while several tenants are active, a tenant with more in
// flight than its share leaves two things to tenants with less:
//
//   - a deployment's last slots: one of sixteen, at least one where it has eight;
//   - time of the replicas: its prompts go only where they and the prompts due are no more
//     than Deployment.MaxPrefill together. A longer prompt goes only where none is due, and
//     of several replicas one stays free of such prompts.
//
// Requests of tenants with less go to the replica with the fewest prompt tokens
// due. The cost: slots stay idle, and prompts of tenants over their share start
// later than they could. The limit: a replica computes a prompt it was given
// before later ones. With only one replica, a first token may still wait for
// one prompt of another tenant.
//
// Batch beside interactive counts as over its share, however little it has: it
// is there to use idle capacity. A tenant that is alone or has nothing in
// flight is never held back: capacity never idles for an absent tenant.

// stance compares a request's tenant with the others.
type stance uint8

const (
	alone stance = iota // there are no others
	under               // its tenant has no more in flight than its share
	over                // it has more
)

// stanceOf returns q's stance now.
func (c *Core) stanceOf(q *call) stance { return c.claims.stance(c.now, q.claim, q.Class) }

// yields says whether requests of that class leave capacity to interactive
// ones.
func (s *claims) yields(now weir.Instant, class weir.Class) bool {
	return class == weir.Batch && s.interactive != 0 && now.Sub(s.interactive) <= presence
}

// shared says whether requests of that class may have to leave capacity to
// others.
func (s *claims) shared(now weir.Instant, class weir.Class) bool {
	return s.oldest != s.newest || s.yields(now, class)
}

// stance returns the stance of a request of that tenant and class.
func (s *claims) stance(now weir.Instant, k *claim, class weir.Class) stance {
	switch {
	case s.yields(now, class):
		return over
	case s.oldest == s.newest:
		return alone
	case float64(k.work)*float64(s.weights) > float64(s.work)*float64(k.weight):
		return over
	}
	return under
}

// lookedFlows bounds the flows searched for a tenant within its share.
const lookedFlows = 4

// behind returns the first flow in order that may use room reserved for tenants
// within their share; nil when there is none among the first ones.
func (c *Core) behind(l *lane, class weir.Class, r rooms) *flow {
	if c.claims.oldest == c.claims.newest {
		return nil
	}
	left := lookedFlows
	return c.search(l.root, class, r, &left)
}

func (c *Core) search(t *flow, class weir.Class, r rooms, left *int) *flow {
	if t == nil || *left == 0 {
		return nil
	}
	if f := c.search(t.left, class, r, left); f != nil || *left == 0 {
		return f
	}
	*left--
	if r.holds(t) && c.claims.stance(c.now, t.first.claim, class) != over {
		return t
	}
	return c.search(t.right, class, r, left)
}

// reserve returns how many slots of d stay free for tenants within their share.
func (d *deployment) reserve() int {
	slots := d.slots()
	if slots < 8 {
		return 0
	}
	return (slots + 15) / 16
}

// looked bounds the replicas searched where the first of the heap will not do:
// the start of the heap holds replicas with little work.
const looked = 32

// leaves says whether d's free slots are all reserved: a tenant over its share
// takes none.
func (d *deployment) leaves() bool {
	return d.MaxRequests > 0 && d.slots()-d.requests <= d.reserve()
}

// letting returns a replica for q of a tenant over its share: one with little
// work and few prompt tokens due.
func (d *deployment) letting(q *call, avoid bool) *replica {
	var best *replica
	for _, r := range d.load[:min(len(d.load), looked)] {
		if !r.lets(q) || r.room() < q.work || avoid && q.hasTried(r) {
			continue
		}
		if best == nil || r.before(best) {
			best = r
		}
	}
	return best
}

// lets says whether the prompts due at r leave time for q's. A prompt longer
// than the bound goes only where none is due. Where there are several replicas,
// another one with room must also have next to none due.
func (r *replica) lets(q *call) bool {
	most := times(r.d.MaxPrefill, r.units)
	switch {
	case most <= 0 || r.due+q.Prompt <= most:
		return true
	case r.due > 0:
		return false
	case r.d.ready < 2, r.units > 1: // another unit stays free
		return true
	}
	for _, o := range r.d.load[:min(len(r.d.load), looked)] {
		if o != r && o.due <= times(r.d.MaxPrefill, o.units)/4 {
			return true
		}
	}
	return false
}

// calmest returns the replica with room for q and the fewest prompt tokens due
// per unit; ties go to the least work.
func (d *deployment) calmest(q *call) *replica {
	var best *replica
	for _, r := range d.load[:min(len(d.load), looked)] {
		if r.room() < q.work {
			continue
		}
		if best == nil || r.compare(best, r.due, best.due) < 0 || r.compare(best, r.due, best.due) == 0 && r.before(best) {
			best = r
		}
	}
	return best
}
