package dispatch

import (
	"cmp"
	"slices"

	"weir"
)

// The queue of the model: order, room, patience to the end.

func (m *model) wake(now weir.Instant) []Verdict {
	m.at(now)
	return m.end()
}

// end serves waiting calls, and refuses those whose wait is over.
func (m *model) end() []Verdict {
	if len(m.queue) == 0 {
		return m.out
	}
	m.look()
	for m.tripped && len(m.queue) > 0 && m.inVain(m.queue[0].limit) == AllUnhealthy {
		m.giveUpOn(m.queue[0], AllUnhealthy)
	}
	m.tripped = false
	if m.soured {
		m.soured = false
		granted := false
		for _, q := range slices.Clone(m.queue) {
			if q.patient && m.opens(q.Class) > m.patience(q) {
				granted = m.hurry(q) || granted
			}
		}
		if granted {
			m.serve()
		}
	}
	for {
		i := slices.IndexFunc(m.queue, func(q *modelCall) bool { return q.limit <= m.now })
		if i < 0 {
			return m.out
		}
		due := slices.Clone(m.queue)
		slices.SortFunc(due, func(a, b *modelCall) int {
			return cmp.Or(cmp.Compare(a.limit, b.limit), cmp.Compare(a.number, b.number))
		})
		if q := due[0]; !q.patient || !m.hurry(q) && q.limit <= m.now {
			m.giveUpOn(q, m.late())
		}
		if !slices.ContainsFunc(m.queue, func(q *modelCall) bool { return q.limit <= m.now }) {
			m.serve()
		}
	}
}

func (m *model) giveUpOn(q *modelCall, why Reason) {
	m.dequeue(q, false)
	m.refuse(q, why)
}

func (m *model) late() Reason {
	if m.warm {
		return QueueTimeout
	}
	return ColdTimeout
}

func (m *model) giveUp(q *modelCall) weir.Instant {
	wait := m.o.Queue.MaxWait
	if q.Class == weir.Batch {
		wait = m.o.Queue.BatchWait
	}
	at := q.since.Add(max(wait, m.o.Queue.MaxWaitCold))
	if m.warm {
		at = min(at, max(q.since, m.warmAt).Add(wait))
	}
	if q.Deadline != 0 {
		at = min(at, q.Deadline)
	}
	return at
}

func (m *model) limitOf(q *modelCall) weir.Instant {
	if q.patient {
		return min(m.giveUp(q), m.patience(q))
	}
	return m.giveUp(q)
}

func (m *model) hope() bool {
	return slices.ContainsFunc(m.deployments, func(d *modelDeployment) bool {
		return d.Elastic || !d.listed || slices.ContainsFunc(d.replicas, func(r *modelReplica) bool {
			return !r.gone && (r.state == weir.Starting || r.state == weir.Failed)
		})
	})
}

// inVain says why waiting until at is in vain.
func (m *model) inVain(at weir.Instant) Reason {
	if at <= m.now {
		return m.late()
	}
	back, why, dead := weir.Instant(0), NoReplica, true
	m.all(func(r *modelReplica) {
		b, because := max(r.d.pushed, r.pushed), AllThrottled
		if r.open && r.until > b {
			b, because = r.until, AllUnhealthy
		}
		if b <= m.now {
			b, because = 0, ""
		}
		if why == NoReplica || why != "" && b < back {
			back, why = b, because
		}
		dead = dead && (!r.open || r.opens > 1)
	})
	switch {
	case why == "" || m.hope():
		return ""
	case why == NoReplica || back > at:
		return why
	case why == AllUnhealthy && (back.Sub(m.now) > m.o.Health.Base || dead):
		return why
	}
	return ""
}

func (m *model) enqueue(q *modelCall) {
	if why := m.inVain(m.giveUp(q)); why != "" {
		m.refuse(q, why)
		return
	}
	if !q.again && !m.makeRoom(q) {
		m.refuse(q, QueueFull)
		return
	}
	q.limit = m.limitOf(q)
	l := &m.lanes[q.Class]
	if !q.again && len(m.flow(q)) == 0 {
		f := l.flows[q.Tenant]
		if f == nil {
			l.born++
			f = &modelFlow{tenant: q.Tenant, weight: m.share(q.Tenant), born: l.born}
			l.flows[q.Tenant] = f
		}
		f.start = max(l.virtual, f.finish)
	}
	if m.held != nil && m.held.Class == weir.Batch && q.Class != weir.Batch {
		m.settled = false // batch gives up the replica held for it
	}
	m.queue = append(m.queue, q)
}

