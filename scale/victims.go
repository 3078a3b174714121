package scale

import (
	"cmp"
	"slices"

	"weir"
)

// victims returns the replicas to remove for n units: starting ones first, the
// youngest before; then idle ones; then those with the least work in flight per
// unit. Among equals the youngest goes: the oldest has the warmest cache. A
// replica with more units than are to go is never among them: the place removes
// units behind its address.
func victims(o *Observation, n int) []string {
	type candidate struct {
		id       string
		starting bool
		load     Load
		units    int
		age      int
	}
	var all []candidate
	for i := range o.Replicas {
		r := &o.Replicas[i]
		if r.State == weir.Starting || r.State == weir.Ready {
			all = append(all, candidate{r.ID, r.State == weir.Starting, o.PerReplica[r.ID], r.Size(), i})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		if a.starting != b.starting {
			if a.starting {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.load.InFlight*b.units, b.load.InFlight*a.units), cmp.Compare(a.load.Work*b.units, b.load.Work*a.units), cmp.Compare(b.age, a.age))
	})
	ids := make([]string, 0, n)
	for _, c := range all {
		if c.units <= n {
			ids = append(ids, c.id)
			n -= c.units
		}
	}
	return ids
}
