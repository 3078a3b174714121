package fleet_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"weir"
	"weir/fleet"
)

// A watcher hears each deployment at the start, then each change once, of several in
// quick succession the last; one that is slow or gone delays no change.
func TestChangesAreHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &asked{all: map[string][]weir.Replica{}}
		p.set("a", "a1")
		p.set("b")
		var c fleet.Changes
		var mu sync.Mutex
		var said []string
		slow := make(chan struct{})
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- c.Watch(ctx, func() []string { return []string{"b", "a", "unknown"} }, p.Status, func(d string, rs []weir.Replica) {
				mu.Lock()
				said = append(said, fmt.Sprintf("%s %d", d, len(rs)))
				mu.Unlock()
				if len(rs) == 2 {
					<-slow
				}
			})
		}()
		hears := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(said, want) {
				t.Errorf("heard %q, want %q", said, want)
			}
			said = nil
		}
		hears("a 1", "b 0")
		c.Publish("a")
		hears() // nothing has changed
		p.set("a", "a1", "a2")
		c.Publish("a")
		hears("a 2")
		for n := range 3 { // it is still told of the second
			p.set("a", slices.Repeat([]string{"x"}, 3+n)...)
			c.Publish("a")
		}
		close(slow)
		hears("a 5")
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		p.set("a")
		c.Publish("a")
		hears()
	})
}
