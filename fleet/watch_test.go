package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir"
	"weir/fleet"
)

// asked is a place that does not report its changes.
type asked struct {
	fleet.Place
	mu  sync.Mutex
	all map[string][]weir.Replica
}

func (a *asked) Status(_ context.Context, deployment string) ([]weir.Replica, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	rs, ok := a.all[deployment]
	if !ok {
		return nil, fleet.ErrUnknown
	}
	return slices.Clone(rs), nil
}

func (a *asked) set(deployment string, ids ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all[deployment] = nil
	for _, id := range ids {
		a.all[deployment] = append(a.all[deployment], weir.Replica{ID: id})
	}
}

// A place that does not watch is polled at the interval: each change is
// reported once, and deployments come and go without a fault.
func TestAPlaceThatDoesNotWatchIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &asked{all: map[string][]weir.Replica{}}
		var mu sync.Mutex
		var said []string
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- fleet.Watch(ctx, p, func() []string { return []string{"a", "b"} }, time.Second, func(d string, rs []weir.Replica) {
				mu.Lock()
				defer mu.Unlock()
				said = append(said, fmt.Sprintf("%s %d", d, len(rs)))
			})
		}()
		hears := func(want ...string) {
			t.Helper()
			time.Sleep(1500 * time.Millisecond) // of virtual time
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(said, want) {
				t.Errorf("heard %q, want %q", said, want)
			}
			said = nil
		}
		p.set("a", "1")
		hears("a 1")
		hears()
		p.set("b", "1", "2")
		p.set("a")
		hears("a 0", "b 2")
		p.mu.Lock()
		delete(p.all, "b") // one reload removes it, and another adds it again
		p.mu.Unlock()
		hears()
		p.set("b", "1", "2")
		hears("b 2")
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		p.set("a", "1")
		hears()
	})
}

// watching reports its changes itself.
type watching struct{ asked }

func (w *watching) Watch(_ context.Context, heard func(string, []weir.Replica)) error {
	heard("a", []weir.Replica{{ID: "told"}})
	return nil
}

func TestAPlaceThatWatchesIsNotAsked(t *testing.T) {
	var said []string
	never := func() []string { t.Error("asked for its deployments"); return nil }
	err := fleet.Watch(t.Context(), &watching{}, never, time.Nanosecond, func(_ string, rs []weir.Replica) { said = append(said, rs[0].ID) })
	if err != nil || !slices.Equal(said, []string{"told"}) {
		t.Errorf("heard %q, %v", said, err)
	}
}
