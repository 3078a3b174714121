package kubernetes

import (
	"cmp"
	"slices"

	"weir"
)

// member is a pod that counts in the number, with the facts that decide which
// pods go.
type member struct {
	p       *pod
	id      string
	state   weir.ReplicaState // its state apart from draining
	onNode  bool
	leaving bool
	done    bool // leaves, and is no longer held
	ordinal int
}

// taken returns the leaving pods that go back to work, at most by of them: the
// newest first or, where the highest numbers must go first, the lowest.
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

// chosen returns by of the remaining pods that shall leave, in this order:
// failed ones, the victims, starting ones, the newest. Where the highest
// numbers must go first, they do, whatever the victims.
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

// goodbye is the pods that go now, and the drained pods spared in their stead.
type goodbye struct {
	leave []member // the number is lowered by as many
	spare []member // drained, back to work: a failed one goes instead
}

// goodbyes decides which of the drained pods go now; n is the number. A
// controller removes pods that are not ready before any ready one, whatever
// their deletion cost. A drained pod that is ready therefore waits while others
// start, and is spared if one failed. Where the highest numbers go first,
// drained pods go from the highest down to the first that has not drained.
// While pods are still to be created, a lower number would only spare those.
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
