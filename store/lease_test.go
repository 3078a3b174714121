package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"weir/store"
	"weir/store/storetest"
)

const long = time.Hour

func TestALeaseHasOneHolderAndItsTokenRises(t *testing.T) {
	d := openPostgres(t, storetest.Start(t).Database(), "gw")
	a, err := d.TakeLease(t.Context(), "x", "a", long)
	if err != nil || a != (store.Term{Holder: "a", Token: 1}) {
		t.Fatal(a, err)
	}
	if _, err := d.TakeLease(t.Context(), "x", "b", long); !errors.Is(err, store.ErrNotLeader) {
		t.Fatalf("b is refused while a holds it: %v", err)
	}
	if again, err := d.TakeLease(t.Context(), "x", "a", long); err != nil || again != a {
		t.Fatalf("prolonging is the same term: %v %v", again, err)
	}
	if err := d.GiveLease(t.Context(), "x", a); err != nil {
		t.Fatal(err)
	}
	b, err := d.TakeLease(t.Context(), "x", "b", time.Microsecond)
	if err != nil || b.Token != 2 {
		t.Fatal(b, err)
	}
	if again, err := d.TakeLease(t.Context(), "x", "b", long); err != nil || again.Token != 3 {
		t.Fatalf("one that was over is a new term: %v %v", again, err)
	}
	if err := d.GiveLease(t.Context(), "x", a); err != nil { // of a term that is over: no effect
		t.Fatal(err)
	}
	if _, err := d.TakeLease(t.Context(), "x", "a", long); !errors.Is(err, store.ErrNotLeader) {
		t.Fatal(err)
	}
}

func TestOfManyThatWantALeaseAtOnceOneGetsIt(t *testing.T) {
	d := openPostgres(t, storetest.Start(t).Database(), "gw")
	for round := range 5 {
		var got sync.Map
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				term, err := d.TakeLease(t.Context(), fmt.Sprint("round", round), fmt.Sprint(i), long)
				switch {
				case err == nil:
					got.Store(i, term)
				case !errors.Is(err, store.ErrNotLeader):
					t.Error(err)
				}
			})
		}
		all.Wait()
		n := 0
		got.Range(func(_, _ any) bool { n++; return true })
		if n != 1 {
			t.Fatalf("%d hold it", n)
		}
	}
}

// A gateway frozen past the end of its term can write nothing when it wakes.
func TestAFormerLeaderWritesNothing(t *testing.T) {
	d := openPostgres(t, storetest.Start(t).Database(), "gw")
	old, err := d.TakeLease(t.Context(), store.ScalerLease, "old", time.Microsecond)
	if err != nil {
		t.Fatal(err)
	}
	first := store.Deployment{Name: "m/d", Host: "h", Replicas: []byte(`[{"ID":"1"}]`)}
	if v, err := d.Publish(t.Context(), old, first); err != nil || v != 1 {
		t.Fatalf("it is over, but nobody else's yet: %d %v", v, err)
	}
	now, err := d.TakeLease(t.Context(), store.ScalerLease, "new", long)
	if err != nil {
		t.Fatal(err)
	}
	_, publish := d.Publish(t.Context(), old, store.Deployment{Name: "m/d", Replicas: []byte(`[]`)})
	for what, err := range map[string]error{
		"publish": publish,
		"save":    d.SaveState(t.Context(), old, "m/d", []byte(`{"want":0}`)),
		"decide":  d.Decided(t.Context(), old, "m/d", []byte(`{"want":0}`)),
	} {
		if !errors.Is(err, store.ErrNotLeader) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := d.SaveState(t.Context(), now, "m/d", []byte(`{"want":3}`)); err != nil {
		t.Fatal(err)
	}
	if err := d.Decided(t.Context(), now, "m/d", []byte(`{"want":3}`)); err != nil {
		t.Fatal(err)
	}
	published, err := d.Published(t.Context())
	if err != nil || len(published) != 1 || published[0].Version != 1 || string(published[0].Replicas) != `[{"ID": "1"}]` {
		t.Fatalf("%+v %v", published, err)
	}
	states, err := d.States(t.Context())
	if err != nil || string(states["m/d"]) != `{"want": 3}` {
		t.Fatalf("%s %v", states, err)
	}
	decisions, err := d.Decisions(t.Context(), 10)
	if err != nil || len(decisions) != 1 || decisions[0].Term != now {
		t.Fatalf("%+v %v", decisions, err)
	}
}

func TestGatewaysHearOfEachOtherUntilTheyLeaveOrFallSilent(t *testing.T) {
	d := openPostgres(t, storetest.Start(t).Database(), "gw")
	for _, g := range []store.Gateway{
		{Instance: "2", Name: "b", Host: "h", Load: []byte(`{"n":1}`)},
		{Instance: "1", Name: "a", Host: "h", Load: []byte(`{}`)},
		{Instance: "2", Name: "b", Host: "h", Load: []byte(`{"n":2}`)},
	} {
		if err := d.Tell(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	all, err := d.Gateways(t.Context(), long)
	if err != nil || len(all) != 2 || all[0].Name != "a" || string(all[1].Load) != `{"n": 2}` || all[1].Age > long {
		t.Fatalf("%+v %v", all, err)
	}
	if all, err = d.Gateways(t.Context(), 0); err != nil || len(all) != 0 {
		t.Fatalf("%+v %v", all, err)
	}
	if err := d.Leave(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	if all, err = d.Gateways(t.Context(), long); err != nil || len(all) != 1 {
		t.Fatalf("%+v %v", all, err)
	}
}
