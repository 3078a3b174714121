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

// purse is the spent part of a budget, and the part reserved by requests in
// flight.
type purse struct {
	day, month window
	held       Spent
}

// window is the use in one calendar period.
type window struct {
	ends weir.Instant // 0: not started
	used Spent
}

// roll starts a new day and month when the last is over.
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

// spend moves a request's use from held to used.
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

// Restore enters a scope's use in the present day and month from a ledger. If
// more is known already, that stays. A scope without limits is ignored.
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

// Used returns a scope's use in the present day and month; zero for one without
// limits.
func (m *Meter) Used(now weir.Instant, s Scope) (day, month Spent) {
	a := m.accounts[s]
	if a == nil {
		return Spent{}, Spent{}
	}
	a.purse.roll(now)
	return a.purse.day.used, a.purse.month.used
}

// checkBudget returns the bound that holds a request back longest, nil if all
// have room. A request likely to use more than a whole budget counts as the
// whole: an estimate alone never refuses a request forever.
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

// bound checks one bound of a budget for need units.
func (a *account) bound(now weir.Instant, k Kind, ends weir.Instant, limit, used, held, need int64) *Refusal {
	need = min(need, limit)
	if limit <= 0 || used+held+need <= limit {
		return nil
	}
	r := a.refusal(k, used+held, limit)
	r.RetryAfter = ends.Sub(now)
	if used+need <= limit { // reservations in flight are in the way, and much of them comes back
		r.RetryAfter = min(r.RetryAfter, a.oneEnds())
	}
	return r
}
