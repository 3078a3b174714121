package meter

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// promise admits a request that may use most, as the gateway does: its bound is
// lowered to its share, but not below least.
func promise(m *Meter, now weir.Instant, who Who, use, most, least Spent) (Reservation, Spent, *Refusal) {
	bound := m.Share(now, who, use, most)
	bound.Tokens, bound.Cost = max(bound.Tokens, least.Tokens), max(bound.Cost, least.Cost)
	use.Tokens, use.Cost = min(use.Tokens, bound.Tokens), min(use.Cost, bound.Cost)
	r, refusal := m.Claim(now, who, Claim{Likely: use, Bound: bound, Held: bound})
	return r, bound, refusal
}

// Requests arrive, are topped up and end in any order, each with any use up to
// its allowance. No budget of any scope is overrun by more than one of them.
func TestABudgetIsNeverOverrunByMoreThanOneRequest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		budget := func() Budget {
			return Budget{
				TokensPerDay: rapid.Int64Range(0, 20_000).Draw(t, "day"), TokensPerMonth: rapid.Int64Range(0, 40_000).Draw(t, "month"),
				MoneyPerDay: weir.Money(rapid.Int64Range(0, 30_000).Draw(t, "money")), Cut: rapid.Bool().Draw(t, "cut"), Whole: rapid.Bool().Draw(t, "whole"),
			}
		}
		limits := map[Scope]Limits{}
		for _, s := range []Scope{{}, {Tenant: "demo"}, {Tenant: "demo", Key: "a"}, {Model: "m"}, {Class: "batch"}} {
			limits[s] = Limits{Budget: budget()}
		}
		m, now := New(limits), noon
		who := []Who{{Tenant: "demo", Key: "a", Model: "m"}, {Tenant: "demo", Key: "b", Model: "m", Class: weir.Batch}, {Tenant: "other", Model: "n"}}
		type flying struct {
			r     Reservation
			bound Spent
		}
		var open []flying
		most := Spent{}
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "ms")) * time.Millisecond)
			if len(open) == 0 || rapid.IntRange(0, 3).Draw(t, "do") > 0 {
				use := Spent{rapid.Int64Range(0, 300).Draw(t, "likely"), weir.Money(rapid.Int64Range(0, 300).Draw(t, "cost"))}
				may := Spent{use.Tokens + rapid.Int64Range(0, 100_000).Draw(t, "most"), use.Cost + weir.Money(rapid.Int64Range(0, 100_000).Draw(t, "dearest"))}
				least := Spent{min(use.Tokens, 16), min(use.Cost, 16)}
				r, bound, refusal := promise(m, now, rapid.SampledFrom(who).Draw(t, "who"), use, may, least)
				if refusal != nil {
					continue
				}
				open, most = append(open, flying{r, bound}), Spent{max(most.Tokens, bound.Tokens), max(most.Cost, bound.Cost)}
				continue
			}
			i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
			f := open[i]
			m.TopUp(now, f.r, Spent{Tokens: rapid.Int64Range(0, max(f.bound.Tokens, 1)).Draw(t, "more")})
			m.Settle(now, f.r, Spent{rapid.Int64Range(0, f.bound.Tokens).Draw(t, "used"), weir.Money(rapid.Int64Range(0, int64(f.bound.Cost)).Draw(t, "paid"))})
			open = append(open[:i], open[i+1:]...)
		}
		for _, f := range open {
			m.Settle(now, f.r, f.bound)
		}
		for s, l := range limits {
			day, month := m.Used(now, s)
			over := func(what string, used, limit, one int64) {
				if limit > 0 && used > limit+one {
					t.Fatalf("%v: %s: %d of %d are used, the largest request was %d", s, what, used, limit, one)
				}
			}
			over("tokens of the day", day.Tokens, l.TokensPerDay, most.Tokens)
			over("tokens of the month", month.Tokens, l.TokensPerMonth, most.Tokens)
			over("money of the day", int64(day.Cost), int64(l.MoneyPerDay), int64(most.Cost))
			if held := m.accounts[s]; held != nil && held.purse.held != (Spent{}) {
				t.Fatalf("%v: %+v is held by nobody", s, held.purse.held)
			}
		}
	})
}

// keeper is the keeper of a shared budget in its simplest form: it grants units
// that no gateway holds.
type keeper struct {
	left  int64
	holds map[*Leases]int64
}

func (k *keeper) visit(now weir.Instant, ls *Leases) {
	for shard := range LeaseShards {
		for _, a := range ls.Asks(now, shard, nil, 100, true) {
			k.left -= a.Total - a.Since
			free := k.left
			for other, held := range k.holds {
				if other != ls {
					free -= held
				}
			}
			k.holds[ls] = max(min(a.Want, free), 0)
			ls.Granted(now, a, Grant{Hold: k.holds[ls], Level: k.left, Settled: true})
		}
		ls.Contact(now, shard, len(k.holds), true)
	}
}