// flow returns the waiting calls of q's tenant and class.
func (m *model) flow(q *modelCall) (list []*modelCall) {
	for _, o := range m.queue {
		if !o.again && o.Class == q.Class && o.Tenant == q.Tenant {
			list = append(list, o)
		}
	}
	return list
}

// heads returns the first call of each tenant in a class, in fair order.
func (m *model) heads(class weir.Class) (heads []*modelCall) {
	for _, q := range m.queue {
		if !q.again && q.Class == class && m.flow(q)[0] == q {
			heads = append(heads, q)
		}
	}
	flows := m.lanes[class].flows
	slices.SortFunc(heads, func(a, b *modelCall) int {
		return cmp.Or(cmp.Compare(flows[a.Tenant].start, flows[b.Tenant].start), cmp.Compare(a.number, b.number))
	})
	return heads
}

// dequeue takes q out. Served, it moves virtual time and its tenant's tag on.
func (m *model) dequeue(q *modelCall, served bool) {
	m.unhold(q)
	m.settled = false
	l := &m.lanes[q.Class]
	if !q.again && served {
		weights := 0
		for _, h := range m.heads(q.Class) {
			weights += m.share(h.Tenant)
		}
		f := l.flows[q.Tenant]
		f.finish = f.start + max(uint64(q.work)*tagUnit/uint64(f.weight), 1)
		f.start = f.finish
		l.virtual += uint64(q.work) * tagUnit / uint64(weights)
	}
	m.queue = slices.DeleteFunc(m.queue, func(o *modelCall) bool { return o == q })
	if heads := m.heads(q.Class); !q.again && len(heads) > 0 {
		l.virtual = max(l.virtual, l.flows[heads[0].Tenant].start)
	}
	if m.waiting(q.Class) == 0 {
		*l = modelLane{flows: map[string]*modelFlow{}, born: l.born}
	}
}

// backlog returns a tenant's waiting work.
func (m *model) backlog(q *modelCall) (work int) {
	for _, o := range m.flow(q) {
		work += o.work
	}
	return work
}

// fattest returns the tenant with the largest backlog for its share, the newest
// of equals.
func (m *model) fattest(class weir.Class) *modelCall {
	heads := m.heads(class)
	if len(heads) == 0 {
		return nil
	}
	return slices.MinFunc(heads, func(a, b *modelCall) int {
		x, y := m.lanes[class].flows[a.Tenant], m.lanes[class].flows[b.Tenant]
		return cmp.Or(cmp.Compare(float64(m.backlog(b))/float64(y.weight), float64(m.backlog(a))/float64(x.weight)), cmp.Compare(y.born, x.born))
	})
}

func (m *model) makeRoom(q *modelCall) bool {
	work, fresh, freshWork := q.work-m.o.Queue.MaxWork, 0, 0
	for _, o := range m.queue {
		work += o.work
		if !o.again && o.Class == weir.Batch {
			fresh, freshWork = fresh+1, freshWork+o.work
		}
	}
	requests := len(m.queue) + 1 - m.o.Queue.MaxRequests
	if requests <= 0 && work <= 0 || len(m.queue) == 0 {
		return true
	}
	from := q.Class
	if q.Class == weir.Interactive && fresh >= requests && freshWork >= work {
		from = weir.Batch
	} else {
		fat := m.fattest(q.Class)
		if fat == nil || fat.Tenant == q.Tenant {
			return false
		}
		mine := float64(m.backlog(q)+q.work) / float64(m.share(q.Tenant))
		if m.backlog(fat)-int(float64(m.share(fat.Tenant))*mine) < max(work, 1) {
			return false
		}
	}
	for (requests > 0 || work > 0) && m.fattest(from) != nil {
		list := m.flow(m.fattest(from))
		last := list[len(list)-1]
		requests, work = requests-1, work-last.work
		m.giveUpOn(last, QueueFull)
	}
	return true
}

