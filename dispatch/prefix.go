package dispatch

import "sort"

// maxNames bounds the names remembered of one replica: about 40 bytes each.
const maxNames = 1 << 20

// memory is the prefix names a replica is believed to have cached: a bounded
// number, those of the prompts sent there last. A name is used together with
// all names before it, and those count as used after it. The ends of prompts
// are therefore forgotten first: if a name is remembered, so are all its
// prefixes. The replica itself may remember more or less. A wrong belief costs
// a prefill, never a request.
type memory struct {
	at    map[uint64]int32
	nodes []memo // 0 is the head of the ring; its next is the most recently used
}

type memo struct {
	name       uint64
	prev, next int32
}

// known returns the number of leading names remembered.
func (m *memory) known(names []uint64) int {
	if len(m.at) == 0 {
		return 0
	}
	return sort.Search(len(names), func(i int) bool {
		_, ok := m.at[names[i]]
		return !ok
	})
}

// learn remembers the leading names, at most room of them.
func (m *memory) learn(names []uint64, room int) {
	if m.at == nil {
		m.at, m.nodes = map[uint64]int32{}, make([]memo, 1)
	}
	for k := min(len(names), room) - 1; k >= 0; k-- {
		i, ok := m.at[names[k]]
		switch {
		case ok:
			m.unlink(i)
		case len(m.at) >= room: // the least recently used one makes room
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

// again is the weight of a recomputed token. It counts once because it delays
// the first token of this request, and once because it takes capacity from the
// next. Without the second, a nearly full fleet recomputes more and more: see
// docs/decisions/0012-prompts-that-begin-alike.md.
const again = 2

// knowing returns the replica of d where q costs least: the prompt tokens due
// there before its first token, plus again times its own tokens not cached
// there. Ties go to the replica with the least work. So q goes to its prefix
// exactly while no more waits there than again times the tokens the prefix
// saves. Nil when none has room.
func (d *deployment) knowing(q *call) *replica {
	var best *replica
	least := 0
	for _, r := range d.load {
		if r.room() < q.work || best != nil && r.prefill/r.units+again*(q.Prompt-d.most(q)) > least {
			continue // not the best even with all of the prompt cached
		}
		cost := r.prefill/r.units + again*(q.Prompt-d.known(r, q))
		if best == nil || cost < least || cost == least && r.before(best) {
			best, least = r, cost
		}
	}
	return best
}

// known returns how many of q's prompt tokens r is believed to have cached. The
// last token is always computed: the first token of the answer comes from it.
// With several units only one has computed the prompt and any may get q, so the
// number is divided by the units.
func (d *deployment) known(r *replica, q *call) int {
	return max(min(r.memory.known(q.Prefix)*d.block, q.Prompt-1), 0) / r.units
}

// forgetPrompts clears the memories when names change their meaning.
func (d *deployment) forgetPrompts() {
	for _, r := range d.replicas {
		r.memory = memory{}
	}
}

// names returns the number of names each replica of d remembers.
func (d *deployment) names() int {
	if d.block <= 0 {
		return 0
	}
	return d.CacheTokens / d.block
}

// most returns the most tokens of q's prompt that a replica of d can have
// cached.
func (d *deployment) most(q *call) int { return min(len(q.Prefix)*d.block, q.Prompt) }

// recall notes the tokens q saves at r and remembers q's prompt there.
func (r *replica) recall(q *call) {
	q.known, q.prefill = 0, q.Prompt
	if room := r.d.names(); room > 0 && len(q.Prefix) > 0 {
		q.known = r.d.known(r, q)
		q.prefill -= q.known
		r.memory.learn(q.Prefix, room)
	}
}
