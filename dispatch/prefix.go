package dispatch

import "sort"

// maxNames bounds what is remembered of one replica: about 40 bytes each.
const maxNames = 1 << 20

// memory is the names a replica is believed to know, at most so many: those of
// the prompts that were sent there last. A name is used together with all
// those before it, and they count as used after it, so the ends of prompts are
// forgotten first: if a name is remembered, so are all its prefixes. The replica
// itself may have forgotten more, or less: a wrong belief costs a prefill, never a
// request.
type memory struct {
	at    map[uint64]int32
	nodes []memo // 0 is the head of the ring: next is the one used last
}

type memo struct {
	name       uint64
	prev, next int32
}

// known is how many leading names are known.
func (m *memory) known(names []uint64) int {
	if len(m.at) == 0 {
		return 0
	}
	return sort.Search(len(names), func(i int) bool {
		_, ok := m.at[names[i]]
		return !ok
	})
}

// learn makes the leading names known, at most so many as there is room for.
func (m *memory) learn(names []uint64, room int) {
	if m.at == nil {
		m.at, m.nodes = map[uint64]int32{}, make([]memo, 1)
	}
	for k := min(len(names), room) - 1; k >= 0; k-- {
		i, ok := m.at[names[k]]
		switch {
		case ok:
			m.unlink(i)
		case len(m.at) >= room: // the one not used for longest makes way
			i = m.nodes[0].prev
			m.unlink(i)
			delete(m.at, m.nodes[i].name)
		default:
			i = int32(len(m.nodes))
			m.nodes = append(m.nodes, memo{})
		}
		m.nodes[i].name = names[k]
		m.at[names[k]] = i
		m.first(i)
	}
}

func (m *memory) unlink(i int32) {
	n := m.nodes[i]
	m.nodes[n.prev].next, m.nodes[n.next].prev = n.next, n.prev
}

func (m *memory) first(i int32) {
	head := &m.nodes[0]
	m.nodes[i].prev, m.nodes[i].next = 0, head.next
	m.nodes[head.next].prev = i
	head.next = i
}

// again is what a recomputed token counts: once because it delays the first token of
// this request, and once because it takes capacity from the next. Without the second
// a fleet that is nearly full recomputes more and more: see
// docs/decisions/0012-prompts-that-begin-alike.md.
const again = 2

// knowing returns the replica of d where q costs the least: the prompt tokens due
// there before its first token, plus "again" times those of its own that the replica
// does not remember. Ties go to the one with the least work. So q goes to its prefix
// exactly as long as no more waits there than "again" times what the prefix saves.
// Nil when none has room.
func (d *deployment) knowing(q *call) *replica {
	var best *replica
	least := 0
	for _, r := range d.load {
		if r.room() < q.work || best != nil && r.prefill/r.units+again*(q.Prompt-d.most(q)) > least {
			continue // it would not be the best if it knew all of the prompt
		}
		cost := r.prefill/r.units + again*(q.Prompt-d.known(r, q))
		if best == nil || cost < least || cost == least && r.before(best) {
			best, least = r, cost
		}
	}
	return best
}

// known is how much of q's prompt r is believed to know, in tokens. The last
// token is always computed: the first of the answer comes from it. Of several units
// one has computed it, and each may get q.
func (d *deployment) known(r *replica, q *call) int {
	return max(min(r.memory.known(q.Prefix)*d.block, q.Prompt-1), 0) / r.units
}

// forgetPrompts is for names that now mean something else.
func (d *deployment) forgetPrompts() {
	for _, r := range d.replicas {
		r.memory = memory{}
	}
}

// names is how many names each replica of d remembers.
func (d *deployment) names() int {
	if d.block <= 0 {
		return 0
	}
	return d.CacheTokens / d.block
}

// most is how much of q's prompt a replica of d can know.
func (d *deployment) most(q *call) int { return min(len(q.Prefix)*d.block, q.Prompt) }

// recall notes what is saved by sending q to r, and that r will know its prompt.
func (r *replica) recall(q *call) {
	q.known, q.prefill = 0, q.Prompt
	if room := r.d.names(); room > 0 && len(q.Prefix) > 0 {
		q.known = r.d.known(r, q)
		q.prefill -= q.known
		r.memory.learn(q.Prefix, room)
	}
}
