package meter

import (
	"time"

	"weir"
)

// account is the state of one scope's limits.
type account struct {
	scope    Scope
	limits   Limits
	requests bucket
	tokens   bucket
	purse    purse
	inFlight int
	door     int           // knocks that have not left
	took     time.Duration // smoothed time a reservation stays open; 0: none has ended yet
	shared   *shared       // nil: limits are not shared
}

// hold is one reservation's part in one account.
type hold struct {
	account          *account
	requests, tokens ticket
	whole            bool // tokens per minute are taken for the maximum use

	// The last top-up. Unused units are nearly always from it. Units of earlier
	// top-ups are returned as if taken at the start: that returns less if the
	// bucket was full since, never more.
	top    ticket
	topped int64

	leases leases // the leases it was taken from, if limits are shared
}

// check returns the limit that holds a request back longest, or nil if all have
// room.
func (a *account) check(now weir.Instant, c *Claim) *Refusal {
	if a.shared != nil {
		return a.checkShared(now, c)
	}
	worst := a.checkConcurrent()
	worst = later(worst, a.checkRate(now, &a.requests, Requests, 1))
	worst = later(worst, a.checkRate(now, &a.tokens, Tokens, c.tokens(a.limits.Most)))
	return later(worst, a.checkBudget(now, c.Bound))
}

// checkRate checks one rate for n units.
func (a *account) checkRate(now weir.Instant, b *bucket, k Kind, n int64) *Refusal {
	if b.rate == 0 {
		return nil
	}
	if n > b.burst {
		r := a.refusal(k, n, b.burst)
		r.TooLarge = true
		return r
	}
	wait := b.wait(now, n)
	if wait == 0 {
		return nil
	}
	r := a.refusal(k, n, b.rate)
	r.RetryAfter = wait
	return r
}

func (a *account) checkConcurrent() *Refusal {
	if a.limits.MaxConcurrent <= 0 || a.inFlight < a.limits.MaxConcurrent {
		return nil
	}
	r := a.refusal(Concurrent, int64(a.inFlight)+1, int64(a.limits.MaxConcurrent))
	r.RetryAfter = a.oneEnds()
	return r
}

// oneEnds estimates when one of the requests in flight ends: of n, one after an
// nth of their mean time. A second if that is unknown.
func (a *account) oneEnds() time.Duration {
	if a.took <= 0 || a.inFlight == 0 {
		return time.Second
	}
	return max(a.took/time.Duration(a.inFlight), time.Millisecond)
}

// take books one request; check has found room.
func (a *account) take(c *Claim) hold {
	a.inFlight++
	a.purse.held.add(c.Held)
	if a.shared != nil {
		return a.takeShared(c)
	}
	whole := a.limits.Most
	return hold{account: a, requests: a.requests.take(1), tokens: a.tokens.take(c.tokens(whole)), whole: whole}
}

// close ends a request's part: c is its reservation, used its use.
func (h hold) close(now weir.Instant, c *Claim, used Spent, requestsBack int64) {
	a := h.account
	a.inFlight--
	if a.shared != nil {
		h.closeShared(now, c, used, requestsBack)
		a.purse.spend(now, c.Held, used)
		return
	}
	a.requests.settle(now, h.requests, requestsBack)
	back := c.tokens(h.whole) - used.Tokens
	if part := min(back, h.topped); part > 0 {
		a.tokens.giveBack(now, h.top, part)
		back -= part
	}
	a.tokens.settle(now, h.tokens, back)
	a.purse.spend(now, c.Held, used)
}

// more takes more for a request that outgrows its reservation.
func (h *hold) more(now weir.Instant, g growth) {
	a := h.account
	a.purse.held.add(g.held)
	if a.shared != nil {
		h.moreShared(g)
		return
	}
	if n := g.more(h.whole); n > 0 {
		h.top, h.topped = a.tokens.more(now, n), n
	}
}

// exhausted says which budget has less than more left.
func (a *account) exhausted(now weir.Instant, more Spent) *Refusal {
	if a.shared != nil {
		return a.exhaustedShared(now, more)
	}
	return a.checkBudget(now, more)
}

// lasted smooths how long reservations stay open, newest one eighth.
func (a *account) lasted(d time.Duration) {
	d = min(max(d, 0), time.Hour)
	if a.took == 0 {
		a.took = d
		return
	}
	a.took += (d - a.took) / 8
}

func (a *account) refusal(k Kind, value, allowed int64) *Refusal {
	return &Refusal{Kind: k, Scope: a.scope, Limit: string(k) + " of " + a.scope.words(), Value: value, Allowed: allowed}
}
