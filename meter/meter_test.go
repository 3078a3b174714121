package meter

import (
	"math"
	"strings"
	"testing"
	"time"

	"weir"
)

const t0 = weir.Instant(1_700_000_000_000_000_000)

func TestAMinutesAllowanceMayBeUsedAtOnceAndComesBackContinuously(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 60_000}})
	mustReserve(t, m, t0, "demo", "ci", 60_000)
	refusal := mustRefuse(t, m, t0, "demo", "ci", 1)
	if refusal.RetryAfter != time.Millisecond {
		t.Fatalf("one token at 1,000 a second is there after 1ms, got %s", refusal.RetryAfter)
	}
	mustReserve(t, m, t0.Add(time.Millisecond), "demo", "ci", 1)
}

func TestRefillingByNanosecondsAddsUpExactly(t *testing.T) {
	// 7 tokens a minute: not one nanosecond gives a whole number of tokens.
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 7}})
	mustReserve(t, m, t0, "demo", "", 7)
	now := t0
	for _, tick := range []time.Duration{1, 999, 17 * time.Millisecond, 333_333_333, 7 * time.Second} {
		for range 100 {
			if now = now.Add(tick); now.Sub(t0) >= time.Minute {
				break
			}
			mustRefuse(t, m, now, "demo", "", 7)
		}
	}
	mustRefuse(t, m, t0.Add(time.Minute-1), "demo", "", 7)
	mustReserve(t, m, t0.Add(time.Minute), "demo", "", 7)
}

func TestSettlingGivesBackAtOnceWhatWasNotUsed(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 1000}})
	r := mustReserve(t, m, t0, "demo", "", 1000)
	mustRefuse(t, m, t0, "demo", "", 900)
	m.Settle(t0, r, Spent{Tokens: 60 + 40})
	mustReserve(t, m, t0, "demo", "", 900)
	mustRefuse(t, m, t0, "demo", "", 1)
}

func TestUsingMoreThanReservedIsADebtLaterRequestsWaitFor(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 60_000}})
	r := mustReserve(t, m, t0, "demo", "", 10_000)
	m.Settle(t0, r, Spent{Tokens: 80_000 + 10_000})
	// 30,000 over, so 30 s of debt, and 1 ms for the one token.
	if refusal := mustRefuse(t, m, t0, "demo", "", 1); refusal.RetryAfter != 30*time.Second+time.Millisecond {
		t.Fatal(refusal.RetryAfter)
	}
}

func TestAReleasedRequestTookNothing(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 1000, RequestsPerMinute: 1, MaxConcurrent: 1}})
	m.Release(t0, mustReserve(t, m, t0, "demo", "", 1000))
	m.Settle(t0, mustReserve(t, m, t0, "demo", "", 1000), Spent{})
	if r := mustRefuse(t, m, t0, "demo", "", 1000); r.Kind != Requests {
		t.Fatalf("a settled request counts as a request whatever it used, got %v", r)
	}
}

func TestAKeysRefusalTakesNothingFromItsTenant(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 1000}, "demo/ci": {TokensPerMinute: 100}})
	for range 50 {
		mustReserve(t, newMeter(map[string]Limits{"demo/ci": {TokensPerMinute: 100}}), t0, "demo", "ci", 100)
		m.Reserve(t0, Who{Tenant: "demo", Key: "ci"}, Spent{Tokens: 101})
	}
	if r := mustRefuse(t, m, t0, "demo", "ci", 101); r.Limit != "tokens_per_minute of key demo/ci" {
		t.Fatal(r.Limit)
	}
	mustReserve(t, m, t0, "demo", "web", 1000)
	if r := mustRefuse(t, m, t0, "demo", "ci", 1); r.Limit != "tokens_per_minute of tenant demo" {
		t.Fatal(r.Limit)
	}
}

