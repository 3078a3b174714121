package meter

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

func TestScopesHaveNamesThatStay(t *testing.T) {
	for want, s := range map[string]Scope{
		"all":                {},
		"tenant=demo":        {Tenant: "demo"},
		"tenant=demo,key=ci": {Tenant: "demo", Key: "ci"},
		"model=gpt-4o":       {Model: "gpt-4o"},
		"class=batch":        {Class: "batch"},
		"tenant=a%2Cb%3D%25": {Tenant: "a,b=%"},
		"tenant=demo,key=ci,model=org/m:1,class=interactive": {Tenant: "demo", Key: "ci", Model: "org/m:1", Class: "interactive"},
	} {
		if s.String() != want {
			t.Errorf("%+v is %q, want %q", s, s.String(), want)
		}
	}
}

func TestDifferentScopesHaveDifferentNames(t *testing.T) {
	word := rapid.StringMatching(`[ab=,%]{0,4}`)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(n string) Scope {
			return Scope{word.Draw(t, n), word.Draw(t, n), word.Draw(t, n), word.Draw(t, n)}
		}
		a, b := draw("a"), draw("b")
		if (a == b) != (a.String() == b.String()) {
			t.Fatalf("%#v and %#v are %q and %q", a, b, a, b)
		}
	})
}

// everybody is a request that every kind of scope counts.
var everybody = Who{Tenant: "demo", Key: "ci", Model: "gpt", Class: weir.Batch}

// all are the scopes that count it, and the words for them.
var all = map[Scope]string{
	{}:                               "all requests",
	{Class: "batch"}:                 "class batch",
	{Model: "gpt"}:                   "model gpt",
	{Model: "gpt", Class: "batch"}:   "model gpt, class batch",
	{Tenant: "demo"}:                 "tenant demo",
	{Tenant: "demo", Class: "batch"}: "tenant demo, class batch",
	{Tenant: "demo", Model: "gpt"}:   "tenant demo on model gpt",
	{Tenant: "demo", Model: "gpt", Class: "batch"}:            "tenant demo on model gpt, class batch",
	{Tenant: "demo", Key: "ci"}:                               "key demo/ci",
	{Tenant: "demo", Key: "ci", Class: "batch"}:               "key demo/ci, class batch",
	{Tenant: "demo", Key: "ci", Model: "gpt"}:                 "key demo/ci on model gpt",
	{Tenant: "demo", Key: "ci", Model: "gpt", Class: "batch"}: "key demo/ci on model gpt, class batch",
}

func TestEveryScopeRefusesWhatItCountsAndNothingElse(t *testing.T) {
	for s, words := range all {
		m := New(map[Scope]Limits{s: {RequestsPerMinute: 1}})
		if _, r := m.Reserve(t0, everybody, Spent{}); r != nil {
			t.Fatal(r)
		}
		_, r := m.Reserve(t0, everybody, Spent{})
		if r == nil || r.Scope != s || r.Limit != "requests_per_minute of "+words || r.RetryAfter != time.Minute {
			t.Errorf("%v: %+v", s, r)
		}
		for _, other := range []struct {
			who     Who
			counted bool
		}{
			{Who{"other", "ci", "gpt", weir.Batch}, s.Tenant == ""},
			{Who{"demo", "web", "gpt", weir.Batch}, s.Key == ""},
			{Who{"demo", "ci", "mini", weir.Batch}, s.Model == ""},
			{Who{"demo", "ci", "gpt", weir.Interactive}, s.Class == ""},
		} {
			if _, r := m.Reserve(t0, other.who, Spent{}); (r != nil) != other.counted {
				t.Errorf("%v counts %+v: %v, want %v", s, other.who, r, other.counted)
			}
		}
	}
}

// If one limit refuses, all others are unchanged.
func TestARefusalTakesNothingAnywhere(t *testing.T) {
	for short := range all {
		limits := map[Scope]Limits{}
		for s := range all {
			limits[s] = Limits{RequestsPerMinute: 100, TokensPerMinute: 1000, MaxConcurrent: 10, Budget: Budget{TokensPerDay: 1000, MoneyPerMonth: 1000}}
		}
		limits[short] = Limits{TokensPerMinute: 10}
		m := New(limits)
		if _, r := m.Reserve(t0, everybody, Spent{Tokens: 11, Cost: 5}); r == nil || r.Scope != short {
			t.Fatalf("%v: %+v", short, r)
		}
		for s, a := range m.accounts {
			if a.inFlight != 0 || a.purse.held != (Spent{}) || s != short && (a.tokens.level != 1000 || a.requests.level != 100) {
				t.Errorf("%v refused and %v is %+v", short, s, a)
			}
		}
	}
}

func TestAModelThatServesForAnotherIsCountedToo(t *testing.T) {
	asked, serving, tenant := Scope{Model: "gpt"}, Scope{Tenant: "demo", Model: "mini"}, Scope{Tenant: "demo"}
	each := Limits{TokensPerMinute: 1000, MaxConcurrent: 1, Budget: Budget{TokensPerDay: 10_000}}
	m := New(map[Scope]Limits{asked: each, serving: each, tenant: each})
	r, _ := m.Reserve(t0, everybody, Spent{Tokens: 100})
	again, refusal := m.Serve(t0, r, everybody, "mini", likely(Spent{}))
	if refusal != nil || again != r {
		t.Fatal(refusal)
	}
	if again, refusal = m.Serve(t0, r, everybody, "mini", likely(Spent{})); refusal != nil || again != r {
		t.Fatal("it is counted for the same model twice:", refusal)
	}
	m.Settle(t0, r, Spent{Tokens: 150})
	for _, s := range []Scope{asked, serving, tenant} {
		day, _ := m.Used(t0, s)
		if a := m.accounts[s]; day.Tokens != 150 || a.tokens.level != 850 || a.inFlight != 0 || a.purse.held != (Spent{}) {
			t.Errorf("%v: %d used, %+v", s, day.Tokens, a)
		}
	}
}

