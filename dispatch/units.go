package dispatch

import "math"

// This file handles replicas with several servers behind one address: the
// instances of a managed endpoint, the pods of a Kubernetes Service, steps of
// provisioned throughput. The address decides which server takes a request. One
// health, one memory and one throttle clock therefore cover all servers:
//
//   - limits per replica (slots, work, prompts due) hold per unit, and work is compared per
//     unit;
//   - opening it takes as many failures as opening as many single replicas one by one, up to
//     a bound: one failing server among others does not close the address;
//   - of the affinities it gets as much as so many replicas would;
//   - of a remembered prompt only the unit's share counts as saved, since one of the servers
//     has computed it.
const (
	maxUnits    = 1 << 14 // a larger number counts as this many: products cannot overflow
	maxPatience = 8       // at most so many times Health.Failures open a replica
)

// times returns the limit of one unit times units.
func times(limit, units int) int {
	if limit > math.MaxInt/maxUnits {
		return limit // larger than any load
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

// slots returns how many requests r may have; 0: no limit.
func (r *replica) slots() int { return times(r.d.MaxRequests, r.units) }

// slots returns how many requests the ready replicas may have together; 0: no
// limit.
func (d *deployment) slots() int { return times(d.MaxRequests, d.units) }

// failures returns how many failures open r.
func (c *Core) failures(r *replica) int { return c.o.Health.Failures * min(r.units, maxPatience) }

// draw returns r's number for an affinity, uniform over uint64. With several
// units it is distributed as the largest of as many draws: the root of a
// uniform number.
func (r *replica) draw(affinity uint64) uint64 {
	x := mix(affinity ^ r.key)
	if r.units == 1 {
		return x
	}
	const below1 = 1 - 1.0/(1<<53)
	u := (float64(x>>11) + 0.5) / (1 << 53)
	return uint64(min(math.Pow(u, 1/float64(r.units)), below1) * (1 << 64))
}

// roomiest returns the largest request that a deployment with several units a
// replica can take: there the least loaded replica need not have the most room.
func (d *deployment) roomiest() (most int) {
	for _, r := range d.load {
		most = max(most, r.room())
	}
	return most
}

// roomy returns the replica with the least work per unit among those with room
// for q. The least loaded of all has none.
func (d *deployment) roomy(q *call, avoid bool) *replica {
	var best *replica
	for _, r := range d.load {
		if r.room() >= q.work && !(avoid && q.hasTried(r)) && (best == nil || r.before(best)) {
			best = r
		}
	}
	return best
}

// setUnits sets the number of servers behind r's address.
func (d *deployment) setUnits(r *replica, units int) {
	if units = min(units, maxUnits); units == r.units {
		return
	}
	d.load.remove(r) // its order changes; settle puts it back
	r.units = units
}
