package meter

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// noon of the 30th of January 2026, UTC.
var noon = weir.At(time.Date(2026, 1, 30, 12, 0, 0, 0, time.UTC))

func budgetOf(b Budget) *Meter { return newMeter(map[string]Limits{"demo": {Budget: b}}) }

var (
	demo      = Who{Tenant: "demo", Key: "ci"}
	demoScope = Scope{Tenant: "demo"}
)

func TestABudgetIsOfTheCalendarsDayAndMonth(t *testing.T) {
	b := budgetOf(Budget{TokensPerDay: 1000, TokensPerMonth: 1500})
	f := func(at weir.Instant, tokens int64, want Kind, after time.Duration) {
		t.Helper()
		h, r := b.Reserve(at, demo, Spent{Tokens: tokens})
		switch {
		case want == "" && r != nil:
			t.Error(r)
		case want == "":
			b.Settle(at, h, Spent{Tokens: tokens})
		case r == nil || r.Kind != want || r.RetryAfter != after:
			t.Errorf("%+v, want %s after %v", r, want, after)
		}
	}
	f(noon, 1000, "", 0)
	f(noon, 1, TokensDay, 12*time.Hour)
	f(noon.Add(12*time.Hour-1), 1, TokensDay, 1)
	f(noon.Add(12*time.Hour), 400, "", 0)                     // the 31st
	f(noon.Add(13*time.Hour), 200, TokensMonth, 23*time.Hour) // 1,400 are used: until February
	f(noon.Add(36*time.Hour), 1000, "", 0)
}

func TestMoneyIsSettledWithWhatItCost(t *testing.T) {
	b := budgetOf(Budget{MoneyPerDay: weir.Dollar})
	h, r := b.Reserve(noon, demo, Spent{Cost: weir.Dollar / 2})
	if r != nil {
		t.Fatal(r)
	}
	// Another one that fits only if the first is cheaper than expected: soon.
	if _, r := b.Reserve(noon, demo, Spent{Cost: weir.Dollar * 3 / 4}); r == nil || r.Kind != MoneyDay || r.RetryAfter != time.Second {
		t.Errorf("%+v", r)
	}
	b.Settle(noon, h, Spent{Cost: weir.Dollar / 100})
	h, r = b.Reserve(noon, demo, Spent{Cost: weir.Dollar * 3 / 4})
	if r != nil {
		t.Fatal(r)
	}
	b.Settle(noon, h, Spent{Cost: 2 * weir.Dollar}) // more expensive than expected
	_, r = b.Reserve(noon, demo, Spent{})
	if r == nil || r.RetryAfter != 12*time.Hour || !strings.Contains(r.Error(), "money_per_day of tenant demo allows $1.00, of which $2.01 are spent or reserved") {
		t.Errorf("%+v", r)
	}
}

func TestAnEstimateAloneRefusesNobodyForGood(t *testing.T) {
	b := budgetOf(Budget{TokensPerDay: 100})
	h, r := b.Reserve(noon, demo, Spent{Tokens: 5000})
	if r != nil {
		t.Fatal(r)
	}
	b.Settle(noon, h, Spent{Tokens: 10})
	if day, _ := b.Used(noon, demoScope); day.Tokens != 10 {
		t.Error(day)
	}
}

func TestWhatTheLedgerKnowsIsNotForgottenNorCountedTwice(t *testing.T) {
	b := budgetOf(Budget{TokensPerDay: 1000, MoneyPerMonth: weir.Dollar})
	b.Restore(noon, demoScope, Spent{Tokens: 900}, Spent{Tokens: 900, Cost: weir.Dollar / 2})
	b.Restore(noon, demoScope, Spent{Tokens: 800}, Spent{Tokens: 900, Cost: weir.Dollar / 2})
	b.Restore(noon, Scope{Tenant: "stranger"}, Spent{Tokens: 800}, Spent{})
	if day, month := b.Used(noon, demoScope); day.Tokens != 900 || month.Cost != weir.Dollar/2 {
		t.Error(day, month)
	}
	b.Configure(noon, scoped(map[string]Limits{"demo": {Budget: Budget{TokensPerDay: 2000}}}))
	if day, _ := b.Used(noon, demoScope); day.Tokens != 900 {
		t.Error("a new configuration forgets what is used:", day)
	}
	if _, r := b.Reserve(noon, Who{Tenant: "stranger"}, Spent{Tokens: 1 << 50}); r != nil {
		t.Error("a tenant without a budget is bounded:", r)
	}
}

// In any sequence, the admitted use in a day is at most the budget plus the
// underestimates, and without requests in flight nothing is held.
func TestABudgetIsNotOverrunByWhatRunsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Int64Range(1, 10_000).Draw(t, "limit")
		b := budgetOf(Budget{TokensPerDay: limit})
		type open struct {
			h      Reservation
			likely int64
		}
		var inFlight []open
		var used, under int64
		now := noon
		for range rapid.IntRange(1, 200).Draw(t, "events") {
			now = now.Add(time.Minute)
			if now >= noon.Add(12*time.Hour) {
				break
			}
			if rapid.Bool().Draw(t, "arrives") || len(inFlight) == 0 {
				likely := rapid.Int64Range(0, 2000).Draw(t, "likely")
				if h, r := b.Reserve(now, demo, Spent{Tokens: likely}); r == nil {
					inFlight = append(inFlight, open{h, likely})
				}
				continue
			}
			o := inFlight[0]
			inFlight = inFlight[1:]
			n := rapid.Int64Range(0, 2000).Draw(t, "used")
			b.Settle(now, o.h, Spent{Tokens: n})
			used += n
			under += max(n-min(o.likely, limit), 0)
		}
		if used > limit+under {
			t.Fatalf("%d were used of %d, with %d more than reserved", used, limit, under)
		}
		for _, o := range inFlight {
			b.Settle(now, o.h, Spent{})
		}
		if held := b.accounts[demoScope].purse.held; held != (Spent{}) {
			t.Fatalf("%+v is held for nobody", held)
		}
	})
}
