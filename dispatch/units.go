package dispatch

import "math"

// This file knows replicas that are several servers behind one address: the
// instances of a managed endpoint, the pods of a Kubernetes Service, steps of
// provisioned throughput. Which server takes a request is decided behind the
// address, so one health, one memory and one throttle clock stand for all:
//
//   - limits per replica (slots, work, prompts due) hold per unit, and whose work is
//     least is compared per unit;
//   - it takes as many failures to open it as to open as many replicas one by one,
//     up to a bound: one server that fails beside others does not close the address;
//   - of what shares an affinity it gets as much as so many replicas would;
//   - of a remembered prompt only its share is counted as saved, since one of the
//     servers has computed it.
const (
	maxUnits    = 1 << 14 // more count as so many, so that products do not overflow
	maxPatience = 8       // times Health.Failures that open a replica, at most
)

// times is a limit of one unit for so many.
func times(limit, units int) int {
	if limit > math.MaxInt/maxUnits {
		return limit // more than is ever reached
	}
	return limit * units
}

// compare orders r and o by an amount per unit: negative where r has less.
func (r *replica) compare(o *replica, a, b int) int {
	if r.units == o.units {
		return a - b
	}
	return a*o.units - b*r.units
}

// slots is how many requests r may have; 0: no limit.
func (r *replica) slots() int { return times(r.d.MaxRequests, r.units) }

// slots is how many requests the ready replicas may have together; 0: no limit.
func (d *deployment) slots() int { return times(d.MaxRequests, d.units) }

// failures is how many open r.
func (c *Core) failures(r *replica) int { return c.o.Health.Failures * min(r.units, maxPatience) }

// draw is the number r draws for an affinity, evenly of all there are; with several
// units the largest of as many draws, which is distributed as a root of one.
func (r *replica) draw(affinity uint64) uint64 {
	x := mix(affinity ^ r.key)
	if r.units == 1 {
		return x
	}
	const below1 = 1 - 1.0/(1<<53)
	u := (float64(x>>11) + 0.5) / (1 << 53)
	return uint64(min(math.Pow(u, 1/float64(r.units)), below1) * (1 << 64))
}

// roomiest is the largest request that a deployment of several units a replica can
// take: there the replica with the least work per unit need not have the most room.
func (d *deployment) roomiest() (most int) {
	for _, r := range d.load {
		most = max(most, r.room())
	}
	return most
}

// roomy returns the replica with the least work per unit among those that have room
// for q, which that with the least of all has not.
func (d *deployment) roomy(q *call, avoid bool) *replica {
	var best *replica
	for _, r := range d.load {
		if r.room() >= q.work && !(avoid && q.hasTried(r)) && (best == nil || r.before(best)) {
			best = r
		}
	}
	return best
}

// setUnits notes how many servers are behind r's address.
func (d *deployment) setUnits(r *replica, units int) {
	if units = min(units, maxUnits); units == r.units {
		return
	}
	d.load.remove(r) // its place there is another; settle puts it back
	r.units = units
}
