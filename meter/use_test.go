package meter

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"weir"
)

func TestHowMuchOfEachLimitIsUsed(t *testing.T) {
	m := New(map[Scope]Limits{
		{Tenant: "demo"}: {RequestsPerMinute: 10, TokensPerMinute: 1000, MaxConcurrent: 4, Budget: Budget{TokensPerDay: 2000, MoneyPerMonth: weir.Dollar}},
		{Model: "m"}:     {TokensPerMinute: 100},
	})
	r, refusal := m.Reserve(noon, Who{Tenant: "demo", Model: "other"}, Spent{Tokens: 500, Cost: weir.Dollar / 2})
	if refusal != nil {
		t.Fatal(refusal)
	}
	said := func(at weir.Instant, most int) string {
		var b strings.Builder
		for _, u := range MostUsed(m.Uses(at, nil), most) {
			fmt.Fprintf(&b, "%s %s %.3f\n", u.Scope, u.Kind, u.Ratio)
		}
		return b.String()
	}
	want := "model=m tokens_per_minute 0.000\n" +
		"tenant=demo max_concurrent 0.250\ntenant=demo money_per_month 0.000\ntenant=demo requests_per_minute 0.100\ntenant=demo tokens_per_day 0.000\ntenant=demo tokens_per_minute 0.500\n"
	if have := said(noon, 100); have != want {
		t.Errorf("%s", have)
	}
	m.Settle(noon, r, Spent{Tokens: 1500, Cost: weir.Dollar * 3 / 2})
	if have, want := said(noon, 3), "tenant=demo money_per_month 1.500\ntenant=demo tokens_per_day 0.750\ntenant=demo tokens_per_minute 1.500\n"; have != want {
		t.Errorf("the three that are used most:\n%s", have)
	}
	if have := said(noon.Add(24*time.Hour), 1); have != "tenant=demo money_per_month 1.500\n" {
		t.Errorf("of another day:\n%s", have)
	}
	ls := NewLeases(noon, 1)
	shared := New(map[Scope]Limits{{Tenant: "demo"}: {TokensPerMinute: 1000, Budget: Budget{TokensPerDay: 1000}}})
	shared.ShareLeases(noon, ls)
	m = shared
	if have := said(noon, 9); have != "tenant=demo tokens_per_day 0.000\ntenant=demo tokens_per_minute 0.000\n" {
		t.Errorf("shared:\n%s", have)
	}
}
