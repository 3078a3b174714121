package dispatch

// lane holds the waiting calls of one class: first those granted before that
// failed unseen, in order; then a flow per tenant. Flows with waiting calls are
// in a treap by tag, and each node knows the smallest head below it. The first
// call in fair order that fits is found in O(log tenants).
type lane struct {
	again            list
	class            int
	life             uint64           // validity of the flows that claims remember: it changes when flows are forgotten
	flows            map[string]*flow // includes flows without backlog whose finish is ahead of virtual time
	root             *flow
	fat              heap[*flow]
	born             uint64
	sweepAt          int    // number of flows at which idle ones are forgotten
	now              uint64 // virtual time
	weights          int    // of the waiting flows
	count, work      int    // requests and tokens
	prompt, output   int    // tokens, as providers book them
	fresh, freshWork int    // of these, calls not granted before
}

// insert puts f into the tree under its present tag and head.
func (l *lane) insert(f *flow) {
	f.left, f.right = nil, nil
	f.need, f.order, f.patient = f.first.work, f.first.number, f.first.patient
	f.prio = mix(f.order)
	f.update()
	low, high := split(l.root, f)
	l.root = merge(merge(low, f), high)
}

// remove takes f out of the tree. Its tag must be the same as at insert.
func (l *lane) remove(f *flow) {
	l.root = cut(l.root, f)
	f.left, f.right = nil, nil
}

// first returns the first flow in fair order whose head has room; nil when
// there is none.
func (l *lane) first(r rooms) *flow {
	t := l.root
	if t == nil || !r.fits(t.least) {
		return nil
	}
	for {
		switch {
		case t.left != nil && r.fits(t.left.least):
			t = t.left
		case r.holds(t):
			return t
		default:
			t = t.right
		}
	}
}

// of returns the flow of a tenant, nil if it has none. The claim caches it
// until a flow is forgotten.
func (l *lane) of(k *claim) *flow {
	found := &k.flows[l.class]
	if found.flow == nil || found.life != l.life {
		*found = knownFlow{l.flows[k.tenant], l.life}
	}
	return found.flow
}

// flow returns the flow of a tenant, and makes one with that weight if it is
// new.
func (l *lane) flow(k *claim, weight int) *flow {
	f := l.of(k)
	if f == nil {
		l.sweep()
		l.born++
		f = &flow{tenant: k.tenant, weight: max(weight, 1), born: l.born}
		l.flows[k.tenant] = f
	}
	return f
}

// sweep forgets tenants that are owed nothing and owe nothing. Without it the
// map would grow with every tenant ever seen.
func (l *lane) sweep() {
	if len(l.flows) < max(l.sweepAt, 64) {
		return
	}
	for tenant, f := range l.flows { // order does not show: each is judged alone
		if f.count == 0 && f.finish <= l.now {
			delete(l.flows, tenant)
		}
	}
	l.sweepAt = 2 * len(l.flows)
	l.life++
}

// enter queues q; again says that it was granted before.
func (l *lane) enter(q *call, weight int, again bool) {
	l.count++
	l.work += q.work
	l.prompt += q.Prompt
	l.output += q.mayAnswer()
	if again {
		l.again.append(q)
		return
	}
	f := l.flow(q.claim, weight)
	f.append(q)
	q.flow = f
	f.count++
	f.work += q.work
	l.fresh++
	l.freshWork += q.work
	if f.count > 1 {
		l.fat.fix(f)
		return
	}
	f.start = max(l.now, f.finish)
	l.weights += f.weight
	l.fat.push(f)
	l.insert(f)
}

// leave takes q out of the queue. served says that it was granted, and not
// cancelled or refused: only then does it count towards the tenant's share.
// Only the head of a flow is ever served.
func (l *lane) leave(q *call, served bool) {
	l.count--
	l.work -= q.work
	l.prompt -= q.Prompt
	l.output -= q.mayAnswer()
	if q.flow == nil {
		l.again.unlink(q)
	} else {
		l.leaveFlow(q, q.flow, served)
	}
	if l.count == 0 { // no tenant is owed anything
		clear(l.flows)
		l.life++
		l.now = 0
	}
}

func (l *lane) leaveFlow(q *call, f *flow, served bool) {
	head := q == f.first
	if head {
		l.remove(f)
	}
	f.unlink(q)
	q.flow = nil
	f.count--
	f.work -= q.work
	l.fresh--
	l.freshWork -= q.work
	if served {
		f.finish = f.start + f.cost(q.work)
		f.start = f.finish
		l.now += uint64(q.work) * tagUnit / uint64(l.weights)
	}
	switch {
	case f.count == 0:
		l.weights -= f.weight
		l.fat.remove(f)
	case head:
		l.fat.fix(f)
		l.insert(f)
	default:
		l.fat.fix(f)
	}
	if t := l.leftmost(); t != nil {
		l.now = max(l.now, t.start)
	}
}

// leftmost returns the next flow in fair order; nil when no flow waits.
func (l *lane) leftmost() *flow {
	t := l.root
	for t != nil && t.left != nil {
		t = t.left
	}
	return t
}

// reweigh sets every tenant's weight to its current share.
func (l *lane) reweigh(share func(string) int) {
	for tenant, f := range l.flows { // order does not show: the heap is rebuilt from a total order
		f.weight = share(tenant)
	}
	flows := l.fat
	l.fat, l.weights = nil, 0
	for _, f := range flows {
		f.fat = 0
		l.weights += f.weight
		l.fat.push(f)
	}
}

// rooms is the size of the largest request that any tier can take, and that the
// preferred tiers can take. No room is 0, and no request is smaller than 1.
type rooms struct {
	any, preferred int
	open           bool // also to tenants over their share
}

// holds says whether there is room for the head of f.
func (r rooms) holds(f *flow) bool {
	return f.need <= r.any && !f.patient || f.need <= r.preferred
}

// fits says whether there is room for any head of a subtree with those least
// needs.
func (r rooms) fits(least [2]int) bool {
	return least[0] <= r.any || least[1] <= r.preferred
}

// of returns the room for q.
func (r rooms) of(q *call) int {
	if q.patient {
		return r.preferred
	}
	return r.any
}
