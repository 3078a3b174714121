package meter_test

import (
	"fmt"
	"testing"
	"time"

	"weir"
	"weir/meter"
)

// Promises of the package's comments, from outside. internal/mutants has a
// wrong change for each.

const noon = weir.Instant(12 * time.Hour)

func TestARetryOfAConcurrencyLimitFollowsHowLongRequestsTake(t *testing.T) {
	m := meter.New(map[meter.Scope]meter.Limits{{Tenant: "demo"}: {MaxConcurrent: 1}})
	who, now := meter.Who{Tenant: "demo"}, noon
	for _, took := range []time.Duration{time.Second, 9 * time.Second} {
		r, refusal := m.Reserve(now, who, meter.Spent{Tokens: 1})
		if refusal != nil {
			t.Fatal(refusal)
		}
		now = now.Add(took)
		m.Settle(now, r, meter.Spent{Tokens: 1})
	}
	m.Reserve(now, who, meter.Spent{Tokens: 1})
	_, refusal := m.Reserve(now, who, meter.Spent{Tokens: 1})
	if refusal == nil || refusal.RetryAfter != 2*time.Second {
		t.Errorf("after 1 s and then 9 s, of which an eighth counts: %+v, want 2s", refusal)
	}
}

func TestTheLargestRequestIsWhatTheNarrowestLimitAllows(t *testing.T) {
	for _, c := range []struct{ tenant, key, want int64 }{{100, 1000, 100}, {1000, 100, 100}} {
		m := meter.New(map[meter.Scope]meter.Limits{
			{Tenant: "demo"}:            {TokensPerMinute: c.tenant},
			{Tenant: "demo", Key: "ci"}: {TokensPerMinute: c.key},
		})
		if got := m.Largest(meter.Who{Tenant: "demo", Key: "ci"}); got != c.want {
			t.Errorf("tenant %d, key %d: %d, want %d", c.tenant, c.key, got, c.want)
		}
	}
}

// window returns a lease of a window with that grant and credit.
func window(hold, credit, level int64) (*meter.Leases, *meter.Lease, func(all bool) []meter.Ask) {
	ls := meter.NewLeases(noon, 1)
	l := ls.Keep("tenant=demo|tokens_per_day", meter.Window, 0, 1000, time.Hour)
	ask := func(all bool) (asks []meter.Ask) {
		for shard := range meter.LeaseShards {
			asks = ls.Asks(noon, shard, asks, 10, all)
		}
		return asks
	}
	for _, a := range ask(true) {
		ls.Granted(noon, a, meter.Grant{Hold: hold, Credit: credit, Level: level, Settled: true})
		ls.Contact(noon, a.Shard, 1, true)
	}
	return ls, l, ask
}

func TestALeaseInDebtDrawsOnNoCredit(t *testing.T) {
	_, l, _ := window(5, 20, 500)
	l.Take(5)
	l.More(3) // an answer that outgrew its reservation
	if l.Check(noon, 10) == 0 {
		t.Error("three beyond its lease, it overdraws by another ten")
	}
}

func TestALeaseIsAskedAboutOnceAtATime(t *testing.T) {
	ls, l, ask := window(100, 0, 500)
	l.Take(60)
	asks := ask(true)
	if len(asks) != 1 {
		t.Fatalf("%d asks", len(asks))
	}
	l.Take(10)
	if again := ask(true); len(again) != 0 {
		t.Errorf("asked about again before it was answered: %+v", again)
	}
	ls.Unheard(asks[0])
	if again := ask(true); len(again) != 1 || again[0].Total != 70 {
		t.Errorf("after nothing was heard: %+v", again)
	}
}

func TestAnAnswerSeenKeepsItsPairFromMakingRoom(t *testing.T) {
	l := meter.Learned{Max: 3} // two tenants and all tenants on the model
	saw := func(tenant string, n int) {
		for range n {
			l.Saw(tenant, "m", 100)
		}
	}
	saw("a", 10)
	saw("b", 10)
	saw("a", 1)
	saw("c", 10)
	if _, ok := l.Percentile("b", "m", 0.5); ok {
		t.Error("b, whose answers were seen longest ago, is still held")
	}
	if _, ok := l.Percentile("a", "m", 0.5); !ok {
		t.Error("a, whose answer was seen since, made room")
	}
}

// A bucket that has been full since a reservation hands its units out once,
// however many reservations came after it.
func TestWhatABucketHasRefilledIsNotGivenBackToo(t *testing.T) {
	m := meter.New(map[meter.Scope]meter.Limits{{Tenant: "demo"}: {TokensPerMinute: 6000}})
	who := meter.Who{Tenant: "demo"}
	reserve := func(now weir.Instant, n int64) (meter.Reservation, *meter.Refusal) {
		return m.Reserve(now, who, meter.Spent{Tokens: n})
	}
	first, _ := reserve(noon, 3000)
	later := noon.Add(30 * time.Second) // it is full again
	reserve(later, 2000)
	for range 70 {
		reserve(later, 1)
	}
	m.Settle(later, first, meter.Spent{})
	if _, refusal := reserve(later, 3931); refusal == nil {
		t.Error("6,000 less 2,070 are left, and 3,931 are let in")
	}
	if _, refusal := reserve(later, 3930); refusal != nil {
		t.Errorf("what is left: %v", refusal)
	}
}

func TestTheKeeperIsAskedAboutSoManyLeasesAtMost(t *testing.T) {
	ls := meter.NewLeases(noon, 1)
	for i := range 40 {
		ls.Keep(fmt.Sprint("tenant=", i), meter.Window, 0, 1000, time.Hour)
	}
	for shard := range meter.LeaseShards {
		if n := len(ls.Asks(noon, shard, nil, 2, true)); n != 2 {
			t.Errorf("shard %d: %d leases are asked about, want 2", shard, n)
		}
	}
}
