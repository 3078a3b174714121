package meter

import (
	"math/big"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// past is one admitted request in the laws' books.
type past struct {
	r        Reservation
	at       weir.Instant
	reserved int64 // top-ups included
	used     int64 // = reserved until settled
	tops     []taking
	closed   bool
}

// taking is a number of tokens at one time.
type taking struct {
	at     weir.Instant
	tokens int64
}

// takings returns the request's use, each part at its reservation.
func (p *past) takings() []taking {
	first := p.reserved
	for _, t := range p.tops {
		first -= t.tokens
	}
	left := p.used
	var parts []taking
	for _, t := range append([]taking{{p.at, first}}, p.tops...) {
		n := min(t.tokens, left)
		left -= n
		parts = append(parts, taking{t.at, n})
	}
	return parts
}

// takings returns those of all requests in order of time.
func (w *world) takings() []taking {
	var all []taking
	for i := range w.all {
		all = append(all, w.all[i].takings()...)
	}
	slices.SortStableFunc(all, func(a, b taking) int { return int(a.at - b.at) })
	return all
}

// world drives one tenant's token limit and records everything.
type world struct {
	m           *Meter
	now         weir.Instant
	rate, burst int64
	all         []past
	refunds     int64
	maxTops     int // of one request
}

func newWorld(t *rapid.T) *world {
	rate := rapid.Int64Range(1, 5000).Draw(t, "rate")
	span := rapid.SampledFrom([]time.Duration{0, time.Second, 10 * time.Second, 3 * time.Minute}).Draw(t, "burst")
	return &world{m: newMeter(map[string]Limits{"demo": {TokensPerMinute: rate, Burst: span}}), now: t0, rate: rate, burst: burst(rate, span), maxTops: 10}
}

// step does one random action; requests never use more than they reserved.
func (w *world) step(t *rapid.T) {
	switch rapid.SampledFrom([]string{"wait", "reserve", "reserve", "top up", "settle", "release"}).Draw(t, "do") {
	case "wait":
		w.now = w.now.Add(time.Duration(rapid.Int64Range(0, int64(90*time.Second)).Draw(t, "wait")))
	case "reserve":
		n := rapid.Int64Range(0, w.burst).Draw(t, "tokens")
		if r, refusal := w.m.Reserve(w.now, Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: n}); refusal == nil {
			w.all = append(w.all, past{r: r, at: w.now, reserved: n, used: n})
		}
	case "top up":
		w.topUp(t)
	case "settle":
		w.close(t, true)
	case "release":
		w.close(t, false)
	}
}

// topUp takes more for an open request, at most the units available now.
func (w *world) topUp(t *rapid.T) {
	b := &w.m.accounts[Scope{Tenant: "demo"}].tokens
	b.refill(w.now)
	if len(w.all) == 0 || b.level < 1 {
		return
	}
	p := &w.all[rapid.IntRange(0, len(w.all)-1).Draw(t, "which")]
	if p.closed || len(p.tops) >= w.maxTops {
		return
	}
	n := rapid.Int64Range(1, b.level).Draw(t, "more")
	w.m.TopUp(w.now, p.r, Spent{Tokens: n})
	p.tops = append(p.tops, taking{w.now, n})
	p.reserved += n
	p.used = p.reserved
	w.refunds++ // a top-up may round once more
}

func (w *world) close(t *rapid.T, settle bool) {
	if len(w.all) == 0 {
		return
	}
	p := &w.all[rapid.IntRange(0, len(w.all)-1).Draw(t, "which")]
	used := int64(0)
	if settle {
		used = rapid.Int64Range(0, p.reserved).Draw(t, "used")
		w.m.Settle(w.now, p.r, Spent{Tokens: used})
	} else {
		w.m.Release(w.now, p.r)
	}
	if !p.closed { // closing again must change nothing, in the model too
		p.closed, p.used = true, used
		w.refunds++
	}
}

// level returns the units available now, in billionths of a 60th of a token.
func (w *world) level() *big.Int {
	b := &w.m.accounts[Scope{Tenant: "demo"}].tokens
	b.refill(w.now)
	l := new(big.Int).Mul(big.NewInt(b.level), big.NewInt(int64(minute)))
	return l.Add(l, new(big.Int).SetUint64(b.frac))
}

// replay returns the level of a plain bucket that knew each request's use from
// the start.
func (w *world) replay() *big.Int {
	full := new(big.Int).Mul(big.NewInt(w.burst), big.NewInt(int64(minute)))
	level, at := new(big.Int).Set(full), t0
	refill := func(now weir.Instant) {
		level.Add(level, new(big.Int).Mul(big.NewInt(w.rate), big.NewInt(int64(now-at))))
		if level.Cmp(full) > 0 {
			level.Set(full)
		}
		at = now
	}
	for _, p := range w.takings() {
		refill(p.at)
		level.Sub(level, new(big.Int).Mul(big.NewInt(p.tokens), big.NewInt(int64(minute))))
	}
	refill(w.now)
	return level
}