func TestARequestLargerThanTheBurstIsToldThatWaitingDoesNotHelp(t *testing.T) {
	m := newMeter(map[string]Limits{"demo/ci": {TokensPerMinute: 100_000}})
	r := mustRefuse(t, m, t0, "demo", "ci", 130_000)
	if !r.TooLarge || r.RetryAfter != 0 || r.Value != 130_000 || r.Allowed != 100_000 {
		t.Fatalf("%+v", r)
	}
	want := "the request needs about 130000 tokens and tokens_per_minute of key demo/ci allows 100000 at once: " +
		"shorten the prompt, lower max_tokens, or have the limit raised; waiting does not help"
	if r.Error() != want {
		t.Fatal(r.Error())
	}
	if m.Largest(Who{Tenant: "demo", Key: "ci"}) != 100_000 || m.Largest(Who{Tenant: "demo", Key: "other"}) != math.MaxInt64 {
		t.Fatal("Largest must name the bound a caller caps its estimate by")
	}
}

func TestTheRefusalNamedIsTheOneThatLastsLongest(t *testing.T) {
	m := newMeter(map[string]Limits{
		"demo":    {RequestsPerMinute: 1, TokensPerMinute: 100},
		"demo/ci": {MaxConcurrent: 1},
	})
	mustReserve(t, m, t0, "demo", "ci", 50)
	if r := mustRefuse(t, m, t0, "demo", "ci", 75); r.Kind != Requests || r.RetryAfter != time.Minute {
		t.Fatalf("a request in 60 s, tokens in 15 s, a place in about 1 s: got %+v", r)
	}
	if r := mustRefuse(t, m, t0, "demo", "ci", 101); !r.TooLarge {
		t.Fatalf("what never fits lasts longest: got %+v", r)
	}
}

func TestConcurrentRequestsAreBoundedAndTheWaitIsWhatRequestsTake(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {MaxConcurrent: 2}})
	first := mustReserve(t, m, t0, "demo", "ci", 10)
	mustReserve(t, m, t0, "demo", "web", 10)
	if r := mustRefuse(t, m, t0, "demo", "ci", 10); r.Kind != Concurrent || r.Value != 3 || r.Allowed != 2 || r.RetryAfter != time.Second {
		t.Fatalf("nothing known yet: a second, got %+v", r)
	}
	m.Settle(t0.Add(8*time.Second), first, Spent{})
	mustReserve(t, m, t0, "demo", "ci", 10)
	if r := mustRefuse(t, m, t0, "demo", "ci", 10); r.RetryAfter != 4*time.Second {
		t.Fatalf("of two requests that take 8 s one ends every 4 s, got %+v", r)
	}
}

func TestWhoHasNoLimitsIsAlwaysAdmitted(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {}, "capped": {TokensPerMinute: 1}})
	for _, tenant := range []string{"demo", "unknown", ""} {
		r := mustReserve(t, m, t0, tenant, "ci", math.MaxInt64)
		m.Settle(t0, r, Spent{Tokens: math.MaxInt64})
	}
	if m.Open() != 0 {
		t.Fatal(m.Open())
	}
}

func TestBurstIsConfiguredAsTime(t *testing.T) {
	for _, c := range []struct {
		perMinute int64
		burst     time.Duration
		want      int64
	}{
		{60_000, 0, 60_000}, {60_000, time.Second, 1000}, {60_000, 10 * time.Second, 10_000}, {60_000, time.Hour, 3_600_000},
		{6, time.Second, 1}, {0, time.Second, 0}, {-1, 0, 0}, {math.MaxInt64, math.MaxInt64, maxLevel}, {math.MaxInt64, 0, maxLevel},
	} {
		if got := burst(c.perMinute, c.burst); got != c.want {
			t.Errorf("burst(%d, %s) = %d, want %d", c.perMinute, c.burst, got, c.want)
		}
	}
}

