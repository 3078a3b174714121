package meter

import (
	"maps"
	"slices"
	"time"

	"weir"
)

// shared holds one account's leases, nil where a limit is not set.
type shared struct {
	of         *Leases
	scope      Scope
	leases     leases
	day, month weir.Instant // when the present ones end
}

// leases of an account, indexed by limit.
type leases [len(limitKinds)]*Lease

// limitKinds are the limits of an account.
var limitKinds = [...]Kind{Concurrent, Requests, Tokens, TokensDay, MoneyDay, TokensMonth, MoneyMonth}

const (
	ofConcurrent = iota
	ofRequests
	ofTokens
	ofTokensDay
	ofMoneyDay
	ofTokensMonth
	ofMoneyMonth
)

// units returns how much of a limit one request with that use takes.
func units(limit int, s Spent) int64 {
	switch limit {
	case ofConcurrent, ofRequests:
		return 1
	case ofMoneyDay, ofMoneyMonth:
		return int64(s.Cost)
	}
	return s.Tokens
}

// keepFlow is how long the keeper remembers a flow or gauge. A gateway asks
// about each every ten minutes.
const keepFlow = time.Hour

// ShareLeases divides every limit among gateways: from now on units are drawn
// from leases. It must be called before anything is reserved.
func (m *Meter) ShareLeases(now weir.Instant, leases *Leases) {
	m.leases = leases
	m.share(now, m.accounts)
}

// Leases returns the argument of ShareLeases; nil without.
func (m *Meter) Leases() *Leases { return m.leases }

// share makes the leases of the next accounts, and drops those of removed
// accounts.
func (m *Meter) share(now weir.Instant, next map[Scope]*account) {
	if m.leases == nil {
		return
	}
	inOrder := func(accounts map[Scope]*account) []Scope {
		return slices.SortedFunc(maps.Keys(accounts), Scope.Compare)
	}
	for _, s := range inOrder(m.accounts) {
		if a := m.accounts[s]; next[s] == nil && a.shared != nil {
			for i := range a.shared.leases {
				a.shared.keep(i, "", Flow, 0, 0, 0)
			}
		}
	}
	for _, s := range inOrder(next) {
		a := next[s]
		if a.shared == nil {
			a.shared = &shared{of: m.leases, scope: s}
		}
		a.shared.keep(ofConcurrent, "", Gauge, 0, int64(a.limits.MaxConcurrent), keepFlow)
		a.shared.keep(ofRequests, "", Flow, a.requests.rate, a.requests.burst, keepFlow)
		a.shared.keep(ofTokens, "", Flow, a.tokens.rate, a.tokens.burst, keepFlow)
		a.shared.day, a.shared.month = 0, 0
		a.shared.roll(now, &a.limits.Budget)
	}
}

// keep makes, changes or drops the lease of one limit.
func (s *shared) keep(limit int, stretch string, form Form, rate, burst int64, keep time.Duration) {
	old := s.leases[limit]
	s.leases[limit] = nil
	if burst > 0 {
		s.leases[limit] = s.of.Keep(s.scope.String()+"|"+string(limitKinds[limit])+stretch, form, rate, burst, keep)
	}
	if old != nil && old != s.leases[limit] {
		s.of.Drop(old)
	}
}

// roll starts the budgets of a new day and month when the last is over.
func (s *shared) roll(now weir.Instant, b *Budget) {
	if now < s.day && now < s.month {
		return
	}
	day, month := Calendar(now)
	s.day, s.month = day.Add(24*time.Hour), weir.At(month.Time().AddDate(0, 1, 0))
	begin := func(limit int, stretch string, most int64, ends weir.Instant) {
		s.keep(limit, stretch, Window, 0, most, ends.Sub(now)+time.Hour)
	}
	today, this := day.Time().Format("|2006-01-02"), month.Time().Format("|2006-01")
	begin(ofTokensDay, today, b.TokensPerDay, s.day)
	begin(ofMoneyDay, today, int64(b.MoneyPerDay), s.day)
	begin(ofTokensMonth, this, b.TokensPerMonth, s.month)
	begin(ofMoneyMonth, this, int64(b.MoneyPerMonth), s.month)
}

