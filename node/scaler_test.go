package node

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/fleet"
	"weir/scale"
	"weir/store"
)

// A reload while a term begins, before there is a controller, still sets the
// policies of the term.
func TestATermScalesByTheSetupOfAReloadAtItsBeginning(t *testing.T) {
	dir, place := t.TempDir(), openRooms()
	with := func(replicas int) *Setup {
		s := setupOf(dir, Deployment{Name: "m/own", Place: "rooms", Scaling: &Scaling{Policy: scale.Policy{Min: replicas, Max: replicas}}})
		return &s
	}
	var asked atomic.Int64
	s, err := newScaler(scalerOptions{
		setup:   func() *Setup { return with(min(int(asked.Add(1)), 2)) }, // the reload is between the first look and the next
		places:  map[string]fleet.Place{"rooms": place},
		demand:  func(now weir.Instant, _ string) (scale.Observation, error) { return scale.Unknown(now), nil },
		decided: func(string, int, ...string) {}, observed: func(string, []weir.Replica) {},
		acted: func(store.Term, string, scale.Decision) {}, log: slog.New(slog.DiscardHandler),
	}, with(1))
	if err != nil {
		t.Fatal(err)
	}
	ctx, resign := context.WithCancel(t.Context())
	served, seen := make(chan error, 1), make(chan bool)
	go func() { served <- s.serve(ctx, nil, store.Term{}) }()
	go place.Watch(ctx, func(_ string, rs []weir.Replica) {
		if len(rs) == 2 {
			select {
			case seen <- true:
			case <-ctx.Done():
			}
		}
	})
	select {
	case <-seen:
	case <-time.After(10 * time.Second): // only a failed test waits this long
		t.Error("scaled by the setup before the reload")
	}
	resign()
	if err := <-served; err != nil {
		t.Error(err)
	}
	if err := place.Run(ctx); err != nil {
		t.Error(err)
	}
}
