package dispatch

import (
	"fmt"
	"testing"
	"time"

	"weir"
)

// crowd makes a Core of that many replicas.
func crowd(o Options, d Deployment, replicas int) *Core {
	d.Name, d.Weight = "d", 1
	o.Deployments = []Deployment{d}
	c := New(o, 1)
	var ids []string
	for i := range replicas {
		ids = append(ids, fmt.Sprint("r", i))
	}
	c.Replicas(epoch, "d", ready(ids...))
	return c
}

// granted is how many of the verdicts are grants.
func granted(vs []Verdict) (n int) {
	for _, v := range vs {
		if v.Kind == Grant {
			n++
		}
	}
	return n
}

func TestWhoHasMoreThanItsShareLeavesTheLastSlotsToOthers(t *testing.T) {
	c := crowd(Options{}, Deployment{MaxRequests: 16}, 2) // 32 slots, two of them left
	c.Arrive(epoch, Request{ID: 1, Tenant: "small", Prompt: 10})
	c.Done(epoch, 1, OK, weir.Usage{})
	large := 0
	for id := uint64(100); id < 200; id++ {
		large += granted(c.Arrive(epoch, Request{ID: id, Tenant: "large", Prompt: 10}))
	}
	if large != 30 {
		t.Errorf("the large tenant has %d slots, want 30", large)
	}
	for id := uint64(2); id < 4; id++ {
		if v := c.Arrive(epoch, Request{ID: id, Tenant: "small", Prompt: 10}); len(v) != 1 || v[0].ID != id {
			t.Errorf("the small tenant waits: %+v", v)
		}
	}
	if v := c.Done(epoch, 100, OK, weir.Usage{}); granted(v) != 0 {
		t.Errorf("the slot that comes free is for others again: %+v", v)
	}
}

func TestWhoIsAloneLeavesNothing(t *testing.T) {
	c := crowd(Options{}, Deployment{MaxRequests: 16}, 2)
	c.Arrive(epoch, Request{ID: 1, Tenant: "small", Prompt: 10})
	c.Done(epoch, 1, OK, weir.Usage{})
	now, large := epoch.Add(presence+time.Second), 0
	for id := uint64(100); id < 200; id++ {
		large += granted(c.Arrive(now, Request{ID: id, Tenant: "large", Prompt: 10}))
	}
	if large != 32 {
		t.Errorf("the other has been away for more than a minute, and %d slots of 32 are taken", large)
	}
}

func TestSharesAreByWeight(t *testing.T) {
	c := crowd(Options{Shares: map[string]int{"heavy": 3}}, Deployment{MaxRequests: 16}, 2)
	count := map[string]int{}
	for id := uint64(1); id <= 200; id++ {
		who := []string{"heavy", "light"}[id%2]
		count[who] += granted(c.Arrive(epoch, Request{ID: id, Tenant: who, Prompt: 10}))
	}
	// Until room is short both get all they request. Then only the one below
	// its share may take the last slots.
	if count["light"] != 15 || count["heavy"] != 17 {
		t.Errorf("%v", count)
	}
}

func TestBatchLeavesTheLastSlotsToInteractive(t *testing.T) {
	c := crowd(Options{}, Deployment{MaxRequests: 16}, 1)
	c.Arrive(epoch, Request{ID: 1, Tenant: "a", Prompt: 10})
	c.Done(epoch, 1, OK, weir.Usage{})
	batch := 0
	for id := uint64(100); id < 200; id++ {
		batch += granted(c.Arrive(epoch, Request{ID: id, Tenant: "a", Class: weir.Batch, Prompt: 10}))
	}
	if v := c.Arrive(epoch, Request{ID: 2, Tenant: "a", Prompt: 10}); batch != 15 || granted(v) != 1 {
		t.Errorf("batch has %d of 16 slots, interactive gets %+v", batch, v)
	}
}

func TestLongPromptsOfOneTenantLeaveAReplicaWithout(t *testing.T) {
	c := crowd(Options{}, Deployment{MaxRequests: 32, MaxPrefill: 500}, 3)
	c.Arrive(epoch, Request{ID: 1, Tenant: "short", Prompt: 10, Streams: true})
	c.Done(epoch, 1, OK, weir.Usage{})
	at := map[string]int{}
	for id := uint64(100); id < 110; id++ {
		for _, v := range c.Arrive(epoch, Request{ID: id, Tenant: "long", Prompt: 20_000, Streams: true}) {
			at[v.Replica]++
		}
	}
	if len(at) != 3 && len(at) != 2 {
		t.Fatalf("%v", at)
	}
	v := c.Arrive(epoch, Request{ID: 2, Tenant: "short", Prompt: 10, Streams: true})
	if len(v) != 1 || at[v[0].Replica] != 0 {
		t.Errorf("the short prompt went to %+v, where long ones are due: %v", v, at)
	}
	// When a first token has come the next long one goes there.
	c.FirstToken(epoch, 100)
	if v := c.Wake(epoch); granted(v) != 1 {
		t.Errorf("%+v", v)
	}
}

func TestRequestsThatTellNoFirstTokenAreNotCountedAsDue(t *testing.T) {
	c := crowd(Options{}, Deployment{MaxRequests: 32, MaxPrefill: 500}, 2)
	c.Arrive(epoch, Request{ID: 1, Tenant: "other", Prompt: 10})
	n := 0
	for id := uint64(100); id < 120; id++ {
		n += granted(c.Arrive(epoch, Request{ID: id, Tenant: "whole", Prompt: 400}))
	}
	if n != 20 {
		t.Errorf("%d of 20 were let in", n)
	}
}
