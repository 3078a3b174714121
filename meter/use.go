package meter

import (
	"cmp"
	"slices"

	"weir"
)

// Use is the used part of one limit.
type Use struct {
	Scope Scope
	Kind  Kind
	// Ratio is 1 when nothing is left, and above it with a debt. For a limit
	// per minute it is the missing part of its burst; for requests in flight
	// their share of the limit; for a budget its used share, without the
	// reservations in flight. Where limits are shared it is of the whole limit,
	// as last reported. Requests in flight are only those of this gateway.
	Ratio float64
}

// Uses appends the use of every limit to uses, in no order.
func (m *Meter) Uses(now weir.Instant, uses []Use) []Use {
	for _, a := range m.accounts { // MostUsed sorts
		uses = a.uses(now, uses)
	}
	return uses
}

// MostUsed returns the uses with the highest ratios, at most most of them, in
// order of scope and kind. It changes uses.
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
