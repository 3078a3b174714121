package meter

import (
	"math/bits"
	"slices"
	"time"

	"weir"
)

// Limits bound the combined use of one scope's requests. Zero is no limit.
type Limits struct {
	RequestsPerMinute int64
	TokensPerMinute   int64 // prompt and completion
	MaxConcurrent     int   // requests admitted and not ended

	// Burst is how much of an allowance per minute may be used at once after a
	// pause: the allowance of that time. 0: one minute's. It also bounds the
	// size of one request. The allowance refills continuously, nanosecond by
	// nanosecond, not at the turn of a minute.
	Burst time.Duration

	// Most: tokens per minute are taken for the most a request may use, as
	// providers do, instead of its likely use.
	Most bool

	Budget
}

// Budget bounds use in a day and a month of the calendar, in UTC. Zero is no
// bound.
type Budget struct {
	TokensPerDay, TokensPerMonth int64 // prompt and completion
	MoneyPerDay, MoneyPerMonth   weir.Money

	// Cut: an answer that outgrows its reservation is cut if the excess is more
	// than is left. Otherwise it is finished, and the excess is a debt that
	// later requests wait for.
	Cut bool

	// Whole: every request may reserve all that is left, and reserves the most
	// it may use from the first token of the budget on. Otherwise it gets a
	// part when little is left, and others are served beside it.
	Whole bool
}

// Bounds says whether any limit is set.
func (l Limits) Bounds() bool {
	l.Burst, l.Most, l.Cut, l.Whole = 0, false, false, false
	return l != Limits{}
}

// Configure replaces all limits. A scope that keeps a limit keeps its use:
// raised allowances fill at the new rate from their present level, lowered ones
// are cut to the new burst, and spent budgets stay spent. Requests in flight
// are settled against the accounts that admitted them.
func (m *Meter) Configure(now weir.Instant, limits map[Scope]Limits) {
	next := make(map[Scope]*account, len(limits))
	for s, l := range limits {
		if !l.Bounds() {
			continue
		}
		a := m.accounts[s]
		if a == nil {
			a = &account{scope: s}
		}
		a.limits = l
		a.requests.configure(now, l.RequestsPerMinute, burst(l.RequestsPerMinute, l.Burst))
		a.tokens.configure(now, l.TokensPerMinute, burst(l.TokensPerMinute, l.Burst))
		next[s] = a
	}
	m.share(now, next)
	m.accounts = next
	clear(m.sets)
}

// Scopes returns the limited scopes, in order, and their limits: those that
// gateways share.
func (m *Meter) Scopes() ([]Scope, []Limits) {
	scopes := make([]Scope, 0, len(m.accounts))
	for s := range m.accounts {
		scopes = append(scopes, s)
	}
	slices.SortFunc(scopes, Scope.Compare)
	limits := make([]Limits, len(scopes))
	for i, s := range scopes {
		limits[i] = m.accounts[s].limits
	}
	return scopes, limits
}

// burst returns the allowance of that time, at least one.
func burst(perMinute int64, d time.Duration) int64 {
	if perMinute <= 0 {
		return 0
	}
	if d <= 0 {
		return min(perMinute, maxLevel)
	}
	hi, lo := bits.Mul64(uint64(perMinute), uint64(d))
	if hi >= minute {
		return maxLevel
	}
	n, _ := bits.Div64(hi, lo, minute)
	return int64(min(max(n, 1), maxLevel))
}
