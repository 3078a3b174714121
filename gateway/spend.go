package gateway

import (
	"sync"

	"weir"
	"weir/meter"
)

// spend is what tenants may use and how long their answers are, behind one lock.
type spend struct {
	mu      sync.Mutex
	meter   *meter.Meter
	budgets meter.Budgets
	learned meter.Learned
}

// expect is how many tokens each answer is likely to have.
func (s *spend) expect(tenant, model string, maxTokens int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.learned.Expect(tenant, model, maxTokens)
}

// settle closes a reservation with what was used. An answer that came to its
// true end teaches how long answers are.
func (s *spend) settle(now weir.Instant, l *lease, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.used == (weir.Usage{}) {
		s.meter.Release(now, l.reservation)
	} else {
		s.meter.Settle(now, l.reservation, l.used)
	}
	spent := meter.Spent{Tokens: l.used.Prompt + l.used.Completion}
	if l.target != nil {
		spent.Cost = l.target.Rates.Cost(l.used)
	}
	s.budgets.Settle(now, l.hold, spent)
	l.hold = meter.Hold{}
	if whole && l.used.Completion > 0 && !l.used.Estimated {
		s.learned.Saw(l.rec.Tenant, l.rec.Model, int(l.used.Completion)/max(l.answers, 1))
	}
}

// budgetsOf collects the budgets of all tenants.
func budgetsOf(tenants []Tenant) map[string]meter.Budget {
	budgets := map[string]meter.Budget{}
	for _, t := range tenants {
		budgets[t.Name] = t.Budget
	}
	return budgets
}

// RestoreBudget says what a ledger knows of a tenant's use in the present day
// and month, in UTC: at the start, and when budgets were added since. What the
// gateway knows itself, where it is more, stays.
func (g *Gateway) RestoreBudget(tenant string, day, month meter.Spent) {
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	s.budgets.Restore(g.now(), tenant, day, month)
}

// limitsOf collects the limits of all tenants and keys under meter's names.
func limitsOf(tenants []Tenant) map[string]meter.Limits {
	limits := map[string]meter.Limits{}
	for _, t := range tenants {
		limits[t.Name] = t.Limits
		for _, k := range t.Keys {
			limits[t.Name+"/"+k.Name] = k.Limits
		}
	}
	return limits
}
