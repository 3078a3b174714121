package main

import (
	"cmp"
	"slices"
)

// sweep is the rows of a policy in a cell at phase and seed 0, by cost.
func (b *book) sweep(c cell, policy string) []row {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows []row
	for t, r := range b.rows {
		if t.cell == c && t.Policy == policy && t.Phase+t.Seed == 0 {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(cmp.Compare(a.GPUHours, b.GPUHours), cmp.Compare(a.Knob, b.Knob)) })
	return rows
}

// repeats are the rows of a policy at one knob with all phases and seeds.
func (b *book) repeats(r row) []row {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows []row
	for t, o := range b.rows {
		if t.cell == r.cell && t.Policy == r.Policy && t.Knob == r.Knob {
			rows = append(rows, o)
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.GPUHours, b.GPUHours) })
	return rows
}

// best is the cheapest row of a sweep that attains; when none does, the one
// that attains most, and then ok says only that there is a row.
func (b *book) best(c cell, policy string) (best row, ok bool) {
	for _, r := range b.sweep(c, policy) {
		switch {
		case !ok, best.Attainment < attainment && r.Attainment > best.Attainment:
			best, ok = r, true
		}
	}
	return best, ok
}

// costAt is what a policy costs at the attainment: on the line between the two
// points of its frontier (those that no other point beats in both) around it.
// It is not known when no point attains. When all do, the cheapest stands.
func costAt(sweep []row) (gpuHours float64, ok bool) {
	var frontier []row // by cost, attaining ever more
	for _, r := range sweep {
		if n := len(frontier); n == 0 || r.Attainment > frontier[n-1].Attainment {
			frontier = append(frontier, r)
		}
	}
	for i, r := range frontier {
		if r.Attainment < attainment {
			continue
		}
		if i == 0 {
			return r.GPUHours, true
		}
		low := frontier[i-1]
		part := (attainment - low.Attainment) / (r.Attainment - low.Attainment)
		return low.GPUHours + part*(r.GPUHours-low.GPUHours), true
	}
	return 0, false
}
