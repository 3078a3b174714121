package meter

import "weir"

// Claim is one request's demand on its limits. Limits per minute take the
// likely use; their debts are paid by waiting. Budgets reserve the most a
// request may use: requests in flight together can then never overrun them.
type Claim struct {
	Likely Spent // prompt and expected answer
	Bound  Spent // prompt and the longest answer its max_tokens allows: budgets must have room for it
	Held   Spent // reserved from budgets until it ends: Bound plus a margin for an underestimated prompt
}

// likely is the claim of a request with only a likely use.
func likely(s Spent) Claim { return Claim{s, s, s} }

// bounded keeps sums inside an int64, and Held at least as large as Bound.
func (c Claim) bounded() Claim {
	c.Likely, c.Bound, c.Held = c.Likely.bounded(), c.Bound.bounded(), c.Held.bounded()
	c.Held.atLeast(c.Bound)
	return c
}

// growth is an answer's use beyond the likely one.
type growth struct {
	likely Spent // all of it
	tokens int64 // beyond the bound
	held   Spent // beyond the reservation of budgets
}

// grow adds an answer's use beyond the likely one.
func (c *Claim) grow(more Spent) growth {
	c.Likely.add(more)
	g := growth{likely: more, tokens: max(c.Likely.Tokens-c.Bound.Tokens, 0)}
	g.held = Spent{max(c.Likely.Tokens-c.Held.Tokens, 0), max(c.Likely.Cost-c.Held.Cost, 0)}
	c.Bound.Tokens += g.tokens
	c.Held.add(g.held)
	return g
}

// tokens returns the tokens taken from a limit per minute; whole: the most the
// request may use instead of the likely use.
func (c *Claim) tokens(whole bool) int64 {
	if whole {
		return c.Bound.Tokens
	}
	return c.Likely.Tokens
}

// more returns the additional tokens taken from a limit per minute.
func (g growth) more(whole bool) int64 {
	if whole {
		return g.tokens
	}
	return g.likely.Tokens
}

// asks is the amount a limit must have left, takes the amount taken.
func (c *Claim) asks(limit int, whole bool) int64 {
	if limit < ofTokensDay {
		return units(limit, Spent{Tokens: c.tokens(whole)})
	}
	return units(limit, c.Bound)
}

func (c *Claim) takes(limit int, whole bool) int64 {
	if limit < ofTokensDay {
		return units(limit, Spent{Tokens: c.tokens(whole)})
	}
	return units(limit, c.Held)
}

// Share returns the most that one request may use, of the free part of its
// budgets: its own most while much is left. Near the end of a budget it is a
// part of the rest that leaves some for later requests, and never less than the
// request's likely use while that is there. A request for no more than its
// share is admitted by every budget that has it.
func (m *Meter) Share(now weir.Instant, who Who, likely, most Spent) Spent {
	share, likely := most.bounded(), likely.bounded()
	for _, a := range m.set(who) {
		a.share(now, likely, &share)
	}
	return share
}

// share lowers a request's allowance to its part of this scope's budgets.
func (a *account) share(now weir.Instant, likely Spent, share *Spent) {
	if a.limits.Most && a.tokens.rate > 0 {
		share.Tokens = min(share.Tokens, a.tokens.burst)
	}
	a.rests(now, func(limit int, r rest) {
		n := r.share(int64(a.inFlight), units(limit, likely), units(limit, *share), a.limits.Whole)
		share.set(limit, n)
	})
}

// set sets the amount a limit counts: tokens or money.
func (s *Spent) set(limit int, n int64) {
	if limit == ofMoneyDay || limit == ofMoneyMonth {
		s.Cost = weir.Money(n)
		return
	}
	s.Tokens = n
}

// rests calls f for every bound of the budget with its rest.
func (a *account) rests(now weir.Instant, f func(limit int, r rest)) {
	b, p := &a.limits.Budget, &a.purse
	if a.shared != nil {
		a.shared.roll(now, b)
		for i := ofTokensDay; i < len(a.shared.leases); i++ {
			if l := a.shared.leases[i]; l != nil {
				held := units(i, p.held)
				f(i, rest{left: l.left() + held, free: l.free(now), held: held})
			}
		}
		return
	}
	p.roll(now)
	for i := ofTokensDay; i < len(limitKinds); i++ {
		used := p.day.used
		if i >= ofTokensMonth {
			used = p.month.used
		}
		if most := b.bound(i); most > 0 {
			held, left := units(i, p.held), most-units(i, used)
			f(i, rest{left, left - held, held})
		}
	}
}

