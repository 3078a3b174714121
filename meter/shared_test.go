package meter

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// lavish grants every lease all it could want.
func lavish(ls *Leases, now weir.Instant) {
	for shard := range LeaseShards {
		for _, a := range ls.Asks(now, shard, nil, 1000, true) {
			ls.Granted(now, a, Grant{Hold: a.Floor + a.Burst/2, Level: a.Burst, Settled: true})
		}
		ls.Contact(now, shard, 1, true)
	}
}

// Requests are admitted, topped up, served by other models, settled and
// released in any order, with limits added and removed meanwhile. At the end
// nothing is in use, and the leases' use is the real use.
func TestLeasesAreSettledWithWhatWasUsed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := Scope{}
		own := Scope{Tenant: "demo", Model: "m"}
		wide := Limits{RequestsPerMinute: 1e6, TokensPerMinute: 1e9, MaxConcurrent: 1e5, Budget: Budget{TokensPerDay: 1e12, MoneyPerMonth: 1e12}}
		m := New(map[Scope]Limits{all: wide, own: wide})
		ls := NewLeases(begin, 1)
		m.ShareLeases(begin, ls)
		lavish(ls, begin)
		now := begin
		who := Who{Tenant: "demo", Key: "k", Model: "m"}
		var open []Reservation
		var used Spent
		requests := int64(0)
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "ms")) * time.Millisecond)
			spent := Spent{rapid.Int64Range(0, 5000).Draw(t, "tokens"), weir.Money(rapid.Int64Range(0, 5000).Draw(t, "cost"))}
			i := 0
			if len(open) > 0 {
				i = rapid.IntRange(0, len(open)-1).Draw(t, "which")
			}
			do := rapid.SampledFrom([]string{"reserve", "reserve", "top up", "serve", "settle", "release", "visit"}).Draw(t, "do")
			switch {
			case do == "reserve":
				r, refusal := m.Reserve(now, who, spent)
				if refusal != nil {
					t.Fatal(refusal)
				}
				open, requests = append(open, r), requests+1
			case do == "visit":
				lavish(ls, now)
			case len(open) == 0:
			case do == "top up":
				m.TopUp(now, open[i], spent)
			case do == "serve":
				m.Serve(now, open[i], who, "other", likely(spent))
			default:
				if do == "settle" {
					m.Settle(now, open[i], spent)
					used.add(spent)
				} else {
					m.Release(now, open[i])
					requests--
				}
				open = append(open[:i], open[i+1:]...)
			}
		}
		for _, r := range open {
			m.Release(now, r)
			requests--
		}
		for _, s := range []Scope{all, own} {
			l := &m.accounts[s].shared.leases
			have := [...]int64{l[ofConcurrent].inUse, l[ofRequests].total, l[ofTokens].total, l[ofTokensDay].total, l[ofMoneyMonth].total}
			want := [...]int64{0, requests, used.Tokens, used.Tokens, int64(used.Cost)}
			if have != want {
				t.Fatalf("%v: in use, requests, tokens, of the day, money of the month: have %v, want %v", s, have, want)
			}
		}
	})
}

func TestAtMidnightTheNextDaysBudgetIsDrawnOn(t *testing.T) {
	_, month := Calendar(begin)
	now := month.Add(24*time.Hour - time.Second)
	tenant := Scope{Tenant: "demo"}
	m := New(map[Scope]Limits{tenant: {Budget: Budget{TokensPerDay: 1000, TokensPerMonth: 5000}}})
	ls := NewLeases(now, 1)
	m.ShareLeases(now, ls)
	m.Restore(now, tenant, Spent{Tokens: 300}, Spent{Tokens: 400})
	asks := map[string]Ask{}
	for shard := range LeaseShards {
		for _, a := range ls.Asks(now, shard, nil, 10, true) {
			asks[a.Name] = a
			ls.Granted(now, a, Grant{Hold: a.Seen, Level: a.Seen, Settled: true})
		}
		ls.Contact(now, shard, 1, true)
	}
	day := m.accounts[tenant].shared.leases[ofTokensDay]
	if a := asks[day.name]; !a.Known || a.Seen != 700 {
		t.Fatalf("the keeper is not told what the ledger knows: %+v", a)
	}
	r, refusal := m.Reserve(now, Who{Tenant: "demo"}, Spent{Tokens: 500})
	if refusal != nil {
		t.Fatal(refusal)
	}
	now = now.Add(2 * time.Second)
	m.Settle(now, r, Spent{Tokens: 450})
	next := m.accounts[tenant].shared.leases[ofTokensDay]
	this := m.accounts[tenant].shared.leases[ofTokensMonth]
	if next == day || !day.dead || day.total != 0 || next.total != 450 || this.total != 450 {
		t.Fatalf("yesterday's %d, today's %d, the month's %d; want 0, 450, 450", day.total, next.total, this.total)
	}
}

func TestALimitThatComesWhileARequestRunsIsNotSettledByIt(t *testing.T) {
	tenant := Scope{Tenant: "demo"}
	m := New(map[Scope]Limits{tenant: {RequestsPerMinute: 100}})
	ls := NewLeases(begin, 1)
	m.ShareLeases(begin, ls)
	lavish(ls, begin)
	r, refusal := m.Reserve(begin, Who{Tenant: "demo"}, Spent{})
	if refusal != nil {
		t.Fatal(refusal)
	}
	m.Configure(begin, map[Scope]Limits{tenant: {RequestsPerMinute: 100, MaxConcurrent: 5, TokensPerMinute: 1000}})
	m.Settle(begin, r, Spent{Tokens: 70})
	l := &m.accounts[tenant].shared.leases
	if l[ofConcurrent].inUse != 0 || l[ofTokens].total != 0 || l[ofRequests].total != 1 {
		t.Errorf("%d in use, %d tokens, %d requests", l[ofConcurrent].inUse, l[ofTokens].total, l[ofRequests].total)
	}
	gone := l[ofRequests]
	m.Configure(begin, nil)
	if !gone.dead {
		t.Error("a limit that is gone is kept")
	}
}
