package dispatch

// flow is one tenant's waiting requests in one class, first come first served.
//
// The order between flows is start-time fair queueing (Goyal, Vin, Cheng,
// SIGCOMM 1996). A flow's tag is the virtual time at which its next request may
// start. The lowest tag goes first, and serving it moves the tag on by work
// divided by weight. Virtual time runs as in WF2Q+ (Bennett, Zhang, INFOCOM
// 1997): it advances by the work served, divided by the weights of all waiting
// flows, and is never behind the lowest tag. A tenant that was away starts at
// the present virtual time: it is owed nothing and owes nothing. An endless
// series of new tenants does not keep the others from their turn.
type flow struct {
	tenant string
	weight int
	start  uint64 // tag of the head
	finish uint64 // tag after the last request served
	list
	count int
	work  int // tokens waiting

	// Node of the tree of lanes, ordered by (start, head's number).
	left, right *flow
	prio        uint64
	need        int    // work of the head
	patient     bool   // the head waits for the preferred tiers only
	least       [2]int // smallest need in this subtree: of heads without patience, and with
	order       uint64

	born uint64 // orders flows of equal backlog
	fat  int    // index in the heap of the largest backlogs
}

// list is a doubly linked list of calls.
type list struct{ first, last *call }

func (l *list) append(q *call) {
	q.before, q.after = l.last, nil
	if l.last == nil {
		l.first = q
	} else {
		l.last.after = q
	}
	l.last = q
}

func (l *list) unlink(q *call) {
	if q.before == nil {
		l.first = q.after
	} else {
		q.before.after = q.after
	}
	if q.after == nil {
		l.last = q.before
	} else {
		q.after.before = q.before
	}
	q.before, q.after = nil, nil
}

// tagUnit is virtual time per token at weight one. It is large: even at a
// weight of thousands, requests of a few tokens have different costs.
const tagUnit = 1 << 16

// cost is the virtual time of so much work.
func (f *flow) cost(work int) uint64 {
	return max(uint64(work)*tagUnit/uint64(f.weight), 1)
}

// backlog is f's waiting work, and more, relative to its weight.
func (f *flow) backlog(more int) float64 { return float64(f.work+more) / float64(f.weight) }

// before orders flows by backlog, the largest first.
func (f *flow) before(o *flow) bool {
	if a, b := f.backlog(0), o.backlog(0); a != b {
		return a > b
	}
	return f.born > o.born
}

func (f *flow) heapIndex() *int { return &f.fat }

// precedes orders the tree.
func (f *flow) precedes(o *flow) bool {
	return f.start < o.start || f.start == o.start && f.order < o.order
}

func (f *flow) update() {
	hasty, patient := f.need, nobody
	if f.patient {
		hasty, patient = nobody, f.need
	}
	if o := f.left; o != nil {
		hasty, patient = min(hasty, o.least[0]), min(patient, o.least[1])
	}
	if o := f.right; o != nil {
		hasty, patient = min(hasty, o.least[0]), min(patient, o.least[1])
	}
	f.least = [2]int{hasty, patient}
}

// split divides the tree into the flows before key and the rest.
func split(t, key *flow) (low, high *flow) {
	if t == nil {
		return nil, nil
	}
	if t.precedes(key) {
		t.right, high = split(t.right, key)
		low = t
	} else {
		low, t.left = split(t.left, key)
		high = t
	}
	t.update()
	return low, high
}

func merge(a, b *flow) *flow {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.prio > b.prio:
		a.right = merge(a.right, b)
		a.update()
		return a
	}
	b.left = merge(a, b.left)
	b.update()
	return b
}

func cut(t, f *flow) *flow {
	if t == f {
		return merge(t.left, t.right)
	}
	if f.precedes(t) {
		t.left = cut(t.left, f)
	} else {
		t.right = cut(t.right, f)
	}
	t.update()
	return t
}

// mix spreads the bits of a number (Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", OOPSLA 2014). The balance of the tree then
// does not depend on the order of arrivals.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