// bound returns the budget's bound of one kind, 0 if it has none.
func (b *Budget) bound(limit int) int64 {
	switch limit {
	case ofTokensDay:
		return b.TokensPerDay
	case ofMoneyDay:
		return int64(b.MoneyPerDay)
	case ofTokensMonth:
		return b.TokensPerMonth
	case ofMoneyMonth:
		return int64(b.MoneyPerMonth)
	}
	return 0
}

// rest is the remainder of one bound of a budget.
type rest struct {
	left int64 // not used by any gateway
	free int64 // of left: available to one more request at this gateway
	held int64 // reserved by requests in flight
}

// share returns the part of one request that may use most and is likely to use
// likely, beside n in flight.
//
// It is all of most if most and the reservations together are at most half of
// the rest. Otherwise it is one part in 4n + 2 of the free rest. After n such
// requests the free rest has fallen only as the fourth root of n: thousands are
// served beside a few that ask for everything. The first request may have more:
// all but the likely use of sixteen like it. With whole, each request may have
// all of the free rest.
func (r rest) share(n, likely, most int64, whole bool) int64 {
	const others = 16
	part := r.free / (4*n + 2)
	switch {
	case most+r.held <= (r.free+r.held)/2:
		return most
	case whole:
		part = r.free
	case n == 0:
		part = max(part, r.free-others*likely)
	}
	part = max(part, likely)
	if part > r.free && likely > r.left { // even alone it does not get its likely use
		part = r.free
	}
	return max(min(part, most), 0)
}

// Left returns the most an open reservation may use without overrunning a
// budget: its reservation and the free rest. Without budgets it is the largest
// possible Claim.
func (m *Meter) Left(now weir.Instant, r Reservation) Spent {
	left := Spent{maxTokens, maxTokens}
	o := m.of(r)
	if o == nil {
		return left
	}
	for i := range o.holds {
		o.holds[i].account.rests(now, func(limit int, r rest) {
			n := max(r.free, 0) + units(limit, o.claim.Held)
			left.set(limit, min(n, units(limit, left)))
		})
	}
	return left
}

// Widen raises an open reservation in its budgets before it costs more: in all
// of them, or in none, and the Refusal says which has too little.
func (m *Meter) Widen(now weir.Instant, r Reservation, more Spent) *Refusal {
	o := m.of(r)
	if o == nil {
		return nil
	}
	more = more.bounded()
	var worst *Refusal
	for i := range o.holds {
		worst = later(worst, o.holds[i].account.lacks(now, more))
	}
	if worst != nil {
		return worst
	}
	o.claim.Held.add(more)
	for i := range o.holds {
		h := &o.holds[i]
		h.account.purse.held.add(more)
		for limit := ofTokensDay; limit < len(h.leases); limit++ {
			if l := h.leases[limit]; l != nil {
				l.More(units(limit, more))
			}
		}
	}
	return nil
}

// lacks says which budget has less than more free.
func (a *account) lacks(now weir.Instant, more Spent) (worst *Refusal) {
	a.rests(now, func(limit int, r rest) {
		n := units(limit, more)
		if n <= max(r.free, 0) {
			return
		}
		most := a.limits.Budget.bound(limit)
		refusal := a.refusal(limitKinds[limit], most-r.left+r.held, most)
		refusal.RetryAfter = a.ends(limit).Sub(now)
		if n <= r.left {
			refusal.RetryAfter = min(refusal.RetryAfter, a.oneEnds())
		}
		worst = later(worst, refusal)
	})
	return worst
}

// ends returns when the budget of a limit is renewed.
func (a *account) ends(limit int) weir.Instant {
	switch {
	case a.shared != nil:
		return a.shared.ends(limit)
	case limit < ofTokensMonth:
		return a.purse.day.ends
	}
	return a.purse.month.ends
}
