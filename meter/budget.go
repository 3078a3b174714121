package meter

import (
	"time"

	"weir"
)

// Spent is tokens and money used.
type Spent struct {
	Tokens int64 // prompt and completion
	Cost   weir.Money
}

// bounded keeps sums inside an int64.
func (s Spent) bounded() Spent {
	return Spent{min(max(s.Tokens, 0), maxTokens), min(max(s.Cost, 0), maxTokens)}
}

func (s *Spent) add(o Spent) { s.Tokens, s.Cost = s.Tokens+o.Tokens, s.Cost+o.Cost }
func (s *Spent) sub(o Spent) { s.Tokens, s.Cost = s.Tokens-o.Tokens, s.Cost-o.Cost }

func (s *Spent) atLeast(o Spent) {
	s.Tokens, s.Cost = max(s.Tokens, o.Tokens), max(s.Cost, o.Cost)
}

// purse is what was spent of a budget, and what requests in flight have
// reserved of it.
type purse struct {
	day, month window
	held       Spent
}

// window is what was spent in one stretch of the calendar.
type window struct {
	ends weir.Instant // 0: it has not begun
	used Spent
}

// roll begins a new day and month where the last is over.
func (p *purse) roll(now weir.Instant) {
	if now >= p.day.ends {
		day, _ := Calendar(now)
		p.day = window{ends: day.Add(24 * time.Hour)}
	}
	if now >= p.month.ends {
		_, month := Calendar(now)
		p.month = window{ends: weir.At(month.Time().AddDate(0, 1, 0))}
	}
}

// spend counts what a request has used and no longer holds.
func (p *purse) spend(now weir.Instant, held, used Spent) {
	p.roll(now)
	p.held.sub(held)
	p.day.used.add(used)
	p.month.used.add(used)
}

// Calendar returns when the day and the month of now began, in UTC.
func Calendar(now weir.Instant) (day, month weir.Instant) {
	y, m, d := now.Time().Date()
	return weir.At(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)), weir.At(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC))
}

// Restore says what a ledger knows a scope to have spent in the present day and
// month. Where more is known already, that stays. A scope without limits is
// ignored.
func (m *Meter) Restore(now weir.Instant, s Scope, day, month Spent) {
	a := m.accounts[s]
	if a == nil {
		return
	}
	a.purse.roll(now)
	a.purse.day.used.atLeast(day)
	a.purse.month.used.atLeast(month)
	if a.shared != nil {
		a.shared.restore(day, month)
	}
}

// Used returns what a scope has spent in the present day and month; nothing for
// one without limits.
func (m *Meter) Used(now weir.Instant, s Scope) (day, month Spent) {
	a := m.accounts[s]
	if a == nil {
		return Spent{}, Spent{}
	}
	a.purse.roll(now)
	return a.purse.day.used, a.purse.month.used
}

// checkBudget returns the bound that holds a request back longest, nil when all
// have room. A request that is likely to use more than the whole of a budget is
// taken for the whole: an estimate alone never refuses one for good.
func (a *account) checkBudget(now weir.Instant, likely Spent) *Refusal {
	b := &a.limits.Budget
	if *b == (Budget{}) {
		return nil
	}
	p := &a.purse
	p.roll(now)
	worst := a.bound(now, TokensDay, p.day.ends, b.TokensPerDay, p.day.used.Tokens, p.held.Tokens, likely.Tokens)
	worst = later(worst, a.bound(now, MoneyDay, p.day.ends, int64(b.MoneyPerDay), int64(p.day.used.Cost), int64(p.held.Cost), int64(likely.Cost)))
	worst = later(worst, a.bound(now, TokensMonth, p.month.ends, b.TokensPerMonth, p.month.used.Tokens, p.held.Tokens, likely.Tokens))
	return later(worst, a.bound(now, MoneyMonth, p.month.ends, int64(b.MoneyPerMonth), int64(p.month.used.Cost), int64(p.held.Cost), int64(likely.Cost)))
}

// bound asks one bound of a budget for need units.
func (a *account) bound(now weir.Instant, k Kind, ends weir.Instant, limit, used, held, need int64) *Refusal {
	need = min(need, limit)
	if limit <= 0 || used+held+need <= limit {
		return nil
	}
	r := a.refusal(k, used+held, limit)
	r.RetryAfter = ends.Sub(now)
	if used+need <= limit { // what requests in flight have reserved is in the way, and much of it comes back
		r.RetryAfter = min(r.RetryAfter, a.oneEnds())
	}
	return r
}