// serve grants waiting calls in order, and holds a replica for the first one
// that does not fit where smaller ones would.
func (m *model) serve() {
	for again := true; again; {
		held := m.held
		m.serveOnce()
		again = held != nil && m.held != held && len(m.queue) > 0
	}
	m.settled = true
}

func (m *model) serveOnce() {
	if m.held != nil && m.held.Class == weir.Batch && m.waiting(weir.Interactive) > 0 {
		m.unhold(m.held)
	}
	m.serveHeld()
	for class := weir.Interactive; class <= weir.Batch; class++ {
		for _, q := range slices.Clone(m.queue) {
			if !q.again || q.Class != class || q.pause > m.now {
				continue
			}
			most, _, _ := m.rooms(q)
			if most > 0 && m.grant(q) {
				m.dequeue(q, true)
			} else if most > 0 && q.work > most && m.held == nil && !m.over(q) {
				m.hold(q)
			}
		}
		if !m.serveFlows(class) {
			return
		}
	}
}

// rooms returns the largest request that may go where q may, and anywhere, and
// whether tenants over their share may too.
func (m *model) rooms(q *modelCall) (its, most int, open bool) {
	preferred := 0
	open = len(m.tenants) < 2 && !(q.Class == weir.Batch && m.interactive)
	for i, t := range m.tiers {
		for _, d := range t {
			if room := m.room(d); room > 0 && m.lets(d, q.Class) {
				most = max(most, room)
				open = open || !d.leaves()
			}
		}
		if i < m.preferred() {
			preferred = most
		}
	}
	if q.patient {
		return preferred, most, open
	}
	return most, most, open
}

func (m *model) serveFlows(class weir.Class) bool {
	for {
		heads := m.heads(class)
		if len(heads) == 0 {
			return true
		}
		its, most, open := m.rooms(heads[0])
		if most == 0 {
			return false
		}
		q := heads[0]
		if q.work > its {
			if its > 0 && m.held == nil && !m.over(q) && m.hold(q) {
				continue
			}
			q = nil
			for _, h := range heads {
				if its, _, _ := m.rooms(h); q == nil && h.work <= its {
					q = h
				}
			}
		}
		if q == nil || !open && m.over(q) || !m.grant(q) {
			q = nil
			for _, h := range heads[:min(len(heads), lookedFlows)] {
				if its, _, _ := m.rooms(h); q == nil && h.work <= its && !m.over(h) && len(m.tenants) > 1 {
					q = h
				}
			}
			if q == nil || !m.grant(q) {
				return true
			}
		}
		m.dequeue(q, true)
		if !open { // one event grants one call from the reserve
			return true
		}
	}
}

func (m *model) grant(q *modelCall) bool {
	if q.patient {
		return m.grantIn(q, 0, m.preferred())
	}
	return m.grantIn(q, 0, len(m.tiers))
}

func (m *model) hold(q *modelCall) bool {
	tiers := m.tiers
	if q.patient {
		tiers = tiers[:m.preferred()]
	}
	for _, d := range slices.Concat(tiers...) {
		var fit []*modelReplica
		for _, r := range d.replicas {
			if m.inRotation(r) && !(m.avoids(q) && slices.Contains(q.tried, r)) {
				fit = append(fit, r)
			}
		}
		if m.room(d) > 0 && m.lets(d, q.Class) && len(fit) > 0 {
			q.kept = slices.MinFunc(fit, less)
			q.kept.held, m.held = true, q
			return true
		}
	}
	return false
}

func (m *model) unhold(q *modelCall) {
	if m.held == q {
		q.kept.held, q.kept, m.held = false, nil, nil
	}
}

func (m *model) serveHeld() {
	q := m.held
	if q == nil {
		return
	}
	r := q.kept
	if !m.usable(r) || r.d.pushed > m.now || m.avoids(q) && slices.Contains(q.tried, r) {
		m.unhold(q)
		return
	}
	if r.room() < q.work || r.d.MaxRequests > 0 && r.requests >= r.d.MaxRequests*r.units || !m.lets(r.d, q.Class) {
		return
	}
	m.unhold(q)
	m.send(q, r, slices.IndexFunc(m.tiers, func(t []*modelDeployment) bool { return t[0].Tier == r.d.Tier }))
	m.dequeue(q, true)
}