// In any window, the requests admitted in it use no more than the burst plus
// its refill, however often and late reservations are given back.
func TestNeverMoreThanBurstAndRateInAnyWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step(t)
		}
		all := w.takings()
		for i := range all {
			var used int64
			for _, p := range all[i:] {
				used += p.tokens
				span := new(big.Int).Mul(big.NewInt(w.rate), big.NewInt(int64(p.at-all[i].at)))
				most := span.Add(span, new(big.Int).Mul(big.NewInt(w.burst), big.NewInt(int64(minute))))
				if new(big.Int).Mul(big.NewInt(used), big.NewInt(int64(minute))).Cmp(most) > 0 {
					t.Fatalf("admitted %d within %s at %d a minute and a burst of %d", used, p.at.Sub(all[i].at), w.rate, w.burst)
				}
			}
		}
	})
}

// Settling leaves the bucket at the level it would have if the true use had
// been reserved: never above, and below by less than a token for each
// settlement, if nothing was topped up more than once.
func TestSettlingIsAsIfTheTrueUseHadBeenReserved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		w.maxTops = rapid.IntRange(0, 3).Draw(t, "top-ups")
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			w.step(t)
			have, want := w.level(), w.replay()
			short := new(big.Int).Sub(want, have)
			if short.Sign() < 0 {
				t.Fatalf("level %s, a bucket that knew the true use has %s", have, want)
			}
			if w.maxTops < 2 && short.Cmp(big.NewInt((w.refunds+1)*int64(minute))) > 0 {
				t.Fatalf("level %s after %d settlements, want %s", have, w.refunds, want)
			}
		}
	})
}

func TestARefusalIsLiftedExactlyWhenItSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			w.step(t)
		}
		n := rapid.Int64Range(0, w.burst+1).Draw(t, "tokens")
		r, refusal := w.m.Reserve(w.now, Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: n})
		if refusal == nil {
			w.m.Release(w.now, r)
			return
		}
		if refusal.TooLarge != (n > w.burst) {
			t.Fatalf("%d tokens of a burst of %d: %+v", n, w.burst, refusal)
		}
		if refusal.TooLarge {
			return
		}
		if refusal.RetryAfter <= 0 {
			t.Fatalf("%+v", refusal)
		}
		if _, early := w.m.Reserve(w.now.Add(refusal.RetryAfter-1), Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: n}); early == nil {
			t.Fatalf("admitted a nanosecond before %s", refusal.RetryAfter)
		}
		if _, late := w.m.Reserve(w.now.Add(refusal.RetryAfter), Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: n}); late != nil {
			t.Fatalf("told to come back in %s, then refused: %v", refusal.RetryAfter, late)
		}
	})
}

// In any sequence, after everything is closed nothing is in flight, and after a
// pause every limit is full again.
func TestEverythingClosedLeavesNothingBehind(t *testing.T) {
	names := rapid.SampledFrom([]string{"a", "b", "c"})
	rapid.Check(t, func(t *rapid.T) {
		limits := map[string]Limits{"a": {RequestsPerMinute: 20, TokensPerMinute: 500, MaxConcurrent: 3},
			"a/b": {TokensPerMinute: 300}, "b": {MaxConcurrent: 2}, "b/a": {RequestsPerMinute: 5}}
		m, now := newMeter(limits), t0
		var open []Reservation
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(5*time.Second)).Draw(t, "wait")))
			switch rapid.IntRange(0, 4).Draw(t, "do") {
			case 0, 1, 2:
				if r, refusal := m.Reserve(now, Who{Tenant: names.Draw(t, "tenant"), Key: names.Draw(t, "key")}, Spent{Tokens: rapid.Int64Range(-1, 600).Draw(t, "tokens")}); refusal == nil {
					open = append(open, r)
				}
			case 3:
				if len(open) > 0 {
					m.Settle(now, open[rapid.IntRange(0, len(open)-1).Draw(t, "which")], Spent{Tokens: rapid.Int64Range(-5, 900).Draw(t, "used")})
				}
			case 4:
				m.Configure(now, scoped(limits))
			}
		}
		for _, r := range append(open, open...) {
			m.Settle(now, r, Spent{})
		}
		if m.Open() != 0 {
			t.Fatalf("%d open", m.Open())
		}
		for s, a := range m.accounts {
			if a.inFlight != 0 || a.tokens.takes != 0 || a.requests.takes != 0 {
				t.Fatalf("%v: %d in flight, %d and %d taken", s, a.inFlight, a.tokens.takes, a.requests.takes)
			}
		}
		later := now.Add(24 * time.Hour)
		for range 3 {
			if _, refusal := m.Reserve(later, Who{Tenant: "a", Key: "b"}, Spent{Tokens: 100}); refusal != nil {
				t.Fatal(refusal)
			}
		}
	})
}

