package meter

import (
	"time"

	"weir"
)

// Budget bounds what a tenant may use in a day and in a month of the calendar,
// in UTC. Zero is no bound.
type Budget struct {
	TokensPerDay, TokensPerMonth int64 // prompt and completion
	MoneyPerDay, MoneyPerMonth   weir.Money
}

// Budgets holds the budgets of all tenants and what is spent of them. Like
// Meter it reserves what a request is likely to use and settles what it did use,
// so that requests in flight together cannot overrun a budget by more than they
// were underestimated, and estimates lock nobody out for longer than the
// requests take. It is passive: its owner serialises the calls. Time that goes
// back counts as standing still. The zero value has no budgets.
type Budgets struct {
	purses map[string]*purse
}

// Spent is tokens and money used.
type Spent struct {
	Tokens int64
	Cost   weir.Money
}

// purse is the state of one tenant's budget.
type purse struct {
	tenant     string
	budget     Budget
	day, month window
	held       Spent // reserved by requests in flight
}

// window is what was spent in one stretch of the calendar.
type window struct {
	ends weir.Instant // 0: it has not begun
	used Spent
}

// Hold is what one admitted request has reserved of a budget. The zero Hold is
// nothing. It is settled once, by its holder.
type Hold struct {
	purse *purse
	held  Spent
}

// Configure replaces all budgets, by tenant. Who keeps one keeps what is spent
// of it.
func (b *Budgets) Configure(budgets map[string]Budget) {
	next := make(map[string]*purse, len(budgets))
	for tenant, want := range budgets {
		if want == (Budget{}) {
			continue
		}
		p := b.purses[tenant]
		if p == nil {
			p = &purse{tenant: tenant}
		}
		p.budget = want
		next[tenant] = p
	}
	b.purses = next
}

// Reserve asks for what one request is likely to use. A request that is likely
// to use more than the whole of a budget is taken for the whole: an estimate
// alone never refuses one for good.
func (b *Budgets) Reserve(now weir.Instant, tenant string, likely Spent) (Hold, *Refusal) {
	p := b.purses[tenant]
	if p == nil {
		return Hold{}, nil
	}
	p.roll(now)
	likely = Spent{min(max(likely.Tokens, 0), maxTokens), min(max(likely.Cost, 0), maxTokens)}
	if r := p.check(now, likely); r != nil {
		return Hold{}, r
	}
	p.held.Tokens += likely.Tokens
	p.held.Cost += likely.Cost
	return Hold{p, likely}, nil
}

// Settle closes a Hold with what was used. That counts where it is more than is
// left, too: later requests are refused for it.
func (b *Budgets) Settle(now weir.Instant, h Hold, used Spent) {
	p := h.purse
	if p == nil {
		return
	}
	p.roll(now)
	p.held.Tokens -= h.held.Tokens
	p.held.Cost -= h.held.Cost
	for _, w := range []*window{&p.day, &p.month} {
		w.used.Tokens += min(max(used.Tokens, 0), maxTokens)
		w.used.Cost += min(max(used.Cost, 0), maxTokens)
	}
}

// Restore says what a ledger knows to be spent in the present day and month.
// Where more is known already, that stays.
func (b *Budgets) Restore(now weir.Instant, tenant string, day, month Spent) {
	p := b.purses[tenant]
	if p == nil {
		return
	}
	p.roll(now)
	p.day.used.atLeast(day)
	p.month.used.atLeast(month)
}

func (s *Spent) atLeast(o Spent) {
	s.Tokens, s.Cost = max(s.Tokens, o.Tokens), max(s.Cost, o.Cost)
}

// Used returns what a tenant has spent in the present day and month; nothing for
// one without a budget.
func (b *Budgets) Used(now weir.Instant, tenant string) (day, month Spent) {
	p := b.purses[tenant]
	if p == nil {
		return Spent{}, Spent{}
	}
	p.roll(now)
	return p.day.used, p.month.used
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

// Calendar returns when the day and the month of now began, in UTC.
func Calendar(now weir.Instant) (day, month weir.Instant) {
	y, m, d := now.Time().Date()
	return weir.At(time.Date(y, m, d, 0, 0, 0, 0, time.UTC)), weir.At(time.Date(y, m, 1, 0, 0, 0, 0, time.UTC))
}

// check returns the bound that holds the request back longest, nil when all
// have room.
func (p *purse) check(now weir.Instant, likely Spent) *Refusal {
	var worst *Refusal
	bound := func(kind Kind, w *window, limit, used, held, need int64) {
		need = min(need, limit)
		if limit <= 0 || used+held+need <= limit {
			return
		}
		r := &Refusal{Kind: kind, Limit: string(kind) + " of tenant " + p.tenant, Value: used + held, Allowed: limit, RetryAfter: w.ends.Sub(now)}
		if used+need <= limit { // what requests in flight have reserved is in the way, and much of it comes back
			r.RetryAfter = time.Second
		}
		worst = later(worst, r)
	}
	b := &p.budget
	bound(TokensDay, &p.day, b.TokensPerDay, p.day.used.Tokens, p.held.Tokens, likely.Tokens)
	bound(MoneyDay, &p.day, int64(b.MoneyPerDay), int64(p.day.used.Cost), int64(p.held.Cost), int64(likely.Cost))
	bound(TokensMonth, &p.month, b.TokensPerMonth, p.month.used.Tokens, p.held.Tokens, likely.Tokens)
	bound(MoneyMonth, &p.month, int64(b.MoneyPerMonth), int64(p.month.used.Cost), int64(p.held.Cost), int64(likely.Cost))
	return worst
}
