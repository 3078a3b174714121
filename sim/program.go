package sim

import (
	"maps"
	"math"
	"slices"
)

// plan returns the schedule of least cost by dynamic programming over the
// slots: a replica costs its time, a start a cold start, a miss its price (both
// in replica-seconds).
func (s *search) plan(price float64) []int {
	slot, start := s.o.Slot.Seconds(), s.lead.Seconds()
	from := make([][]int, len(s.load)) // best predecessor, by slot and number
	before := make([]float64, s.o.Max+1)
	for k := range s.load {
		expected := s.expected(k)
		now := make([]float64, s.o.Max+1)
		from[k] = make([]int, s.o.Max+1)
		lower, above := cheapest(before, start)
		for n := range now {
			now[n] = math.Inf(1)
			if n < s.least(k) {
				continue
			}
			here := float64(n)*slot + price*expected[n]
			if math.IsInf(expected[n], 1) {
				continue
			}
			// Up from a lower number, with each start paid; or down, for free.
			from[k][n] = above[n]
			now[n] = here + before[above[n]]
			if up := before[lower[n]] + start*float64(n-lower[n]); k > 0 && up < before[above[n]] {
				from[k][n], now[n] = lower[n], here+up
			}
		}
		before = now
	}
	plan := make([]int, len(s.load))
	n := 1
	for i, cost := range before {
		if cost < before[n] {
			n = i
		}
	}
	for k := len(plan) - 1; k >= 0; k-- {
		plan[k] = n
		n = from[k][n]
	}
	return plan
}

// cheapest returns for each number the cheapest predecessor at or below it
// (with starts paid), and the cheapest at or above it.
func cheapest(before []float64, start float64) (lower, above []int) {
	lower, above = make([]int, len(before)), make([]int, len(before))
	best := 0
	for n := range before {
		if before[n]-start*float64(n) < before[best]-start*float64(best) {
			best = n
		}
		lower[n] = best
	}
	best = len(before) - 1
	for n := len(before) - 1; n >= 0; n-- {
		if before[n] < before[best] {
			best = n
		}
		above[n] = best
	}
	return lower, above
}

// expected returns the misses of slot k for each number of replicas: observed
// ones, interpolated between observed numbers, and never more with more
// replicas. Numbers below the lowest observed one are unknown and not chosen.
func (s *search) expected(k int) []float64 {
	out := make([]float64, s.o.Max+1)
	for n := range out {
		out[n] = math.Inf(1)
	}
	seen := slices.Sorted(maps.Keys(s.misses[k]))
	for i, n := range seen {
		out[n] = s.misses[k][n]
		if i == 0 {
			continue
		}
		last := seen[i-1]
		out[n] = min(out[n], out[last])
		for m := last + 1; m < n; m++ {
			out[m] = out[last] + (out[n]-out[last])*float64(m-last)/float64(n-last)
		}
	}
	if len(seen) > 0 {
		top := seen[len(seen)-1]
		for n := top + 1; n < len(out); n++ {
			out[n] = out[top]
		}
	}
	return out
}
