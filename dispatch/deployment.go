package dispatch

import (
	"cmp"
	"slices"

	"weir"
)

// deployment is one way to serve the model, with its replicas.
type deployment struct {
	// The fields that choose reads come first, for locality.
	ready     int            // replicas that are ready, whether they have room or not
	units     int            // of the ready replicas
	wide      bool           // a ready replica has several units
	quota     *quota         // nil: none
	tail      *tail          // nil: no hedging
	solo      *solo          // nil: no request had a replica for itself yet
	throttled weir.Instant   // takes nothing until then
	load      heap[*replica] // the replicas that may take one more request
	offer     *replica       // what offering returned for choose
	credit    int            // for weighted round robin, see choose

	requests, work         int // in flight, over all replicas
	granted, completed     uint64
	donePrompt, doneOutput uint64
	lastEnded              weir.Instant // when a request last ended; 0: never
	Deployment

	block    int        // tokens per prefix name; 0: prefixes are ignored
	key      uint64     // hash of its name, for draw
	learned  []lack     // capabilities it was found to lack
	proven   Needs      // capabilities it has shown
	retired  bool       // no longer configured; kept until its last request has ended
	reported bool       // Replicas has been called for it
	coming   int        // replicas that are starting or will restart
	broken   *replica   // a replica that failed to start, while none is ready or starting for the first time; else nil
	short    Shortage   // why its place can give no replica now
	replicas []*replica // in the fleet's order, then vanished ones with work in flight
	byID     map[string]*replica
}

// tier is the equally preferred deployments that take new requests, in
// configured order.
type tier []*deployment

// tiersOf sorts the deployments with a weight into tiers.
func tiersOf(ds []*deployment) []tier {
	open := slices.DeleteFunc(slices.Clone(ds), func(d *deployment) bool { return d.Weight <= 0 })
	slices.SortStableFunc(open, func(a, b *deployment) int { return cmp.Compare(a.Tier, b.Tier) })
	var tiers []tier
	for i, d := range open {
		if i == 0 || d.Tier != open[i-1].Tier {
			tiers = append(tiers, nil)
		}
		last := &tiers[len(tiers)-1]
		*last = append(*last, d)
	}
	return tiers
}

// maxCredit bounds, in requests, the credit of a deployment that had no room.
// The error over any stretch of requests is at most from 50 owed to 50 ahead:
// 1 % of 10,000.
const maxCredit = 50

// choose picks a replica of one tier for q, or nil when none has room.
//
// Deployments share by smooth weighted round robin: each gains its weight; the
// one with the most credit that can take q is chosen and pays the sum of all
// gains. A deployment without room for a moment keeps its gains and catches up.
// One without a ready replica is owed nothing: after a cold start it does not
// get a stampede.
func (c *Core) choose(t tier, q *call, avoid bool) *replica {
	if q.Sticky != 0 && len(t) > 1 {
		return c.chooseSticky(t, q, avoid)
	}
	var best *deployment
	for _, d := range t {
		if d.ready == 0 || c.unfit(q, d) || d.quota != nil && !c.lets(d, q.Class) {
			continue
		}
		d.offer = d.offering(c.now, q, avoid)
		if d.offer != nil && (best == nil || d.credit+d.Weight > best.credit+best.Weight) {
			best = d
		}
	}
	if best == nil {
		return nil
	}
	t.charge(best)
	return best.offer
}

// charge books one request on d: all deployments with a ready replica gain, d
// pays.
func (t tier) charge(d *deployment) {
	total := 0
	for _, o := range t {
		if o.ready > 0 {
			total += o.Weight
			o.credit += o.Weight
		}
	}
	d.credit -= total
	bound := maxCredit * total
	for _, o := range t {
		o.credit = max(min(o.credit, bound), -bound)
	}
}

// offering returns a replica of d with room for q, by affinity or by least
// work; nil when there is none.
func (d *deployment) offering(now weir.Instant, q *call, avoid bool) *replica {
	if d.throttled > now || len(d.load) == 0 {
		return nil
	}
	if q.stance == over && d.leaves() {
		return nil
	}
	r := d.load[0]
	switch {
	case avoid:
		r = d.least(0, q)
	case len(d.load) == 1:
	case len(q.Prefix) > 0 && d.names() > 0:
		r = d.knowing(q)
	case q.Affinity != 0:
		r = d.nearest(q)
	case q.stance == under && d.MaxPrefill > 0:
		r = d.calmest(q)
	}
	if d.wide && d.MaxWork > 0 && r != nil && r.room() < q.work {
		r = d.roomy(q, avoid)
	}
	if r == nil || r.room() < q.work {
		return nil
	}
	if q.stance == over && !r.lets(q) {
		return d.letting(q, avoid)
	}
	return r
}

// least returns the replica with the least work below index i of the heap that
// q has not tried. It descends only below replicas that q has tried.
func (d *deployment) least(i int, q *call) *replica {
	if i >= len(d.load) {
		return nil
	}
	if r := d.load[i]; !q.hasTried(r) {
		return r
	}
	a, b := d.least(2*i+1, q), d.least(2*i+2, q)
	if a == nil || b != nil && b.before(a) {
		return b
	}
	return a
}

// room returns the size of the largest request d can take now; 0: none.
func (d *deployment) room(now weir.Instant) int {
	if d.throttled > now || len(d.load) == 0 {
		return 0
	}
	if d.wide && d.MaxWork > 0 {
		return d.roomiest()
	}
	return d.load[0].room()
}

// forget removes a vanished replica.
func (d *deployment) forget(r *replica) {
	if d.byID[r.id] == r {
		delete(d.byID, r.id)
	}
	if i := slices.Index(d.replicas, r); i >= 0 {
		d.replicas = slices.Delete(d.replicas, i, i+1)
	}
}

// count refreshes the numbers of ready and coming replicas.
func (d *deployment) count() {
	d.ready, d.units, d.coming, d.broken, d.wide = 0, 0, 0, nil, false
	fresh := 0 // ready, or starting for the first time
	for _, r := range d.replicas {
		switch {
		case r.gone:
		case r.failedStarts > 0 && r.state != weir.Ready:
			d.broken = r
		case r.state == weir.Ready || r.state == weir.Starting:
			fresh++
		}
		switch {
		case r.gone:
		case r.state == weir.Ready:
			d.ready++
			d.units += r.units
			d.wide = d.wide || r.units > 1
		case r.state == weir.Starting, r.state == weir.Failed:
			d.coming++
		}
	}
	if fresh > 0 {
		d.broken = nil
	}
}
