package kubernetes

import (
	"cmp"
	"slices"

	"weir"
)

// member is a pod of the number, with what decides which pods go.
type member struct {
	p       *pod
	id      string
	state   weir.ReplicaState // what it would be if it did not drain
	onNode  bool
	leaving bool
	done    bool // leaves, and nothing holds it any more
	ordinal int
}

// taken returns which of those that leave go back to work, at most by of them:
// the newest first or, where the highest numbers must go first, the lowest.
func taken(ms []member, by int, inOrder bool) []member {
	var back []member
	for _, m := range ms { // oldest first
		if m.leaving {
			back = append(back, m)
		}
	}
	if inOrder {
		slices.SortFunc(back, func(a, b member) int { return cmp.Compare(a.ordinal, b.ordinal) })
	} else {
		slices.Reverse(back)
	}
	return back[:min(by, len(back))]
}

// chosen returns which by of those that stay shall leave, in their order: those
// that failed, then the victims, then those that start, then the newest. Where
// the highest numbers must go first, they do, whatever was wished.
func chosen(ms []member, by int, victims []string, inOrder bool) []member {
	stay := slices.DeleteFunc(slices.Clone(ms), func(m member) bool { return m.leaving })
	slices.Reverse(stay) // newest first
	rank := func(m member) int {
		if m.state == weir.Failed {
			return -1
		}
		if i := slices.Index(victims, m.id); i >= 0 {
			return i
		}
		switch {
		case m.state == weir.Starting && !m.onNode:
			return len(victims)
		case m.state == weir.Starting:
			return len(victims) + 1
		}
		return len(victims) + 2
	}
	slices.SortStableFunc(stay, func(a, b member) int {
		if inOrder {
			return cmp.Compare(b.ordinal, a.ordinal)
		}
		return cmp.Compare(rank(a), rank(b))
	})
	return stay[:max(0, min(by, len(stay)))]
}

// goodbye is the pods that go now, and those spared by it.
type goodbye struct {
	leave []member // the number is lowered by as many
	spare []member // drained, and back to work: a failed one goes instead
}

// goodbyes decides which of those that are done go now, of n in the number. A
// controller removes pods that are not ready before any that is, whatever its
// deletion cost: one that is done and ready waits while others start. For one
// that failed it is spared. Where the highest numbers go first, so it is. While
// pods are still to be created, a lower number would only spare those.
func goodbyes(ms []member, n int, inOrder bool) goodbye {
	var g goodbye
	if len(ms) < n {
		return g
	}
	if inOrder {
		high := slices.SortedFunc(slices.Values(ms), func(a, b member) int { return cmp.Compare(b.ordinal, a.ordinal) })
		for _, m := range high {
			if !m.done {
				break
			}
			g.leave = append(g.leave, m)
		}
		return g
	}
	var ready []member
	failed, starting := 0, 0
	for _, m := range ms {
		switch {
		case m.done && m.state == weir.Ready:
			ready = append(ready, m)
		case m.done:
			g.leave = append(g.leave, m)
		case !m.leaving && m.state == weir.Failed:
			failed++
		case m.state == weir.Starting:
			starting++
		}
	}
	switch {
	case starting > 0:
	case failed > 0:
		g.spare = ready[:min(failed, len(ready))]
	default:
		g.leave = append(g.leave, ready...)
	}
	return g
}