func FuzzReservationsCannotBreakTheMeter(f *testing.F) {
	f.Add([]byte{0, 10, 1, 3, 200, 0, 2, 1, 5})
	f.Add([]byte{255, 254, 253, 0, 0, 0, 9, 9, 9, 1, 2, 3})
	f.Fuzz(func(t *testing.T, script []byte) {
		m := New(map[Scope]Limits{
			{Tenant: "a"}:                           {TokensPerMinute: 1000, RequestsPerMinute: 7, MaxConcurrent: 4},
			{Tenant: "a", Key: "k"}:                 {TokensPerMinute: 300, Burst: time.Second, Budget: Budget{TokensPerDay: 9000}},
			{Model: "m"}:                            {TokensPerMinute: 800, MaxConcurrent: 3},
			{Tenant: "a", Model: "n"}:               {RequestsPerMinute: 5, MaxConcurrent: 2},
			{Tenant: "a", Key: "k", Class: "batch"}: {MaxConcurrent: 1},
		})
		now := t0
		var open []Reservation
		for i := 0; i+2 < len(script); i += 3 {
			now = now.Add(time.Duration(script[i+1]) * 37 * time.Millisecond)
			n := int64(script[i+2]) * 7
			who := Who{Tenant: "a", Key: []string{"", "k"}[script[i]%2], Model: []string{"m", "n"}[script[i+1]%2], Class: weir.Class(script[i+2] % 2)}
			switch script[i] % 6 {
			case 0, 1:
				if r, refusal := m.Reserve(now, who, Spent{Tokens: n}); refusal == nil {
					open = append(open, r)
				} else if !refusal.TooLarge && refusal.RetryAfter <= 0 {
					t.Fatalf("a refusal without a time to come back: %+v", refusal)
				}
			case 2:
				if len(open) > 0 {
					m.Settle(now, open[int(script[i+2])%len(open)], Spent{Tokens: n})
				}
			case 3:
				m.Release(now, Reservation{slot: uint32(script[i+1]), generation: uint32(script[i+2])})
			case 4:
				if len(open) > 0 {
					m.TopUp(now, open[int(script[i+2])%len(open)], Spent{Tokens: n})
				}
			case 5:
				if len(open) > 0 {
					m.Serve(now, open[int(script[i+2])%len(open)], who, []string{"m", "n", "o"}[script[i+1]%3], likely(Spent{}))
				}
			}
			for s, a := range m.accounts {
				if b := a.tokens; b.level > b.burst || len(b.lows) > maxLows || a.inFlight < 0 || a.limits.MaxConcurrent > 0 && a.inFlight > a.limits.MaxConcurrent {
					t.Fatalf("%v: %+v", s, a)
				}
			}
		}
		for _, r := range open {
			m.Release(now, r)
		}
		for s, a := range m.accounts {
			if a.inFlight != 0 || a.purse.held != (Spent{}) {
				t.Fatalf("%v: %d requests and %+v are held for nobody", s, a.inFlight, a.purse.held)
			}
		}
	})
}

func BenchmarkReserveAndSettle(b *testing.B) {
	m := newMeter(map[string]Limits{"demo": {RequestsPerMinute: 1 << 40, TokensPerMinute: 1 << 40, MaxConcurrent: 1000},
		"demo/ci": {RequestsPerMinute: 1 << 40, TokensPerMinute: 1 << 40, MaxConcurrent: 1000}})
	now := t0
	var open [64]Reservation // so many are in flight
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Microsecond)
		m.Settle(now, open[i%len(open)], Spent{Tokens: 900 + int64(i%512)})
		r, refusal := m.Reserve(now, Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: 1500})
		if refusal != nil {
			b.Fatal(refusal)
		}
		open[i%len(open)] = r
	}
}

// The worst case of bucket.lows: saturated, every reservation of a different
// size, settled late and in another order.
func BenchmarkReserveAndSettleSaturated(b *testing.B) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 60_000_000}})
	now := t0
	var open [512]Reservation
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now = now.Add(900 * time.Microsecond)
		slot := i * 31 % len(open)
		m.Settle(now, open[slot], Spent{Tokens: int64(200 + i%700)})
		r, _ := m.Reserve(now, Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: int64(1000 + i*37%900)})
		open[slot] = r
	}
}

func TestReservingAndSettlingDoesNotAllocate(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {RequestsPerMinute: 1 << 30, TokensPerMinute: 1 << 30, MaxConcurrent: 10}, "demo/ci": {TokensPerMinute: 1 << 30}})
	now := t0
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Microsecond)
		r, _ := m.Reserve(now, Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: 1500})
		m.Settle(now, r, Spent{Tokens: 900})
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}
