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
	if whole && l.used.Completion > 0 && !l.used.Estimated {
		s.learned.Saw(l.rec.Tenant, l.rec.Model, int(l.used.Completion)/max(l.answers, 1))
	}
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
