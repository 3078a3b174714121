package meter

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// Promises of the package's doc comments.

// leased returns a lease of a window with that grant and credit.
func leased(hold, credit, level int64, gateways int) (*Leases, *Lease) {
	ls := NewLeases(begin, gateways)
	l := ls.Keep("tenant=demo|tokens_per_day", Window, 0, 1000, time.Hour)
	for _, a := range ls.Asks(begin, l.shard, nil, 10, true) {
		ls.Granted(begin, a, Grant{Hold: hold, Credit: credit, Level: level, Settled: true})
	}
	ls.Contact(begin, l.shard, gateways, true)
	return ls, l
}

// "a gateway may overdraw by one request between two grants, up to the granted
// credit": credit that was used and returned is not available again.
func TestCreditIsDrawnOnceBetweenTwoGrants(t *testing.T) {
	ls, l := leased(5, 5, 500, 1)
	if l.Check(begin, 11) == 0 {
		t.Fatal("more than lease and credit")
	}
	if l.Check(begin, 10) != 0 {
		t.Fatal("lease and credit together")
	}
	l.Take(10)
	l.Back(10)
	if l.Check(begin, 6) == 0 {
		t.Error("the credit is drawn on a second time")
	}
	if l.Check(begin, 5) != 0 {
		t.Error("what the lease is worth was given back")
	}
	for _, a := range ls.Asks(begin, l.shard, nil, 10, true) {
		ls.Granted(begin, a, Grant{Hold: 5, Credit: 5, Level: 500, Settled: true})
	}
	if l.Check(begin, 10) != 0 {
		t.Error("a grant brings new credit")
	}
}

// "takes back unneeded units, but never those that a request under way has taken":
// however requests begin and end before, during and after visits, and though the
// keeper takes back all it is offered, the keeper is told of each request under
// way, is offered none of their units, and leaves the lease no debt.
func TestTheKeeperNeverTakesBackWhatARequestHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ls := NewLeases(begin, 2)
		keep := func() *Lease { return ls.Keep("g", Gauge, 0, 20, time.Hour) }
		l, now, running := keep(), begin, int64(0)
		var asked []Ask
		acts := map[string]func(*rapid.T){
			"begin": func(*rapid.T) {
				if l = keep(); l.Check(now, 1) == 0 {
					l.Take(1)
					running++
				}
			},
			"end": func(*rapid.T) {
				if running > 0 {
					l.Back(1)
					running--
				}
			},
			"drop": func(*rapid.T) { ls.Drop(l) },
			"ask": func(t *rapid.T) {
				if len(asked) > 0 || l.gone {
					return
				}
				asked = ls.Asks(now, l.shard, nil, 10, true)
				for _, a := range asked {
					if a.lease != l && a.lease.gone {
						continue // dropped, and kept again as another one since
					}
					if a.Floor != running || a.Has-l.offered < running {
						t.Fatalf("%d requests are under way: the keeper hears of %d, and is offered %d of %d", running, a.Floor, l.offered, a.Has)
					}
				}
			},
			"answer": func(t *rapid.T) {
				more := rapid.Int64Range(0, 10).Draw(t, "more")
				for _, a := range asked {
					hold := max(a.Floor, min(a.Has, a.Want)) // as visit.lua of package limits
					ls.Granted(now, a, Grant{Hold: max(hold, min(a.Need, hold+more)), Level: a.Burst, Yield: more == 1, Settled: more > 0})
				}
				asked = nil
			},
			"": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
				ls.Contact(now, l.shard, 2, true)
				if !l.gone && ls.all["g"] != l {
					t.Fatal("the lease is forgotten for one of its name that was dropped before")
				}
				if l.level < 0 || l.inUse != running {
					t.Fatalf("%d requests are under way, of a lease with %d in use and %d left", running, l.inUse, l.level)
				}
			},
		}
		t.Repeat(acts)
	})
}

