package dispatch

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

// unitsOf draws replicas of several units, and as many replicas of one.
func unitsOf(t *rapid.T) (together, apart []weir.Replica) {
	for i := range rapid.IntRange(1, 4).Draw(t, "replicas") {
		units := rapid.IntRange(1, 6).Draw(t, "units")
		together = append(together, weir.Replica{ID: fmt.Sprint("r", i), State: weir.Ready, Units: units})
		for j := range units {
			apart = append(apart, weir.Replica{ID: fmt.Sprint("r", i, ".", j), State: weir.Ready})
		}
	}
	return together, apart
}

// Units behind one address are worth as many replicas: as many requests are in
// flight at once, and the next one waits, also after some have ended.
func TestUnitsTakeAsMuchAsReplicas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		together, apart := unitsOf(t)
		o := Options{Deployments: []Deployment{{Name: "d", Weight: 1, MaxRequests: rapid.IntRange(1, 5).Draw(t, "slots")}}}
		a, b := New(o, 1), New(o, 1)
		a.Replicas(epoch, "d", together)
		b.Replicas(epoch, "d", apart)
		var inA, inB []uint64
		for id := range uint64(60) {
			if len(inA) > 0 && rapid.IntRange(0, 2).Draw(t, "ends") == 0 {
				i := rapid.IntRange(0, len(inA)-1).Draw(t, "which")
				va, vb := a.Done(epoch, inA[i], OK, weir.Usage{}), b.Done(epoch, inB[i], OK, weir.Usage{})
				inA, inB = append(inA[:i], inA[i+1:]...), append(inB[:i], inB[i+1:]...)
				inA, inB = grants(inA, va), grants(inB, vb)
			}
			r := Request{ID: id + 1, Tenant: "t", Prompt: 100}
			inA, inB = grants(inA, a.Arrive(epoch, r)), grants(inB, b.Arrive(epoch, r))
			if len(inA) != len(inB) || a.Demand(epoch).Waiting != b.Demand(epoch).Waiting {
				t.Fatalf("%d in flight and %d waiting; with a replica per unit %d and %d",
					len(inA), a.Demand(epoch).Waiting, len(inB), b.Demand(epoch).Waiting)
			}
		}
	})
}

func grants(ids []uint64, vs []Verdict) []uint64 {
	for _, v := range vs {
		if v.Kind == Grant {
			ids = append(ids, v.ID)
		}
	}
	return ids
}

// Work is even per unit: equal requests leave no two replicas further apart than
// one request on one unit.
func TestWorkIsEvenPerUnit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs, _ := unitsOf(t)
		c := New(Options{Deployments: []Deployment{{Name: "d", Weight: 1}}}, 1)
		c.Replicas(epoch, "d", rs)
		for id := range uint64(rapid.IntRange(1, 100).Draw(t, "requests")) {
			c.Arrive(epoch, Request{ID: id + 1, Tenant: "t", Prompt: 10})
		}
		loads := c.Demand(epoch).Deployments[0].PerReplica
		for i, a := range loads {
			for j, b := range loads {
				// a got its last request while b had no fewer per unit.
				if (a.InFlight-1)*rs[j].Units > b.InFlight*rs[i].Units {
					t.Fatalf("%d on %d units beside %d on %d", a.InFlight, rs[i].Units, b.InFlight, rs[j].Units)
				}
			}
		}
	})
}

// Conversations are spread by units, and an added unit takes only from the
// others.
func TestAffinitiesAreSpreadByUnits(t *testing.T) {
	d := &deployment{}
	one, three := &replica{d: d, key: keyOf("one"), units: 1}, &replica{d: d, key: keyOf("three"), units: 3}
	four := &replica{d: d, key: three.key, units: 4}
	const n = 20_000
	got, moved := 0, 0
	for a := range uint64(n) {
		mine, its := one.draw(mix(a)), three.draw(mix(a))
		if its > mine {
			got++
		}
		if its > mine && four.draw(mix(a)) < mine {
			moved++
		}
	}
	if got < n*74/100 || got > n*76/100 || moved > 0 {
		t.Errorf("three units of four got %d of %d, and %d left when a fourth came", got, n, moved)
	}
}

// A prompt remembered behind an address of several units is cached in one of
// them.
func TestOfAPromptKnownToOneUnitItsShareCounts(t *testing.T) {
	c := New(Options{PrefixBlock: 100, Deployments: []Deployment{{Name: "d", Weight: 1, CacheTokens: 10_000}}}, 1)
	c.Replicas(epoch, "d", []weir.Replica{{ID: "r", State: weir.Ready, Units: 4}})
	r := Request{ID: 1, Tenant: "t", Prompt: 1000, Prefix: []uint64{1, 2, 3, 4, 5, 6, 7, 8}}
	c.Arrive(epoch, r)
	r.ID = 2
	if v := c.Arrive(epoch, r)[0]; v.Known != 200 {
		t.Errorf("%d tokens of 800 are known where a request goes to one of 4 units", v.Known)
	}
}
