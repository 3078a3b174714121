package meter

import (
	"testing"
	"time"
)

func TestWhoKnocksIsCountedWithThoseInFlight(t *testing.T) {
	m := New(map[Scope]Limits{{Tenant: "t", Key: "k"}: {MaxConcurrent: 3}, {Tenant: "t", Class: "interactive"}: {MaxConcurrent: 1}, {Model: "gpt"}: {MaxConcurrent: 1}})
	who := Who{Tenant: "t", Key: "k", Model: "gpt"}
	r, _ := m.Reserve(t0, who, Spent{})
	first, refusal := m.Knock(t0, who)
	if refusal != nil {
		t.Fatal(refusal)
	}
	second, refusal := m.Knock(t0, who)
	if refusal != nil {
		t.Fatal(refusal)
	}
	if _, refusal = m.Knock(t0, who); refusal == nil || refusal.Limit != "max_concurrent of key t/k" || refusal.Value != 4 {
		t.Fatal(refusal)
	}
	if _, refusal = m.Knock(t0, Who{Tenant: "t", Key: "other"}); refusal != nil {
		t.Error(refusal)
	}
	m.Leave(first)
	if _, refusal = m.Knock(t0, who); refusal != nil {
		t.Error(refusal)
	}
	m.Leave(second)
	m.Settle(t0, r, Spent{})
	m.Leave(Knock{})
}

func TestWhoKnocksFindsTheRequestsOfTheMinuteUsedUp(t *testing.T) {
	m := New(map[Scope]Limits{{Tenant: "t"}: {RequestsPerMinute: 60, Burst: 2 * time.Second}})
	who := Who{Tenant: "t", Key: "k"}
	a, _ := m.Knock(t0, who)
	b, refusal := m.Knock(t0, who)
	if refusal != nil {
		t.Fatal(refusal)
	}
	m.Leave(a)
	m.Leave(b)
	for range 2 {
		m.Reserve(t0, who, Spent{})
	}
	if _, refusal = m.Knock(t0, who); refusal == nil || refusal.Kind != Requests || refusal.RetryAfter != time.Second {
		t.Errorf("%+v", refusal)
	}
	if _, refusal = m.Knock(t0.Add(time.Second), who); refusal != nil {
		t.Error(refusal)
	}
}
