package meter

import (
	"testing"
	"time"

	"weir"
)

const begin = weir.Instant(1_800_000_000_000_000_000)

func grant(ls *Leases, l *Lease, now weir.Instant, g Grant) Ask {
	asks := ls.Asks(now, l.shard, nil, 10, true)
	g.Settled = true
	ls.Granted(now, asks[0], g)
	ls.Contact(now, l.shard, 3, true)
	return asks[0]
}

func TestALeaseIsUsedAndOneRequestMore(t *testing.T) {
	ls := NewLeases(begin, 3)
	l := ls.Keep("b", Window, 0, 100, time.Hour)
	grant(ls, l, begin, Grant{Hold: 10, Credit: 5, Level: 15})
	for _, n := range []int64{4, 4} {
		if l.Check(begin, n) != 0 {
			t.Fatal("refused what it holds")
		}
		l.Take(n)
	}
	if l.Check(begin, 8) == 0 {
		t.Fatal("let in what exceeds lease and credit")
	}
	if l.Check(begin, 7) != 0 {
		t.Fatal("refused what the credit covers")
	}
	l.Take(7)
	if l.Check(begin, 1) == 0 {
		t.Fatal("drew on the credit twice")
	}
	if a := grant(ls, l, begin.Add(time.Second), Grant{Hold: 2, Level: 2}); a.Total != 15 || a.Has != 0 {
		t.Fatalf("%+v", a)
	}
	if l.Check(begin.Add(time.Second), 2) != 0 {
		t.Fatal("refused what was granted")
	}
}

func TestWhatIsUsedDuringAVisitIsTakenOffItsGrant(t *testing.T) {
	ls := NewLeases(begin, 1)
	l := ls.Keep("b", Window, 0, 100, time.Hour)
	grant(ls, l, begin, Grant{Hold: 50, Level: 100})
	l.Take(1)
	asks := ls.Asks(begin.Add(time.Second), l.shard, nil, 1, true)
	l.Take(3)
	ls.Granted(begin.Add(time.Second), asks[0], Grant{Hold: 20, Level: 99, Settled: true})
	if l.Outstanding() != 17 {
		t.Fatal(l.Outstanding())
	}
	if next := ls.Asks(begin.Add(2*time.Second), l.shard, nil, 1, true); next[0].Total != 4 || next[0].Since != 1 {
		t.Fatalf("%+v", next)
	}
}

func TestWhatIsOfferedBackIsNotUsedMeanwhile(t *testing.T) {
	ls := NewLeases(begin, 1)
	l := ls.Keep("b", Window, 0, 100, time.Hour)
	grant(ls, l, begin, Grant{Hold: 50, Level: 100})
	ls.Pressed(begin.Add(time.Second), []string{"b", "unknown"})
	asks := ls.Asks(begin.Add(time.Second), l.shard, nil, 1, false)
	if asks[0].Want != 0 || asks[0].Has != 50 || l.Outstanding() != 0 {
		t.Fatalf("%+v, and %d may be used", asks[0], l.Outstanding())
	}
	ls.Unheard(asks[0])
	if l.Outstanding() != 50 {
		t.Fatal("not heard, so it is still its own:", l.Outstanding())
	}
}

func TestWithoutItsKeeperAFlowGoesOnAtItsPart(t *testing.T) {
	ls := NewLeases(begin, 3)
	l := ls.Keep("b", Flow, 6000, 600, time.Hour)
	grant(ls, l, begin, Grant{Hold: 0, Level: 0, Part: 250_000})
	lost := begin.Add(LostAfter + time.Millisecond)
	if l.Check(begin.Add(LostAfter/2), 1) == 0 {
		t.Fatal("fills by itself while it is only late")
	}
	// 6000 a minute are 100 a second, a quarter of which is 15 in 601 ms.
	for range 15 {
		if l.Check(lost, 1) != 0 {
			t.Fatal("refused what its part has filled since it was last heard")
		}
		l.Take(1)
	}
	if l.Check(lost, 1) == 0 {
		t.Fatal("more than its part")
	}
	later := lost.Add(time.Hour)
	used := 0
	for l.Check(later, 1) == 0 {
		l.Take(1)
		used++
	}
	if used != 150 {
		t.Fatalf("%d saved up, want a quarter of the burst", used)
	}
}

func TestWithoutItsKeeperALimitOfOneRequestStillLetsOneIn(t *testing.T) {
	ls := NewLeases(begin, 3)
	flow, gauge := ls.Keep("f", Flow, 1, 1, time.Hour), ls.Keep("g", Gauge, 0, 1, time.Hour)
	lost := begin.Add(time.Second)
	for name, l := range map[string]*Lease{"flow": flow, "gauge": gauge} {
		if l.Check(lost, 1) != 0 {
			t.Errorf("%s locks everybody out", name)
		}
	}
}

func TestADroppedLeaseIsGivenBackAndForgotten(t *testing.T) {
	ls := NewLeases(begin, 1)
	l := ls.Keep("b", Gauge, 0, 10, time.Hour)
	grant(ls, l, begin, Grant{Hold: 5, Level: 10})
	l.Take(1)
	ls.Drop(l)
	if a := grant(ls, l, begin.Add(time.Second), Grant{Hold: 1, Level: 10}); a.Want != -1 || a.Floor != 1 {
		t.Fatalf("%+v", a)
	}
	if ls.all["b"] == nil {
		t.Fatal("forgotten while a request of it is in flight")
	}
	l.Back(1)
	grant(ls, l, begin.Add(2*time.Second), Grant{Level: 10})
	if ls.all["b"] != nil {
		t.Fatal("kept for ever")
	}
}

func BenchmarkReserveWithAndWithoutLeases(b *testing.B) {
	for _, shared := range []bool{false, true} {
		name := "local"
		if shared {
			name = "shared"
		}
		b.Run(name, func(b *testing.B) {
			m := New(map[Scope]Limits{{Tenant: "demo"}: {
				RequestsPerMinute: 1e9, TokensPerMinute: 1e9, MaxConcurrent: 1e6, Budget: Budget{TokensPerDay: 1e15, MoneyPerMonth: 1e15},
			}})
			if shared {
				ls := NewLeases(begin, 1)
				m.ShareLeases(begin, ls)
				for shard := range LeaseShards {
					for _, a := range ls.Asks(begin, shard, nil, 100, true) {
						ls.Granted(begin, a, Grant{Hold: a.Burst / 2, Level: a.Burst, Settled: true})
					}
				}
			}
			who := Who{Tenant: "demo", Key: "k", Model: "m"}
			now := begin
			b.ReportAllocs()
			for b.Loop() {
				r, refusal := m.Reserve(now, who, Spent{Tokens: 1, Cost: 1})
				if refusal != nil {
					b.Fatal(refusal)
				}
				m.Settle(now, r, Spent{Tokens: 1, Cost: 1})
				now++
			}
		})
	}
}
