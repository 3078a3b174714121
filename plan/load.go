package plan

import (
	"cmp"
	"slices"
	"sort"
)

// load is the demand as provisioned throughput sees it: the PTUs each minute
// needs, and what that minute costs at pay-as-you-go. It answers in logarithmic
// time what spills over n PTUs, also for a multiple of the demand.
//
// Within a minute the load counts as even: what exceeds the PTUs of its minute
// spills, and PTUs that are free in one minute carry nothing of the next.
type load struct {
	ptus   []float64 // of minutes, largest first
	cost   []float64 // cost[k]: micro-dollars of the k largest minutes
	ratio  []float64 // ratio[k]: sum of cost/PTUs of the same
	need   []float64 // need[k]: PTUs of the same
	stands float64   // minutes of the month each stands for
}

// newLoad takes for each minute what it needs and costs.
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

// exceed is how many minutes need more than n PTUs, x times the demand.
func (l load) exceed(n, x float64) int {
	return sort.Search(len(l.ptus), func(i int) bool { return l.ptus[i]*x <= n })
}

// over is how many PTUs of load, on average, n PTUs do not carry.
func (l load) over(n, x float64) float64 {
	k := l.exceed(n, x)
	return (x*l.need[k] - n*float64(k)) / float64(len(l.ptus))
}

// spilled is what the load beyond n PTUs costs at pay-as-you-go a month, x
// times the demand, in micro-dollars.
//
// A minute that needs p > n PTUs spills 1 - n/p of itself, and so of its cost c:
// over all those minutes the sum of c, less n times the sum of c/p.
func (l load) spilled(n, x float64) float64 {
	k := l.exceed(n, x)
	return l.stands * (x*l.cost[k] - n*l.ratio[k])
}

// steps are the numbers of PTUs that can be had.
type steps struct{ minimum, increment, limit int }

// at is the ith number.
func (s steps) at(i int) int {
	if i == 0 {
		return s.minimum
	}
	return (s.minimum/s.increment + i) * s.increment
}

// count is how many numbers there are.
func (s steps) count() int {
	if s.limit < s.minimum {
		return 0
	}
	return 1 + s.limit/s.increment - s.minimum/s.increment
}

// cheapest is the number of PTUs, each at rent micro-dollars a month, that
// together with what spills over costs least; of equal ones the fewest. 0 when
// none at all is cheapest, or none can be had.
//
// The bill falls by less with every further PTU (fewer minutes still spill), so
// it is convex in the number: the first step that does not pay is the last to
// look at. Only the way from none to the minimum is a step of another size.
func (l load) cheapest(s steps, rent, x float64) int {
	n := l.least(s, rent, x)
	if n == 0 || l.bill(n, rent, x) >= l.bill(0, rent, x) {
		return 0
	}
	return n
}

// bill is rent for n PTUs and what spills over them, in micro-dollars a month.
func (l load) bill(n int, rent, x float64) float64 {
	return rent*float64(n) + l.spilled(float64(n), x)
}

// least is likewise the cheapest number, of those that can be had alone: 0 only
// when none can.
func (l load) least(s steps, rent, x float64) int {
	count := s.count()
	if count == 0 {
		return 0
	}
	return s.at(sort.Search(count-1, func(i int) bool { return l.bill(s.at(i+1), rent, x) >= l.bill(s.at(i), rent, x) }))
}
