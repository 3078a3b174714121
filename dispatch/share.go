package dispatch

import "weir"

// This file keeps one tenant's burst from another's first tokens. Fair queueing
// alone orders those that wait; but a tenant that has taken every slot keeps them
// for as long as its answers last, and its prompts are computed before the ones
// that come after them. So while several tenants are there, a tenant with more in
// flight than its share leaves two things to those with less:
//
//   - a deployment's last slots, one of sixteen, at least one where it has eight;
//   - the replicas' attention: its prompts go only where they and those whose
//     first token is still due are no more than Deployment.MaxPrefill together, a
//     longer one only where none is due, and of several replicas one stays free of
//     such prompts.
//
// Requests of tenants with less go to the replica with the fewest tokens of prompt due.
// What that costs: slots that stand idle, and prompts that begin later than they
// could, of those over their share alone. What it cannot do: a replica computes
// what it was given before it turns to what comes, so where there is one replica
// only, a first token may still wait for one prompt of another tenant.
//
// Batch beside interactive counts as over its share, however little it has: it is
// there to use idle capacity. A tenant that is alone or has nothing in flight is never
// held back, so capacity never idles for an absent tenant.

// stance is how a request's tenant compares with the others.
type stance uint8

const (
	alone stance = iota // there are none
	under               // its tenant has no more in flight than its share
	over                // it has more
)

// stanceOf says how q stands now.
func (c *Core) stanceOf(q *call) stance { return c.claims.stance(c.now, q.claim, q.Class) }

// yields says whether requests of that class leave something to interactive ones.
func (s *claims) yields(now weir.Instant, class weir.Class) bool {
	return class == weir.Batch && s.interactive != 0 && now.Sub(s.interactive) <= presence
}

// shared says whether requests of that class may have to leave something.
func (s *claims) shared(now weir.Instant, class weir.Class) bool {
	return s.oldest != s.newest || s.yields(now, class)
}

// stance says how a request of that tenant and class stands.
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

// lookedFlows bounds the flows that are looked at for one that is not over its
// share.
const lookedFlows = 4

// behind returns the first flow in order that may take what is left for those
// not over their share; nil when there is none among the first ones.
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

// reserve is how many slots of d those over their share leave free.
func (d *deployment) reserve() int {
	slots := d.slots()
	if slots < 8 {
		return 0
	}
	return (slots + 15) / 16
}

// looked bounds the replicas that are looked at where not just the first will do:
// the first of the heap, that is some of those with the least work.
const looked = 32

// leaves says whether d has so few slots left that one over its share takes none.
func (d *deployment) leaves() bool {
	return d.MaxRequests > 0 && d.slots()-d.requests <= d.reserve()
}

// letting returns a replica for q of a tenant over its share: one of those with
// the least work where few tokens of prompt are due.
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

// lets says whether the prompts that are due at r leave time for q's. A prompt
// that is longer than they ever may be goes only where none is due, and where
// there are several replicas only if another one with room has next to none due.
func (r *replica) lets(q *call) bool {
	most := times(r.d.MaxPrefill, r.units)
	switch {
	case most <= 0 || r.due+q.Prompt <= most:
		return true
	case r.due > 0:
		return false
	case r.d.ready < 2, r.units > 1: // another unit of it is left without
		return true
	}
	for _, o := range r.d.load[:min(len(r.d.load), looked)] {
		if o != r && o.due <= times(r.d.MaxPrefill, o.units)/4 {
			return true
		}
	}
	return false
}

// calmest returns the replica with the fewest tokens of prompt due per unit, and among
// those the one with the least work, that has room for q.
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
