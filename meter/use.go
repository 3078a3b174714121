package meter

import (
	"cmp"
	"slices"

	"weir"
)

// Use is how much of one limit is used.
type Use struct {
	Scope Scope
	Kind  Kind
	// Ratio is 1 where nothing is left, above it where there is a debt. Of a limit
	// per minute it is what is missing of its burst, of requests in flight their
	// part of what is allowed, of a budget what is used of it, without what requests
	// in flight may come to. Where limits are shared it is of the whole, as last
	// heard, but for requests in flight, which are this gateway's.
	Ratio float64
}

// Uses appends how much of every limit is used to uses, in no order.
func (m *Meter) Uses(now weir.Instant, uses []Use) []Use {
	for _, a := range m.accounts { // MostUsed sorts
		uses = a.uses(now, uses)
	}
	return uses
}

// MostUsed are the uses of the limits that are used most, so many at most, by
// scope and kind in order. It changes uses.
func MostUsed(uses []Use, most int) []Use {
	if len(uses) > most {
		slices.SortFunc(uses, func(a, b Use) int { return cmp.Or(cmp.Compare(b.Ratio, a.Ratio), a.compare(b)) })
		uses = uses[:most]
	}
	slices.SortFunc(uses, Use.compare)
	return uses
}

func (u Use) compare(o Use) int { return cmp.Or(u.Scope.Compare(o.Scope), cmp.Compare(u.Kind, o.Kind)) }

func (a *account) uses(now weir.Instant, uses []Use) []Use {
	add := func(limit int, used, of int64) {
		uses = append(uses, Use{a.scope, limitKinds[limit], max(float64(used)/float64(of), 0)})
	}
	if n := a.limits.MaxConcurrent; n > 0 {
		add(ofConcurrent, int64(a.inFlight), int64(n))
	}
	for i, b := range [...]*bucket{&a.requests, &a.tokens} {
		limit := ofRequests + i
		if b.rate == 0 {
			continue
		}
		if a.shared != nil {
			l := a.shared.leases[limit]
			add(limit, l.burst-min(l.left(), l.burst), l.burst)
			continue
		}
		b.refill(now)
		add(limit, b.burst-b.level, b.burst)
	}
	a.rests(now, func(limit int, r rest) {
		most := a.limits.Budget.bound(limit)
		add(limit, most-r.left, most)
	})
	return uses
}
