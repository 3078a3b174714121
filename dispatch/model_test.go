package dispatch

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"weir"
)

// model is a plain implementation of Core's decisions: lists sorted on use,
// sums computed on use, no heap, no tree and no cache.
// TestCoreDecidesAsItsModel compares Core with it on drawn traffic.
//
// It covers queue and lanes, fair order and eviction, the choice of deployment
// and replica, units, held replicas, health and tests of open ones, throttle
// clocks, retries with their pauses, quotas and capacity, patience and spill,
// cold starts and deadlines.
//
// It leaves out: Affinity, Prefix, Sticky, pins, needs and contexts, fault
// attribution (Key), copies, prompts due (MaxPrefill), tenants absent for a
// minute, RetryAfter, Passed and Demand. The arithmetic of one quota is Core's
// own; quota_test.go checks that.
type model struct {
	o               Options
	now             weir.Instant
	rng, jitter     *rand.Rand
	deployments     []*modelDeployment
	tiers           [][]*modelDeployment
	calls           map[uint64]*modelCall
	queue           []*modelCall // by the start of their wait
	lanes           [2]modelLane
	tenants         map[string]int // in flight, of all tenants ever seen
	interactive     bool           // such a request has come
	number, turn    uint64
	warm            bool
	warmAt          weir.Instant
	held            *modelCall
	tripped, soured bool // since the last look at waiting calls
	settled, clocks bool // nothing has changed since; a quota or a throttle clock exists or existed
	out             []Verdict
}

type modelDeployment struct {
	Deployment
	use      *quota
	credit   int
	pushed   weir.Instant
	listed   bool
	replicas []*modelReplica
}

type modelReplica struct {
	d              *modelDeployment
	id             string
	units          int
	state          weir.ReplicaState
	gone, held     bool
	requests, work int
	turn           uint64
	failed, opens  int
	open           bool
	tester         uint64
	until, pushed  weir.Instant
	epoch, streak  int
}

type modelCall struct {
	Request
	number            uint64
	since, limit      weir.Instant
	pause             weir.Instant
	work, attempts    int
	on, suspect, kept *modelReplica
	epoch, streak     int
	tried             []*modelReplica
	booked            uint64
	first, cameBack   bool
	patient, again    bool
}

type modelLane struct {
	virtual uint64
	flows   map[string]*modelFlow
	born    int
}

type modelFlow struct {
	tenant        string
	weight, born  int
	start, finish uint64
}

func newModel(o Options, seed uint64, now weir.Instant) *model {
	m := &model{o: o.withDefaults(), now: now, calls: map[uint64]*modelCall{}, tenants: map[string]int{},
		rng:    rand.New(rand.NewPCG(seed, 0x776569722d647370)),
		jitter: rand.New(rand.NewPCG(seed, 0x776569722d6a6974))}
	for i := range m.lanes {
		m.lanes[i].flows = map[string]*modelFlow{}
	}
	for _, d := range o.Deployments {
		m.deployments = append(m.deployments, &modelDeployment{Deployment: d, use: newQuota(0, d.Quota, nil)})
		m.clocks = m.clocks || m.deployments[len(m.deployments)-1].use != nil
	}
	byTier := slices.Clone(m.deployments)
	slices.SortStableFunc(byTier, func(a, b *modelDeployment) int { return cmp.Compare(a.Tier, b.Tier) })
	for i, d := range byTier {
		if i == 0 || byTier[i-1].Tier != d.Tier {
			m.tiers = append(m.tiers, nil)
		}
		m.tiers[len(m.tiers)-1] = append(m.tiers[len(m.tiers)-1], d)
	}
	return m
}

// preferred are the leading tiers that are waited for.
func (m *model) preferred() int {
	n := 0
	for n < len(m.tiers) && slices.ContainsFunc(m.tiers[n], func(d *modelDeployment) bool { return d.Paid }) {
		n++
	}
	return min(max(n, 1), len(m.tiers))
}

func (m *model) share(tenant string) int { return max(m.o.Shares[tenant], 1) }

// all calls f for every replica that is ready.
func (m *model) all(f func(r *modelReplica)) {
	for _, d := range slices.Concat(m.tiers...) {
		for _, r := range d.replicas {
			if r.state == weir.Ready && !r.gone {
				f(r)
			}
		}
	}
}

func (d *modelDeployment) ready() (replicas, units int) {
	for _, r := range d.replicas {
		if r.state == weir.Ready && !r.gone {
			replicas, units = replicas+1, units+r.units
		}
	}
	return replicas, units
}

func (m *model) usable(r *modelReplica) bool {
	return r.state == weir.Ready && !r.gone && r.pushed <= m.now && (!r.open || r.until <= m.now)
}

func (m *model) inRotation(r *modelReplica) bool {
	return m.usable(r) && !r.held && (r.d.MaxRequests == 0 || r.requests < r.d.MaxRequests*r.units) && (!r.open || r.tester == 0)
}

