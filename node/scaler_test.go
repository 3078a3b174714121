package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/control"
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

// Why a place gives no more is told in its word: in the list of decisions, and to
// the metrics at every step.
func TestTheReasonOfAPlaceIsPassedOn(t *testing.T) {
	var told []string
	s := &scaler{o: scalerOptions{
		decided: func(string, int, ...string) {}, log: slog.New(slog.DiscardHandler),
		short: func(deployment, why string) { told = append(told, deployment+" "+why) },
	}, said: map[string]announced{}}
	err := &fleet.Shortage{Why: fleet.WhyQuota, Err: fmt.Errorf("%w: quota team is used up", fleet.ErrNoCapacity)}
	e := control.Event{Deployment: "m/own", Acted: true, Err: err, Decision: scale.Decision{Have: 2, Wanted: 4, Want: 4}}
	for range 2 {
		s.decided(e, store.Term{})
	}
	if all := s.recent(); len(all) != 1 || all[0].Why != "quota" || all[0].Err != err.Error() {
		t.Errorf("decisions %+v, want one with the word and the message", all)
	}
	if !slices.Equal(told, []string{"m/own quota", "m/own quota"}) {
		t.Errorf("told %q, want every step", told)
	}
}