// ends returns when the budget of a limit is renewed.
func (s *shared) ends(limit int) weir.Instant {
	if limit < ofTokensMonth {
		return s.day
	}
	return s.month
}

// restore enters the use known to a ledger.
func (s *shared) restore(day, month Spent) {
	for i := ofTokensDay; i < len(s.leases); i++ {
		used := day
		if i >= ofTokensMonth {
			used = month
		}
		if l := s.leases[i]; l != nil {
			l.Spent(units(i, used))
		}
	}
}

// checkShared is check with leases.
func (a *account) checkShared(now weir.Instant, c *Claim) *Refusal {
	a.shared.roll(now, &a.limits.Budget)
	var worst *Refusal
	for i, l := range &a.shared.leases {
		if l != nil {
			worst = later(worst, a.checkLease(now, l, i, c.asks(i, a.limits.Most)))
		}
	}
	return worst
}

// checkLease checks one lease for n units.
func (a *account) checkLease(now weir.Instant, l *Lease, limit int, n int64) *Refusal {
	k := limitKinds[limit]
	if limit == ofTokens && n > l.burst {
		r := a.refusal(k, n, l.burst)
		r.TooLarge = true
		return r
	}
	wait := l.Check(now, n)
	if wait == 0 {
		return nil
	}
	var r *Refusal
	switch l.form {
	case Flow:
		r = a.refusal(k, n, l.rate)
	case Gauge:
		r = a.refusal(k, l.burst+1, l.burst)
		wait = max(wait, a.oneEnds())
	default:
		left := l.left()
		r = a.refusal(k, l.burst-left, l.burst)
		if left < min(n, l.burst) { // otherwise other gateways hold it and return unneeded units
			wait = a.shared.ends(limit).Sub(now)
		}
	}
	r.RetryAfter = wait
	return r
}

// takeShared is take with leases.
func (a *account) takeShared(c *Claim) hold {
	for i, l := range &a.shared.leases {
		if l != nil {
			l.Take(c.takes(i, a.limits.Most))
		}
	}
	return hold{account: a, leases: a.shared.leases, whole: a.limits.Most}
}

// moreShared is more with the leases the request was taken from.
func (h *hold) moreShared(g growth) {
	more := Spent{Tokens: g.more(h.whole)}
	for i := ofTokens; i < len(h.leases); i++ {
		if l := h.leases[i]; l != nil {
			l.More(units(i, more))
		}
		more = g.held // the rest are budgets
	}
}

// closeShared is close with leases. The units of an expired day or month are
// all returned; the use counts for the present one.
func (h *hold) closeShared(now weir.Instant, c *Claim, used Spent, requestsBack int64) {
	a := h.account
	a.shared.roll(now, &a.limits.Budget)
	for i, l := range &h.leases {
		switch {
		case l == nil:
		case i == ofConcurrent:
			l.Back(1)
		case i == ofRequests:
			l.Back(requestsBack)
		case l == a.shared.leases[i]:
			l.Back(c.takes(i, h.whole) - units(i, used))
		default:
			l.Back(c.takes(i, h.whole))
			if next := a.shared.leases[i]; next != nil {
				next.More(units(i, used))
			}
		}
	}
}

// exhaustedShared says which budget has too little left in all leases and
// gateways together.
func (a *account) exhaustedShared(now weir.Instant, more Spent) *Refusal {
	var worst *Refusal
	for i := ofTokensDay; i < len(a.shared.leases); i++ {
		l := a.shared.leases[i]
		if l == nil || l.left() >= units(i, more) {
			continue
		}
		r := a.refusal(limitKinds[i], l.burst-l.left(), l.burst)
		r.RetryAfter = a.shared.ends(i).Sub(now)
		worst = later(worst, r)
	}
	return worst
}
