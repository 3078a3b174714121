package dispatch

import "math"

// chooseSticky picks a replica of one tier for q by weighted rendezvous hashing
// (Thaler, Ravishankar, 1998, with the weights of Schindelhauer, Schomaker,
// "Weighted distributed hash tables", SPAA 2005). For q's sticky key every
// deployment draws a number distributed by its weight, and the highest one that
// can take q is chosen. The shares follow the weights. A caller moves only to a
// deployment whose weight grew by a larger factor than that of its own. When some
// weights change by one factor, as in a step of a canary, only as many callers
// move as the shares differ by: from deployments that lose to those that gain.
// While a caller's deployment has no room, its requests go to the one with the
// next number, and return later.
func (c *Core) chooseSticky(t tier, q *call, avoid bool) *replica {
	var best *deployment
	top := -1.0
	for _, d := range t {
		if d.ready == 0 || c.unfit(q, d) || d.quota != nil && !c.lets(d, q.Class) {
			continue
		}
		if d.offer = d.offering(c.now, q, avoid); d.offer == nil {
			continue
		}
		if draw := d.draw(q.Sticky); draw > top {
			best, top = d, draw
		}
	}
	if best == nil {
		return nil
	}
	t.charge(best)
	return best.offer
}

// draw returns d's number for a sticky key: w / -ln(u), with u in (0, 1) from
// the hash of both.
func (d *deployment) draw(sticky uint64) float64 {
	u := (float64(mix(sticky^d.key)>>11) + 0.5) / (1 << 53)
	return float64(d.Weight) / -math.Log(u)
}
