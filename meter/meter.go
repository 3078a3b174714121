// Package meter counts the callers' use, in tokens and money, and says whether
// they may use more.
//
// It owns the limits of every scope (tenant, key, model, class or any
// combination; Meter), the expected length of an answer (Learned), the price of
// a usage (Rates) and the ledger's rows while they are in memory (Pending). It
// knows no clock, no lock, no database and no HTTP: its owner serialises the
// calls, passes the time and writes the rows to a Ledger. It is a package of
// its own because gateway and simulator admit by the same arithmetic.
//
// Limits are reserved at admission, all of them or none, and settled when the
// request has ended. The reservation uses the learned length of answers instead
// of max_tokens: an inflated max_tokens does not lock a tenant out of paid
// capacity. A reservation is topped up while a longer answer arrives. The
// settlement is exact: a bad estimate costs no tenant anything.
package meter

import (
	"math"
	"time"

	"weir"
)

// MaxOpen bounds the reservations a Meter holds open at once.
const MaxOpen = 1 << 20

// maxTokens bounds the tokens, or micro-dollars, of one reservation or
// settlement, far above any context length. Sums of them do not overflow.
const maxTokens = 1 << 40

// maxSets bounds the callers with remembered scopes. Beyond it the memory is
// cleared and filled again.
const maxSets = 1 << 16

// Meter holds the limits of every scope and their use. It is passive: its owner
// serialises the calls. Instants may repeat; an earlier one counts as a repeat.
type Meter struct {
	accounts map[Scope]*account
	sets     map[Who][]*account // results of earlier look-ups
	open     []open             // by slot
	free     []uint32
	live     int
	more     []*account // scratch
	leases   *Leases    // nil: no limit is shared
}

// open is an open reservation.
type open struct {
	generation uint32
	live       bool
	asked      int // of holds: those of the requested model; the others are of the serving model
	claim      Claim
	since      weir.Instant
	holds      []hold // its memory is reused by the slot's next reservation
}

// Reservation is what one admitted request has reserved. The zero value
// reserves nothing; closing it, or closing one a second time, does nothing.
type Reservation struct {
	slot       uint32 // slot in Meter.open, plus one
	generation uint32
}

// New returns a Meter with these limits.
func New(limits map[Scope]Limits) *Meter {
	m := &Meter{accounts: map[Scope]*account{}, sets: map[Who][]*account{}}
	m.Configure(0, limits)
	return m
}

// Reserve checks every limit that counts this request, for a request likely to
// use so much (prompt and expected answer). Either everything is reserved, or
// nothing is and the Refusal says why and when to come back. A request without
// limits is always admitted.
func (m *Meter) Reserve(now weir.Instant, who Who, use Spent) (Reservation, *Refusal) {
	return m.Claim(now, who, likely(use))
}

// Claim is Reserve for a request with a known maximum use. Budgets always have
// room for all that they hold for requests in flight, except for the excess of
// an underestimated prompt.
func (m *Meter) Claim(now weir.Instant, who Who, c Claim) (Reservation, *Refusal) {
	set := m.set(who)
	if len(set) == 0 {
		return Reservation{}, nil
	}
	c = c.bounded()
	var worst *Refusal
	for _, a := range set {
		worst = later(worst, a.check(now, &c))
	}
	if worst != nil {
		return Reservation{}, worst
	}
	r, refusal := m.begin(now, c)
	if refusal != nil {
		return r, refusal
	}
	o := &m.open[r.slot-1]
	o.asked = len(set)
	for _, a := range set {
		o.holds = append(o.holds, a.take(&c))
	}
	return r, nil
}

// begin opens an empty reservation.
func (m *Meter) begin(now weir.Instant, c Claim) (Reservation, *Refusal) {
	if m.live >= MaxOpen {
		return Reservation{}, &Refusal{Limit: "open reservations of this gateway", Kind: Concurrent,
			Value: int64(m.live) + 1, Allowed: MaxOpen, RetryAfter: time.Second}
	}
	slot := uint32(len(m.open))
	if n := len(m.free); n > 0 {
		slot, m.free = m.free[n-1], m.free[:n-1]
	} else {
		m.open = append(m.open, open{})
	}
	o := &m.open[slot]
	*o = open{generation: o.generation + 1, live: true, claim: c, since: now, holds: o.holds[:0]}
	m.live++
	return Reservation{slot: slot + 1, generation: o.generation}, nil
}

// set returns the accounts that count a request, the widest first.
func (m *Meter) set(who Who) []*account {
	if len(m.accounts) == 0 {
		return nil
	}
	set, ok := m.sets[who]
	if ok {
		return set
	}
	who.scopes(func(s Scope) {
		if a := m.accounts[s]; a != nil {
			set = append(set, a)
		}
	})
	if len(m.sets) >= maxSets {
		clear(m.sets)
	}
	m.sets[who] = set
	return set
}

// of returns r's open reservation, nil if it is closed.
func (m *Meter) of(r Reservation) *open {
	if r.slot == 0 || int(r.slot) > len(m.open) {
		return nil
	}
	o := &m.open[r.slot-1]
	if !o.live || o.generation != r.generation {
		return nil
	}
	return o
}

// TopUp reserves more for a request whose answer outgrows its reservation. It
// is always taken, as a debt where a limit has no more: later requests see the
// true use. The Refusal, if any, says which budget it uses up, of those that
// cut answers (Budget.Cut). Limits per minute never refuse here: their debt is
// paid by waiting.
func (m *Meter) TopUp(now weir.Instant, r Reservation, more Spent) *Refusal {
	o := m.of(r)
	if o == nil {
		return nil
	}
	more = more.bounded()
	more.Tokens = min(more.Tokens, maxTokens-o.claim.Likely.Tokens)
	more.Cost = min(more.Cost, maxTokens-o.claim.Likely.Cost)
	g := o.claim.grow(more)
	var worst *Refusal
	for i := range o.holds {
		h := &o.holds[i]
		if h.account.limits.Cut && g.held != (Spent{}) {
			worst = later(worst, h.account.exhausted(now, g.held))
		}
		h.more(now, g)
	}
	return worst
}

// Settle closes the reservation with the request's real use. The excess of the
// reservation is returned at once; a shortage is taken at once, even as a debt
// that later requests wait for.
func (m *Meter) Settle(now weir.Instant, r Reservation, used Spent) {
	m.close(now, r, used.bounded(), 0)
}

// Release closes the reservation of a request that used nothing, because no
// upstream worked on it. Its tokens and its request of the requests per minute
// are returned.
func (m *Meter) Release(now weir.Instant, r Reservation) { m.close(now, r, Spent{}, 1) }

func (m *Meter) close(now weir.Instant, r Reservation, used Spent, requestsBack int64) {
	o := m.of(r)
	if o == nil {
		return
	}
	for _, h := range o.holds {
		h.close(now, &o.claim, used, requestsBack)
		h.account.lasted(now.Sub(o.since))
	}
	clear(o.holds)
	o.live = false
	m.free = append(m.free, r.slot-1)
	m.live--
}

// Open returns the number of open reservations: zero when no request is in
// flight.
func (m *Meter) Open() int { return m.live }

// Largest returns the most tokens that a request of who can ever reserve: the
// smallest burst of the limits that count it. A caller caps an expected answer
// by it: an estimate alone then never makes a request too large. Without a
// token limit it is math.MaxInt64.
func (m *Meter) Largest(who Who) int64 {
	largest := int64(math.MaxInt64)
	for _, a := range m.set(who) {
		if a.tokens.rate > 0 {
			largest = min(largest, a.tokens.burst)
		}
	}
	return largest
}
