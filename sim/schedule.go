package sim

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"weir"
	"weir/scale"
)

// Schedule is the number of replicas that should be ready, slot by slot from
// the start of a trace. After the last slot its number stays.
type Schedule struct {
	Slot     time.Duration `json:"slot"`
	Replicas []int         `json:"replicas"`
}

// Most returns the highest number needed within [from, to], since the start.
func (s Schedule) Most(from, to time.Duration) int {
	last := len(s.Replicas) - 1
	if last < 0 {
		return 0
	}
	a := min(max(0, int(from/s.Slot)), last)
	b := min(max(a, int(to/s.Slot)), last)
	return slices.Max(s.Replicas[a : b+1])
}

// Decider follows the schedule on a trace that began at start, and requests
// replicas lead before they are needed. It keeps a replica over a dip shorter
// than lead, because a new start would take as long.
func (s Schedule) Decider(start weir.Instant, lead time.Duration) scale.Decider {
	return func(state scale.State, o scale.Observation) (scale.Decision, scale.State) {
		at := o.Now.Sub(start)
		want := s.Most(at, at+lead)
		have := 0
		for i := range o.Replicas {
			if st := o.Replicas[i].State; st == weir.Starting || st == weir.Ready {
				have++
			}
		}
		d := scale.Decision{Have: have, Wanted: want, Want: want, Reasons: []scale.Reason{{
			Rule: scale.RuleSchedule, From: have, To: want, Note: fmt.Sprintf("most needed within %v", lead),
		}}}
		if want < have {
			d.Victims = leastBusy(&o, have-want)
		}
		state.Now, state.Want = o.Now, want
		return d, state
	}
}

// leastBusy returns the n replicas that will be gone soonest: starting ones,
// then those with the fewest requests in flight, youngest first.
func leastBusy(o *scale.Observation, n int) []string {
	var live []weir.Replica
	for _, r := range slices.Backward(o.Replicas) {
		if r.State == weir.Starting || r.State == weir.Ready {
			live = append(live, r)
		}
	}
	slices.SortStableFunc(live, func(a, b weir.Replica) int {
		return cmp.Or(cmp.Compare(a.State, b.State), cmp.Compare(o.PerReplica[a.ID].InFlight, o.PerReplica[b.ID].InFlight))
	})
	ids := make([]string, 0, n)
	for _, r := range live[:min(n, len(live))] {
		ids = append(ids, r.ID)
	}
	return ids
}
