package scale

import (
	"cmp"
	"slices"

	"weir"
)

// victims names the n replicas that are missed least: those that still start,
// the youngest first; then the idle ones; then those with the least work in
// flight. Among equals the youngest goes: what has run longest has the warmest
// cache.
func victims(o *Observation, n int) []string {
	type candidate struct {
		id       string
		starting bool
		load     Load
		age      int
	}
	var all []candidate
	for i := range o.Replicas {
		r := &o.Replicas[i]
		if r.State == weir.Starting || r.State == weir.Ready {
			all = append(all, candidate{r.ID, r.State == weir.Starting, o.PerReplica[r.ID], i})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		if a.starting != b.starting {
			if a.starting {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.load.InFlight, b.load.InFlight), cmp.Compare(a.load.Work, b.load.Work), cmp.Compare(b.age, a.age))
	})
	ids := make([]string, 0, n)
	for _, c := range all[:min(n, len(all))] {
		ids = append(ids, c.id)
	}
	return ids
}