func TestAModelThatHasNoRoomDoesNotServeForAnother(t *testing.T) {
	m := New(map[Scope]Limits{{Model: "mini"}: {MaxConcurrent: 1}, {Model: "gpt"}: {MaxConcurrent: 5}, {Model: "nano"}: {MaxConcurrent: 1}})
	m.Reserve(t0, Who{Model: "mini"}, Spent{})
	r, _ := m.Reserve(t0, everybody, Spent{})
	if _, refusal := m.Serve(t0, r, everybody, "mini", likely(Spent{})); refusal == nil || refusal.Limit != "max_concurrent of model mini" {
		t.Fatal(refusal)
	}
	// It went to a third model and back to its own: each returns its units.
	for _, model := range []string{"nano", "gpt", "nano", "other"} {
		if _, refusal := m.Serve(t0, r, everybody, model, likely(Spent{})); refusal != nil {
			t.Fatal(model, refusal)
		}
	}
	if n := m.accounts[Scope{Model: "nano"}].inFlight; n != 0 {
		t.Errorf("nano serves %d", n)
	}
	m.Release(t0, r)
	if m.Open() != 1 {
		t.Error(m.Open())
	}
}

func TestWhatNothingCountedIsCountedByTheModelThatServes(t *testing.T) {
	m := New(map[Scope]Limits{{Model: "mini"}: {TokensPerMinute: 1000}})
	r, _ := m.Reserve(t0, everybody, Spent{Tokens: 10})
	if r != (Reservation{}) {
		t.Fatal("nothing counts it")
	}
	r, refusal := m.Serve(t0, r, everybody, "mini", likely(Spent{Tokens: 10}))
	if refusal != nil {
		t.Fatal(refusal)
	}
	m.Settle(t0, r, Spent{Tokens: 300})
	if level := m.accounts[Scope{Model: "mini"}].tokens.level; level != 700 {
		t.Error(level)
	}
}

func TestAnAnswerThatOutgrowsItsReservationIsToppedUp(t *testing.T) {
	s := Scope{Tenant: "demo"}
	m := New(map[Scope]Limits{s: {TokensPerMinute: 1000, Budget: Budget{TokensPerDay: 500}}})
	r, _ := m.Reserve(t0, everybody, Spent{Tokens: 300})
	if refusal := m.TopUp(t0, r, Spent{Tokens: 400}); refusal != nil {
		t.Fatal("without Cut every answer may be finished:", refusal)
	}
	// A new request sees the debt, not the first estimate.
	if _, refusal := m.Reserve(t0, everybody, Spent{Tokens: 310}); refusal == nil || refusal.Kind != Tokens && refusal.Kind != TokensDay {
		t.Fatal(refusal)
	}
	m.Settle(t0, r, Spent{Tokens: 350})
	if a := m.accounts[s]; a.tokens.level != 650 || a.purse.held != (Spent{}) || a.purse.day.used.Tokens != 350 {
		t.Errorf("%+v", a)
	}
	if m.TopUp(t0, r, Spent{Tokens: 1 << 50}) != nil || m.accounts[s].tokens.level != 650 {
		t.Error("a closed reservation is topped up")
	}
}

func TestABudgetThatCutsSaysWhenItIsUsedUp(t *testing.T) {
	m := New(map[Scope]Limits{
		{Tenant: "demo"}: {Budget: Budget{TokensPerDay: 100}},
		{Model: "gpt"}:   {Budget: Budget{MoneyPerMonth: 1000, Cut: true}},
	})
	r, _ := m.Reserve(t0, everybody, Spent{Tokens: 90, Cost: 900})
	if refusal := m.TopUp(t0, r, Spent{Tokens: 50, Cost: 100}); refusal != nil {
		t.Fatal("1,000 of 1,000 are used:", refusal)
	}
	if refusal := m.TopUp(t0, r, Spent{Cost: 1}); refusal == nil || refusal.Kind != MoneyMonth || refusal.Scope != (Scope{Model: "gpt"}) {
		t.Fatalf("%+v", refusal)
	}
	m.Release(t0, r)
	if m.Open() != 0 {
		t.Error(m.Open())
	}
}

// BenchmarkReserve is the cost of one request by the number of scopes that
// count it, each with all kinds of limits.
func BenchmarkReserve(b *testing.B) {
	full := Limits{RequestsPerMinute: 1 << 40, TokensPerMinute: 1 << 40, MaxConcurrent: 1 << 20,
		Budget: Budget{TokensPerDay: 1 << 50, TokensPerMonth: 1 << 50, MoneyPerDay: 1 << 50, MoneyPerMonth: 1 << 50}}
	var scopes []Scope
	everybody.scopes(func(s Scope) { scopes = append(scopes, s) })
	for _, n := range []int{0, 1, 2, 4, 8, 12} {
		limits := map[Scope]Limits{{Tenant: "another"}: full}
		for _, s := range scopes[:n] {
			limits[s] = full
		}
		b.Run(fmt.Sprintf("scopes=%d", n), func(b *testing.B) {
			m, now := New(limits), t0
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(time.Microsecond)
				r, _ := m.Reserve(now, everybody, Spent{Tokens: 1500, Cost: 300})
				m.Settle(now, r, Spent{Tokens: 900, Cost: 200})
			}
		})
	}
}