func TestReloadKeepsWhatWasUsed(t *testing.T) {
	limits := func(n int64) map[string]Limits { return map[string]Limits{"demo": {TokensPerMinute: n}} }
	m := newMeter(limits(1000))
	open := mustReserve(t, m, t0, "demo", "", 900)
	m.Configure(t0, scoped(limits(2000)))
	if r := mustRefuse(t, m, t0, "demo", "", 101); r.RetryAfter != 30*time.Millisecond {
		t.Fatalf("100 are left and refill at the new rate, got %s", r.RetryAfter)
	}
	m.Configure(t0, scoped(limits(50)))
	mustReserve(t, m, t0, "demo", "", 50)
	mustRefuse(t, m, t0, "demo", "", 1)
	m.Configure(t0, nil)
	m.Settle(t0, open, Spent{})
	mustReserve(t, m, t0, "demo", "", 1_000_000)
	if m.Open() != 1 {
		t.Fatalf("only what was reserved against the limit of 50 is open, got %d", m.Open())
	}
}

func TestATimeThatGoesBackStandsStill(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 60}})
	mustReserve(t, m, t0, "demo", "", 60)
	mustRefuse(t, m, t0.Add(-time.Hour), "demo", "", 1)
	mustRefuse(t, m, t0.Add(time.Second-1), "demo", "", 1)
	mustReserve(t, m, t0.Add(time.Second), "demo", "", 1)
}

func TestEveryRefusalTellsLimitValueAndRemedy(t *testing.T) {
	m := newMeter(map[string]Limits{"a": {RequestsPerMinute: 1}, "b": {TokensPerMinute: 60}, "c": {MaxConcurrent: 1}})
	for tenant, want := range map[string]string{
		"a": "requests_per_minute of tenant a allows 1, which are used up: retry in 1m0s",
		"b": "the request needs about 60 tokens and tokens_per_minute of tenant b allows 60, of which too few are left: retry in 1m0s",
		"c": "the request would be number 2 in flight, but max_concurrent of tenant c allows 1: retry when one has ended, in about 1s",
	} {
		mustReserve(t, m, t0, tenant, "", 60)
		if got := mustRefuse(t, m, t0, tenant, "", 60).Error(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if s := shown(math.MaxInt64); s != math.MaxInt64 || shown(1) != time.Millisecond || shown(10*time.Second+1) != 11*time.Second {
		t.Error("a time shown is never shorter than the true one", s)
	}
}

func TestLowUseIsNeverLockedOutByInflatedMaxTokens(t *testing.T) {
	// A tenant with 20,000 tokens a minute sends a request of 300 tokens every
	// 6 s, each with max_tokens 128,000, and uses about a tenth of its limit.
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 20_000}})
	var learned Learned
	now := t0
	for i := range 500 {
		want := min(300+int64(learned.Expect("demo", "gpt-4o", 128_000)), m.Largest(Who{Tenant: "demo", Key: "ci"}))
		r := mustReserve(t, m, now, "demo", "ci", want)
		used := 80 + i%40
		now = now.Add(6 * time.Second)
		m.Settle(now, r, Spent{Tokens: 300 + int64(used)})
		learned.Saw("demo", "gpt-4o", used)
	}
	if m.Open() != 0 {
		t.Fatal(m.Open())
	}
}

// newMeter and scoped name tenants "demo" and keys "demo/ci".
func newMeter(limits map[string]Limits) *Meter { return New(scoped(limits)) }

func scoped(limits map[string]Limits) map[Scope]Limits {
	by := map[Scope]Limits{}
	for name, l := range limits {
		tenant, key, _ := strings.Cut(name, "/")
		by[Scope{Tenant: tenant, Key: key}] = l
	}
	return by
}

func mustReserve(t *testing.T, m *Meter, now weir.Instant, tenant, key string, tokens int64) Reservation {
	t.Helper()
	r, refusal := m.Reserve(now, Who{Tenant: tenant, Key: key}, Spent{Tokens: tokens})
	if refusal != nil {
		t.Fatalf("refused: %v", refusal)
	}
	return r
}

func mustRefuse(t *testing.T, m *Meter, now weir.Instant, tenant, key string, tokens int64) *Refusal {
	t.Helper()
	r, refusal := m.Reserve(now, Who{Tenant: tenant, Key: key}, Spent{Tokens: tokens})
	if refusal == nil {
		t.Fatalf("admitted %d tokens of %s/%s", tokens, tenant, key)
	}
	if r != (Reservation{}) {
		t.Fatal("a refusal reserves nothing")
	}
	return refusal
}
