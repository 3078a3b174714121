// Package meter counts what tenants use, in tokens and money, and says whether
// they may use more.
//
// It owns the limits per tenant and per key (Meter), the expected length of an
// answer nobody announced (Learned), the price of a usage (Rates) and the rows
// of the ledger while they are in memory (Pending). It knows no clock, no lock,
// no database and no HTTP: its owner serialises the calls, passes the time and
// carries the rows to a Ledger. It stands apart so that the gateway and the
// simulator admit by the same arithmetic.
//
// Limits are reserved at admission and settled when the request has ended. The
// reservation comes from the learned length of answers, not from max_tokens, so
// that an inflated max_tokens does not lock a tenant out of what it has paid
// for; the settlement is exact, so that learning badly costs nobody anything.
package meter

import (
	"math"
	"time"

	"weir"
)

// MaxOpen bounds the reservations a Meter holds open at once.
const MaxOpen = 1 << 20

// maxTokens bounds the tokens of one reservation or settlement, far above any
// context length, so that sums of them do not overflow.
const maxTokens = 1 << 40

// Meter holds the limits of every tenant and key and what has been used of
// them. It is passive: its owner serialises the calls. Instants passed to it
// may stand still; one that goes back counts as standing still.
type Meter struct {
	accounts map[scope]*account
	open     []open // by slot
	free     []uint32
	live     int
}

// scope names who an account belongs to: a tenant (Key empty) or one key of it.
type scope struct{ tenant, key string }

// account is the state of one tenant's or key's limits.
type account struct {
	scope    scope
	requests bucket
	tokens   bucket
	inFlight int
	maxOpen  int           // concurrent requests; 0: no limit
	held     time.Duration // smoothed time a reservation stays open; 0: none has ended
}

// accountsPerRequest is how many accounts one request is held against: its
// tenant's and its key's.
const accountsPerRequest = 2

// open is a reservation that has not been closed.
type open struct {
	generation uint32
	live       bool
	tokens     int64
	since      weir.Instant
	holds      [accountsPerRequest]hold
}

// hold is one reservation's part in one account.
type hold struct {
	account          *account
	requests, tokens ticket
}

// Reservation stands for what one admitted request has reserved. The zero value
// reserves nothing; closing it, or closing one a second time, does nothing.
type Reservation struct {
	slot       uint32 // slot in Meter.open, plus one
	generation uint32
}

// New returns a Meter with the limits given: by tenant ("demo") and by key
// ("demo/ci"; the first slash ends the tenant's name).
func New(limits map[string]Limits) *Meter {
	m := &Meter{accounts: map[scope]*account{}}
	m.Configure(0, limits)
	return m
}

// Reserve asks for one request of about that many tokens (prompt and expected
// answer) at once, from the limits of the tenant and of the key. Either
// everything is reserved, or nothing is and the Refusal says why and when to
// come back. A tenant or key without limits is always admitted.
func (m *Meter) Reserve(now weir.Instant, tenant, key string, tokens int64) (Reservation, *Refusal) {
	tokens = min(max(tokens, 0), maxTokens)
	var found [accountsPerRequest]*account
	n := 0
	if a := m.accounts[scope{tenant: tenant}]; a != nil {
		found[n], n = a, n+1
	}
	if key != "" {
		if a := m.accounts[scope{tenant, key}]; a != nil {
			found[n], n = a, n+1
		}
	}
	if n == 0 {
		return Reservation{}, nil
	}
	if m.live >= MaxOpen {
		return Reservation{}, &Refusal{Limit: "open reservations of this gateway", Kind: Concurrent,
			Value: int64(m.live) + 1, Allowed: MaxOpen, RetryAfter: time.Second}
	}
	if r := shortest(now, found[:n], tokens); r != nil {
		return Reservation{}, r
	}
	return m.take(now, found[:n], tokens), nil
}

// shortest checks every limit and returns the one that will hold the request
// back longest, or nil when all have room.
func shortest(now weir.Instant, accounts []*account, tokens int64) *Refusal {
	var worst *Refusal
	for _, a := range accounts {
		worst = later(worst, a.checkConcurrent())
		worst = later(worst, a.check(now, &a.requests, Requests, 1))
		worst = later(worst, a.check(now, &a.tokens, Tokens, tokens))
	}
	return worst
}

func (m *Meter) take(now weir.Instant, accounts []*account, tokens int64) Reservation {
	var slot uint32
	if n := len(m.free); n > 0 {
		slot = m.free[n-1]
		m.free = m.free[:n-1]
	} else {
		slot = uint32(len(m.open))
		m.open = append(m.open, open{})
	}
	o := &m.open[slot]
	*o = open{generation: o.generation + 1, live: true, tokens: tokens, since: now}
	for i, a := range accounts {
		a.inFlight++
		o.holds[i] = hold{account: a, requests: a.requests.take(1), tokens: a.tokens.take(tokens)}
	}
	m.live++
	return Reservation{slot: slot + 1, generation: o.generation}
}

// Settle closes the reservation with what the request really used: what was
// reserved too much is given back at once, what was reserved too little is
// taken at once, even where that leaves a debt later requests wait for.
func (m *Meter) Settle(now weir.Instant, r Reservation, used weir.Usage) {
	tokens := min(max(used.Prompt, 0), maxTokens) + min(max(used.Completion, 0), maxTokens)
	m.close(now, r, tokens, 0)
}

// Release closes the reservation of a request that used nothing: no upstream
// worked on it. Its tokens and its place in the requests per minute come back.
func (m *Meter) Release(now weir.Instant, r Reservation) { m.close(now, r, 0, 1) }

func (m *Meter) close(now weir.Instant, r Reservation, used, requestsBack int64) {
	if r.slot == 0 || int(r.slot) > len(m.open) {
		return
	}
	o := &m.open[r.slot-1]
	if !o.live || o.generation != r.generation {
		return
	}
	for i := range o.holds {
		h := &o.holds[i]
		if h.account == nil {
			break
		}
		h.account.inFlight--
		h.account.heldFor(now.Sub(o.since))
		h.account.requests.settle(now, h.requests, requestsBack)
		h.account.tokens.settle(now, h.tokens, o.tokens-used)
		h.account = nil
	}
	o.live = false
	m.free = append(m.free, r.slot-1)
	m.live--
}

// heldFor smooths how long reservations stay open, newest one eighth.
func (a *account) heldFor(d time.Duration) {
	d = min(max(d, 0), time.Hour)
	if a.held == 0 {
		a.held = d
		return
	}
	a.held += (d - a.held) / 8
}

// Open returns how many reservations have not been closed: zero when nothing is
// in flight.
func (m *Meter) Open() int { return m.live }

// Largest returns the most tokens one request of this tenant and key can ever
// reserve: the smaller burst of the two. A caller that reserves an expected
// answer caps it by this, so that an estimate alone never makes a request too
// large. Without a token limit it is math.MaxInt64.
func (m *Meter) Largest(tenant, key string) int64 {
	largest := int64(math.MaxInt64)
	for _, s := range [...]scope{{tenant, ""}, {tenant, key}} {
		if a := m.accounts[s]; a != nil && a.tokens.rate > 0 {
			largest = min(largest, a.tokens.burst)
		}
	}
	return largest
}