func (r *modelReplica) room() int {
	if r.d.MaxWork == 0 || r.requests < r.units {
		return noLimit
	}
	return max(r.d.MaxWork*r.units-r.work, 0)
}

// less orders replicas: work per unit, requests per unit, turn.
func less(a, b *modelReplica) int {
	return cmp.Or(cmp.Compare(a.work*b.units, b.work*a.units), cmp.Compare(a.requests*b.units, b.requests*a.units), cmp.Compare(a.turn, b.turn))
}

// room is the largest request d can take.
func (m *model) room(d *modelDeployment) (most int) {
	for _, r := range d.replicas {
		if d.pushed <= m.now && m.inRotation(r) {
			most = max(most, r.room())
		}
	}
	return most
}

func (m *model) lets(d *modelDeployment, class weir.Class) bool {
	if d.use != nil && class == weir.Batch && m.waiting(weir.Interactive) > 0 {
		return false
	}
	return d.use == nil || d.use.at(m.now, class) <= m.now
}

func (m *model) waiting(class weir.Class) (n int) {
	for _, q := range m.queue {
		if q.Class == class {
			n++
		}
	}
	return n
}

// over says whether q's tenant has more in flight than its share.
func (m *model) over(q *modelCall) bool {
	if q.Class == weir.Batch && m.interactive {
		return true
	}
	weights, work := 0, 0
	for tenant, w := range m.tenants {
		weights, work = weights+m.share(tenant), work+w
	}
	return len(m.tenants) > 1 && m.tenants[q.Tenant]*weights > work*m.share(q.Tenant)
}

// leaves says whether d's free slots are all reserved.
func (d *modelDeployment) leaves() bool {
	_, units := d.ready()
	requests := 0
	for _, r := range d.replicas {
		requests += r.requests
	}
	slots, kept := d.MaxRequests*units, 0
	if slots >= 8 {
		kept = (slots + 15) / 16
	}
	return d.MaxRequests > 0 && slots-requests <= kept
}

func (m *model) avoids(q *modelCall) (found bool) {
	m.all(func(r *modelReplica) {
		found = found || len(q.tried) > 0 && r.d.pushed <= m.now && m.usable(r) && !slices.Contains(q.tried, r)
	})
	return found
}

// offer is the replica of d for q.
func (m *model) offer(d *modelDeployment, q *modelCall) *modelReplica {
	if d.pushed > m.now || !m.lets(d, q.Class) || m.over(q) && d.leaves() {
		return nil
	}
	var fit []*modelReplica
	for _, r := range d.replicas {
		if m.inRotation(r) && r.room() >= q.work && !(m.avoids(q) && slices.Contains(q.tried, r)) {
			fit = append(fit, r)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return slices.MinFunc(fit, less)
}

// grantIn sends q to one of those tiers, to the deployment with the most
// credit.
func (m *model) grantIn(q *modelCall, from, to int) bool {
	for i := from; i < to; i++ {
		var best *modelDeployment
		for _, d := range m.tiers[i] {
			if m.offer(d, q) != nil && (best == nil || d.credit+d.Weight > best.credit+best.Weight) {
				best = d
			}
		}
		if best != nil {
			m.send(q, m.offer(best, q), i)
			return true
		}
	}
	return false
}

func (m *model) send(q *modelCall, r *modelReplica, tier int) {
	total := 0
	for _, d := range m.tiers[tier] {
		if n, _ := d.ready(); n > 0 {
			total += d.Weight
			d.credit += d.Weight
		}
	}
	r.d.credit -= total
	for _, d := range m.tiers[tier] {
		d.credit = max(min(d.credit, maxCredit*total), -maxCredit*total)
	}
	reason := Room
	switch {
	case r.open:
		reason, r.tester = HalfOpen, q.ID
	case tier > 0:
		reason = Spill
	}
	if r.d.use != nil {
		q.booked = r.d.use.book(m.now, q.Prompt, q.mayAnswer())
	}
	m.turn++
	q.attempts++
	q.on, q.epoch, r.turn = r, r.epoch, m.turn
	r.requests++
	r.work += q.work
	m.tenants[q.Tenant] += q.work
	m.out = append(m.out, Verdict{ID: q.ID, Kind: Grant, Deployment: r.d.Name, Replica: r.id, Reason: reason, Queued: m.now.Sub(q.since)})
}

func (m *model) refuse(q *modelCall, why Reason) {
	v := Verdict{ID: q.ID, Kind: Refuse, Reason: why, Queued: m.now.Sub(q.since)}
	if r := len(q.tried); r > 0 {
		v.Deployment, v.Replica = q.tried[r-1].d.Name, q.tried[r-1].id
	}
	m.out = append(m.out, v)
	delete(m.calls, q.ID)
}
