package scale

import (
	"time"

	"weir"
)

func (t *turn) atLeastMin() { t.raise(RuleMin, t.p.Min, "minimum %d", t.p.Min) }

func (t *turn) atMostMax() {
	most := t.ceiling()
	t.lower(RuleMax, most, "maximum %d", most)
}

// withinBudget bounds the hourly cost of all replicas. Draining ones are still
// paid for.
func (t *turn) withinBudget() {
	if t.p.BudgetPerHour == 0 || t.p.Price == 0 {
		return
	}
	pays := int(t.p.BudgetPerHour / t.p.Price)
	t.lower(RuleBudget, max(0, pays-t.draining), "a budget of %v an hour pays for %d at %v each, %d draining", t.p.BudgetPerHour, pays, t.p.Price, t.draining)
}

// withinQuota requests no more than the place's quota. It takes nothing away:
// running replicas have their quota.
func (t *turn) withinQuota() {
	if q := t.o.Quota; q >= 0 && t.n > t.have {
		because := ""
		if t.o.QuotaText != "" {
			because = ": " + t.o.QuotaText
		}
		if q < t.have {
			t.lower(RuleQuota, t.have, "quota %d is below the %d replicas there are, which stay%s", q, t.have, because)
			return
		}
		t.lower(RuleQuota, q, "quota %d%s", q, because)
	}
}

// Breaker stops repeated requests for capacity that the place does not have.
// After a stock-out the place is asked again after a wait that doubles each
// time. The wait is back at the first one once the place gave some. The breaker
// closes when replicas were added without another stock-out, or when the last
// stock-out is long ago.
type Breaker struct {
	Until weir.Instant  `json:"until"` // no more are requested before
	Wait  time.Duration `json:"wait"`  // the last wait; 0: closed
	Have  int           `json:"have"`  // replicas when it opened
}

const (
	breakerFirst = 15 * time.Second
	breakerMost  = 10 * time.Minute
)

// withinStock requests no more replicas than present while the breaker is open.
func (t *turn) withinStock() {
	b := &t.s.Breaker
	now := t.o.Now
	switch {
	case t.o.NoCapacity:
		wait := 2 * b.Wait
		if t.have > b.Have {
			wait = breakerFirst
		}
		b.Wait = min(max(wait, breakerFirst), breakerMost)
		b.Until, b.Have = now.Add(b.Wait), t.have
	case b.Wait > 0 && (t.have > b.Have || now.Sub(b.Until) > breakerMost):
		*b = Breaker{}
	}
	if now < b.Until && t.n > t.have {
		t.lower(RuleStockOut, t.have, "the place has no capacity for more; asking again in %v", b.Until.Sub(now).Round(time.Second))
	}
}
