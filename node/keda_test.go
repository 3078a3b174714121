package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"

	"weir"
)

func kedaOf(replicas func(string) ([]weir.Replica, error)) *kedaScaler {
	setup := &Setup{Deployments: []Deployment{
		{Name: "asked", Place: "p", Scaling: &Scaling{Asked: true}}, {Name: "own", Place: "p", Scaling: &Scaling{}}, {Name: "external"},
	}}
	return &kedaScaler{
		setup: func() *Setup { return setup }, log: slog.New(slog.DiscardHandler), want: map[string]int{}, watching: map[string][]chan struct{}{},
		replicas: func(_ context.Context, d string) ([]weir.Replica, error) { return replicas(d) },
	}
}

// KEDA gets the number last decided. Before the first decision it is the number
// there is, and none while the place does not know it: KEDA must stop nothing
// because Weir has just started.
func TestKEDAGetsTheNumberLastDecided(t *testing.T) {
	var rs []weir.Replica
	trouble := errors.New("not listed yet")
	k := kedaOf(func(string) ([]weir.Replica, error) { return rs, trouble })
	f := func(deployment, want string) {
		t.Helper()
		n, active, known := k.wanted(deployment)
		if have := fmt.Sprint(n, active, known); have != want {
			t.Errorf("%s: %s, want %s", deployment, have, want)
		}
	}
	f("asked", "0 false false")
	trouble = nil
	rs = []weir.Replica{{State: weir.Ready}, {State: weir.Starting}, {State: weir.Draining}, {State: weir.Failed}}
	f("asked", "2 true true")
	k.decided("asked", 0)
	f("asked", "0 false true")
	k.decided("asked", 5)
	f("asked", "5 true true")
	f("own", "0 false false") // Weir writes that one
	f("external", "0 false false")
	f("another", "0 false false")
	k.forget() // another gateway's term
	f("asked", "2 true true")
}

// Each watcher of a deployment hears of a change, one that waits for nothing
// loses none, and one whose stream has ended is forgotten.
func TestAChangeReachesKEDAsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := kedaOf(func(string) ([]weir.Replica, error) { return nil, nil })
		ctx, end := context.WithCancel(t.Context())
		a, b := k.changed(ctx, "asked"), k.changed(t.Context(), "asked")
		k.decided("asked", 1)
		k.decided("asked", 2) // as one
		k.decided("own", 1)
		<-a
		<-b
		k.decided("asked", 2) // no change
		select {
		case <-a:
			t.Error("told of no change")
		default:
		}
		end()
		synctest.Wait()
		k.decided("asked", 3)
		<-b
		if len(k.watching["asked"]) != 1 || k.streams != 1 {
			t.Errorf("%d watchers, %d streams after one has ended", len(k.watching["asked"]), k.streams)
		}
		k.streams = maxStreams
		full := k.changed(t.Context(), "asked")
		k.decided("asked", 4)
		<-b
		select {
		case <-full:
			t.Error("one beyond the bound is told")
		default:
		}
	})
}

// Any of several gateways answers: with what it heard from the leader, and with
// the number there is while it has heard nothing.
func TestAFollowerTellsKEDAWhatTheLeaderDecided(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := kedaOf(func(string) ([]weir.Replica, error) { return []weir.Replica{{State: weir.Ready}}, nil })
		f := func(want int) {
			t.Helper()
			if n, _, _ := k.wanted("asked"); n != want {
				t.Errorf("%d, want %d", n, want)
			}
		}
		stream := k.changed(t.Context(), "asked")
		f(1)
		k.heard(map[string]int{"asked": 4})
		<-stream
		f(4)
		k.heard(map[string]int{"asked": 0})
		<-stream
		f(0)
		k.heard(nil)
		<-stream
		f(1)
	})
}