// "an even part of half of the rest".
func TestAGatewaySparesItsEvenPartOfHalf(t *testing.T) {
	for _, c := range []struct {
		level    int64
		gateways int
		want     int64
	}{{600, 1, 300}, {600, 3, 100}, {601, 3, 100}, {0, 3, 0}, {-50, 2, 0}} {
		_, l := leased(0, 0, c.level, c.gateways)
		l.of.gateways = c.gateways
		if have := l.spare(begin); have != c.want {
			t.Errorf("%d left, %d gateways: %d, want %d", c.level, c.gateways, have, c.want)
		}
		l.pressed = begin
		if l.spare(begin.Add(calm-1)) != 0 || l.spare(begin.Add(calm)) != c.want {
			t.Error("who presses is given way, until it is calm")
		}
	}
}

// A caller that returns at the given time is admitted if no other caller came:
// to the nanosecond where the limit is one gateway's own.
func TestWhoComesBackWhenToldIsLetIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(1, 1_000_000_007).Draw(t, "rate")
		b := bucket{}
		b.configure(begin, rate, rapid.Int64Range(1, rate).Draw(t, "burst"))
		now := begin.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "later")))
		b.refill(now)
		b.take(rapid.Int64Range(0, b.burst).Draw(t, "taken"))
		now = now.Add(time.Duration(rapid.Int64Range(0, 1e9).Draw(t, "more")))
		n := rapid.Int64Range(1, b.burst).Draw(t, "n")
		wait := b.wait(now, n)
		if wait == 0 {
			return
		}
		early, late := b, b
		if early.wait(now.Add(wait-1), n) == 0 {
			t.Fatalf("%v is longer than needed", wait)
		}
		if more := late.wait(now.Add(wait), n); more != 0 || late.level < n {
			t.Fatalf("after %v there are %d of %d, and it is told to wait %v more", wait, late.level, n, more)
		}
	})
}

// The same for a lease whose keeper is silent.
func TestWhoComesBackToALeaseWhenToldIsLetIn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.Int64Range(60, 100_000).Draw(t, "rate")
		ls := NewLeases(begin, rapid.IntRange(1, 5).Draw(t, "gateways"))
		l := ls.Keep("tenant=demo|tokens_per_minute", Flow, rate, rate, time.Hour)
		now := begin.Add(LostAfter + 1) // never heard: the lease continues by itself
		n := rapid.Int64Range(1, max(rate/10, 1)).Draw(t, "n")
		if l.Check(now, n) == 0 {
			l.Take(n)
		}
		l.More(max(l.level, 0))
		wait := l.Check(now, n)
		if wait == 0 {
			return
		}
		if more := l.Check(now.Add(wait), n); more != 0 {
			t.Fatalf("%d at %d a minute: after %v it is told to wait %v more", n, rate, wait, more)
		}
	})
}

// Sums of tokens and money stay inside their range, however often a reservation
// is topped up.
func TestTopUpsAreBoundedInTokensAndMoney(t *testing.T) {
	s := Scope{Tenant: "demo"}
	m := New(map[Scope]Limits{s: {Budget: Budget{MoneyPerDay: 1, TokensPerDay: 1}}})
	for _, more := range []Spent{{Tokens: 1 << 62}, {Cost: 1 << 62}, {Tokens: maxTokens, Cost: maxTokens}} {
		r, refusal := m.Reserve(noon, demo, Spent{})
		if refusal != nil {
			t.Fatal(refusal)
		}
		for range 5 {
			m.TopUp(noon, r, more)
		}
		if c := m.of(r).claim; c.Likely.Tokens > maxTokens || c.Likely.Cost > weir.Money(maxTokens) || m.accounts[s].purse.held.Cost > maxTokens || m.accounts[s].purse.held.Tokens > maxTokens {
			t.Errorf("%+v, held %+v", c, m.accounts[s].purse.held)
		}
		m.Release(noon, r)
		if held := m.accounts[s].purse.held; held != (Spent{}) {
			t.Errorf("%+v is held by nobody", held)
		}
	}
}
