package plan

import (
	"cmp"
	"slices"
	"sort"
)

// load is the demand in terms of provisioned throughput: the PTUs each minute
// needs, and its cost at pay-as-you-go. It computes the spillover over n PTUs
// in logarithmic time, also for a multiple of the demand.
//
// Within a minute the load counts as even: the part above the PTUs of its
// minute spills, and PTUs free in one minute carry nothing of the next.
type load struct {
	ptus   []float64 // of minutes, largest first
	cost   []float64 // cost[k]: micro-dollars of the k largest minutes
	ratio  []float64 // ratio[k]: sum of cost/PTUs of the same
	need   []float64 // need[k]: PTUs of the same
	stands float64   // minutes of the month each stands for
}

// newLoad takes the PTUs and cost of each minute.
func newLoad(ptus, costs []float64, stands float64) load {
	order := make([]int, len(ptus))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(ptus[b], ptus[a]) })
	sums := func() []float64 { return make([]float64, 1, len(ptus)+1) }
	l := load{stands: stands, cost: sums(), ratio: sums(), need: sums()}
	for k, i := range order {
		l.ptus = append(l.ptus, ptus[i])
		r := 0.0
		if ptus[i] > 0 {
			r = costs[i] / ptus[i]
		}
		l.cost = append(l.cost, l.cost[k]+costs[i])
		l.ratio = append(l.ratio, l.ratio[k]+r)
		l.need = append(l.need, l.need[k]+ptus[i])
	}
	return l
}

// peak is the PTUs the largest minute needs.
func (l load) peak() float64 { return l.ptus[0] }

// mean is the PTUs the demand needs on average.
func (l load) mean() float64 { return l.need[len(l.ptus)] / float64(len(l.ptus)) }

// exceed is how many minutes need more than n PTUs, at x times the demand.
func (l load) exceed(n, x float64) int {
	return sort.Search(len(l.ptus), func(i int) bool { return l.ptus[i]*x <= n })
}

// over is the load above n PTUs, in PTUs on average.
func (l load) over(n, x float64) float64 {
	k := l.exceed(n, x)
	return (x*l.need[k] - n*float64(k)) / float64(len(l.ptus))
}

// spilled is the monthly pay-as-you-go cost of the load beyond n PTUs, at x
// times the demand, in micro-dollars.
//
// A minute that needs p > n PTUs spills 1 - n/p of itself, and so of its cost
// c: over all those minutes the sum of c, less n times the sum of c/p.
func (l load) spilled(n, x float64) float64 {
	k := l.exceed(n, x)
	return l.stands * (x*l.cost[k] - n*l.ratio[k])
}

// steps are the numbers of PTUs on offer.
type steps struct{ minimum, increment, limit int }

// at is the ith number.
func (s steps) at(i int) int {
	if i == 0 {
		return s.minimum
	}
	return (s.minimum/s.increment + i) * s.increment
}

// count is the number of steps.
func (s steps) count() int {
	if s.limit < s.minimum {
		return 0
	}
	return 1 + s.limit/s.increment - s.minimum/s.increment
}

// cheapest is the number of PTUs, each at rent micro-dollars a month, with the
// lowest total of rent and spillover; of equal ones the fewest. 0 if none at
// all is cheapest, or none is on offer.
//
// The bill falls by less with every further PTU (fewer minutes still spill), so
// it is convex in the number, and the search can stop at the first step that
// does not pay. Only the step from none to the minimum has another size.
func (l load) cheapest(s steps, rent, x float64) int {
	n := l.least(s, rent, x)
	if n == 0 || l.bill(n, rent, x) >= l.bill(0, rent, x) {
		return 0
	}
	return n
}

// bill is rent for n PTUs and the spillover over them, in micro-dollars a
// month.
func (l load) bill(n int, rent, x float64) float64 {
	return rent*float64(n) + l.spilled(float64(n), x)
}

// least is the cheapest number of PTUs other than none: 0 only if none is on
// offer.
func (l load) least(s steps, rent, x float64) int {
	count := s.count()
	if count == 0 {
		return 0
	}
	return s.at(sort.Search(count-1, func(i int) bool { return l.bill(s.at(i+1), rent, x) >= l.bill(s.at(i), rent, x) }))
}
