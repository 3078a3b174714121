package meter

import (
	"testing"
	"time"

	"weir"
)

const t0 = weir.Instant(1_700_000_000_000_000_000)

func TestAMinutesAllowanceMayBeUsedAtOnceAndComesBackContinuously(t *testing.T) {
	m := New(map[string]Limits{"demo": {TokensPerMinute: 60_000}})
	mustReserve(t, m, t0, "demo", "ci", 60_000)
	_, refusal := m.Reserve(t0, "demo", "ci", 1)
	if refusal == nil || refusal.RetryAfter != time.Millisecond {
		t.Fatalf("one token at 1,000 a second is there after 1ms, got %+v", refusal)
	}
	mustReserve(t, m, t0.Add(time.Millisecond), "demo", "ci", 1)
}

func mustReserve(t *testing.T, m *Meter, now weir.Instant, tenant, key string, tokens int64) Reservation {
	t.Helper()
	r, refusal := m.Reserve(now, tenant, key, tokens)
	if refusal != nil {
		t.Fatalf("refused: %v", refusal)
	}
	return r
}