func TestASharedBudgetIsNeverOverrunByMoreThanOneRequestOfEachGateway(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 50_000).Draw(t, "limit")
		k := &keeper{left: limit, holds: map[*Leases]int64{}}
		tenant, now := Scope{Tenant: "demo"}, noon
		type flying struct {
			of    *Meter
			r     Reservation
			bound Spent
		}
		var gateways []*Meter
		for range 3 {
			m, ls := New(map[Scope]Limits{tenant: {Budget: Budget{TokensPerDay: limit}}}), NewLeases(now, 3)
			m.ShareLeases(now, ls)
			k.holds[ls] = 0
			gateways = append(gateways, m)
		}
		var open []flying
		var used, most int64
		for range rapid.IntRange(1, 150).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 50).Draw(t, "ms")) * time.Millisecond)
			m := rapid.SampledFrom(gateways).Draw(t, "gateway")
			switch do := rapid.IntRange(0, 4).Draw(t, "do"); {
			case do == 0:
				k.visit(now, m.Leases())
			case do > 1 || len(open) == 0:
				use := Spent{Tokens: rapid.Int64Range(0, 300).Draw(t, "likely")}
				may := Spent{Tokens: use.Tokens + rapid.Int64Range(0, 100_000).Draw(t, "most")}
				if r, bound, refusal := promise(m, now, demo, use, may, Spent{}); refusal == nil {
					open, most = append(open, flying{m, r, bound}), max(most, bound.Tokens)
				}
			default:
				i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
				f := open[i]
				n := rapid.Int64Range(0, f.bound.Tokens).Draw(t, "used")
				used += n
				f.of.Settle(now, f.r, Spent{Tokens: n})
				open = append(open[:i], open[i+1:]...)
			}
			for _, g := range gateways { // never lost: leases do not continue by themselves
				for shard := range LeaseShards {
					g.Leases().Contact(now, shard, 3, true)
				}
			}
		}
		for _, f := range open {
			used += f.bound.Tokens
		}
		if used > limit+most*int64(len(gateways)) {
			t.Fatalf("%d of %d are used, the largest request was %d", used, limit, most)
		}
	})
}

// A few requests ask for everything, and two thousand set no bound. All but the
// last are served beside each other, from a budget of which they use a fifth.
func TestThousandsAreServedBesideAFewThatAskForEverything(t *testing.T) {
	m := budgetOf(Budget{TokensPerDay: 5_000_000})
	promised := func(use, most int64) bool {
		_, _, refusal := promise(m, noon, demo, Spent{Tokens: use}, Spent{Tokens: most}, Spent{Tokens: min(use, 16)})
		return refusal == nil
	}
	for range 20 {
		if !promised(500, 1_000_000) {
			t.Fatal("one that asks for much is refused, and much is left")
		}
	}
	served := 0
	for range 2000 {
		if promised(500, 131_072) {
			served++
		}
	}
	if served < 1900 {
		t.Errorf("%d of 2000 are served together", served)
	}
	last := budgetOf(Budget{TokensPerDay: 1000})
	h, _ := last.Reserve(noon, demo, Spent{Tokens: 700})
	last.Settle(noon, h, Spent{Tokens: 700})
	if share := last.Share(noon, demo, Spent{Tokens: 20}, Spent{Tokens: 4000}); share.Tokens != 150 {
		t.Errorf("alone near the end a request may use %d", share.Tokens)
	}
	if share := last.Share(noon, demo, Spent{Tokens: 600}, Spent{Tokens: 4000}); share.Tokens != 300 {
		t.Errorf("one that needs more than there is may use %d", share.Tokens)
	}
}

func TestAReservationIsWidenedByWhatIsLeftOnly(t *testing.T) {
	m := budgetOf(Budget{MoneyPerDay: 1000, MoneyPerMonth: 800})
	r, refusal := m.Reserve(noon, demo, Spent{Cost: 300})
	if refusal != nil || m.Left(noon, r).Cost != 800 {
		t.Fatal(refusal, m.Left(noon, r))
	}
	if refusal := m.Widen(noon, r, Spent{Cost: 501}); refusal == nil || refusal.Kind != MoneyMonth || refusal.Value != 300 || refusal.RetryAfter != time.Second {
		t.Errorf("%+v", refusal)
	}
	if refusal := m.Widen(noon, r, Spent{Cost: 500}); refusal != nil || m.Left(noon, r).Cost != 800 {
		t.Error(refusal, m.Left(noon, r))
	}
	if _, refusal := m.Reserve(noon, demo, Spent{Cost: 1}); refusal == nil {
		t.Error("what was widened is promised again")
	}
	m.Settle(noon, r, Spent{Cost: 10})
	if m.Widen(noon, r, Spent{Cost: 1}) != nil || m.Left(noon, r).Cost != maxTokens || m.accounts[demoScope].purse.held != (Spent{}) {
		t.Error("a closed reservation holds nothing")
	}
}

func TestALimitMayTakeTheMostARequestMayUse(t *testing.T) {
	m := newMeter(map[string]Limits{"demo": {TokensPerMinute: 1000, Most: true}})
	if share := m.Share(t0, demo, Spent{Tokens: 20}, Spent{Tokens: 5000}); share.Tokens != 1000 {
		t.Fatal("what never fits the burst is lowered to it", share)
	}
	r, refusal := m.Claim(t0, demo, Claim{Likely: Spent{Tokens: 20}, Bound: Spent{Tokens: 900}, Held: Spent{Tokens: 900}})
	if refusal != nil {
		t.Fatal(refusal)
	}
	if r := mustRefuse(t, m, t0, "demo", "ci", 101); r.RetryAfter != 60*time.Millisecond {
		t.Errorf("%+v: 900 of 1000 are taken", r)
	}
	m.TopUp(t0, r, Spent{Tokens: 500}) // within the bound
	mustReserve(t, m, t0, "demo", "web", 100)
	m.TopUp(t0, r, Spent{Tokens: 500}) // 120 beyond it
	m.Settle(t0, r, Spent{Tokens: 1020})
	if level := m.accounts[demoScope].tokens.level; level != -120 {
		t.Error(level)
	}
}
