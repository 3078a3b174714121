package meter

import (
	"math/bits"
	"strings"
	"time"

	"weir"
)

// Limits bound what one tenant or one key may use. Zero is no limit.
type Limits struct {
	RequestsPerMinute int64
	TokensPerMinute   int64
	MaxConcurrent     int // requests admitted and not ended

	// Burst is how much of the allowance may be used at once after a pause:
	// the allowance of that much time. 0: one minute's. It bounds the size of
	// one request too. The allowance refills continuously, nanosecond by
	// nanosecond, not at the turn of a minute.
	Burst time.Duration
}

// Configure replaces all limits. Whoever keeps a limit keeps its use: raised
// allowances fill at the new rate from where they stand, lowered ones are cut to
// the new burst. Requests in flight are settled against the accounts they were
// admitted by.
func (m *Meter) Configure(now weir.Instant, limits map[string]Limits) {
	next := make(map[scope]*account, len(limits))
	for name, l := range limits {
		if l == (Limits{Burst: l.Burst}) {
			continue
		}
		tenant, key, _ := strings.Cut(name, "/")
		s := scope{tenant, key}
		a := m.accounts[s]
		if a == nil {
			a = &account{scope: s}
		}
		a.maxOpen = l.MaxConcurrent
		a.requests.configure(now, l.RequestsPerMinute, burst(l.RequestsPerMinute, l.Burst))
		a.tokens.configure(now, l.TokensPerMinute, burst(l.TokensPerMinute, l.Burst))
		next[s] = a
	}
	m.accounts = next
}

// burst is the allowance of that much time, at least one.
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
