package shared

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

// board is what the leader publishes, and whether it leads.
type board struct {
	mu    sync.Mutex
	host  string
	rs    []weir.Replica
	leads bool
}

func (b *board) say(host string, ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.host, b.rs = host, replicas(ids...)
}

func replicas(ids ...string) (rs []weir.Replica) {
	for _, id := range ids {
		rs = append(rs, weir.Replica{ID: id, Deployment: "d", State: weir.Ready})
	}
	return rs
}

// owned is the place itself: it has as many replicas as asked for.
type owned struct {
	mu  sync.Mutex
	ids []string
}

func (o *owned) Status(context.Context, string) ([]weir.Replica, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return replicas(o.ids...), nil
}

func (o *owned) Scale(_ context.Context, _ string, want int, _ []string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ids = nil
	for i := range want {
		o.ids = append(o.ids, fmt.Sprintf("own-%d", i+1))
	}
	return nil
}

func (o *owned) Room(string) int               { return 7 }
func (o *owned) Run(ctx context.Context) error { <-ctx.Done(); return nil }

// sharedBy is a place of this host, opened by open.
func sharedBy(b *board, open func() (fleet.Place, error)) *Place {
	return New(Options{
		Name: "rooms", Host: "here", Open: open, Deployments: func() []string { return []string{"d"} },
		Leads: func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.leads },
		Published: func(string) (string, []weir.Replica) {
			b.mu.Lock()
			defer b.mu.Unlock()
			return b.host, b.rs
		},
	})
}

func ids(rs []weir.Replica) (all []string) {
	for _, r := range rs {
		all = append(all, r.ID)
	}
	return all
}

func TestAFollowerSeesWhatTheLeaderSaysAndChangesNothing(t *testing.T) {
	b := &board{}
	p := sharedBy(b, func() (fleet.Place, error) { t.Error("opened"); return nil, errors.New("opened") })
	b.say("here", "1", "2")
	if rs, err := p.Status(t.Context(), "d"); err != nil || !slices.Equal(ids(rs), []string{"1", "2"}) {
		t.Errorf("%v %v", rs, err)
	}
	if _, err := p.Status(t.Context(), "another"); !errors.Is(err, fleet.ErrUnknown) {
		t.Error(err)
	}
	if err := p.Scale(t.Context(), "d", 1, nil); !errors.Is(err, fleet.ErrNotLeading) {
		t.Error(err)
	}
	if _, err := p.Own(t.Context(), "d"); !errors.Is(err, fleet.ErrNotLeading) {
		t.Error(err)
	}
	if room := p.Room("d"); room >= 0 {
		t.Error("room is known", room)
	}
	b.say("there", "1", "2") // on another machine's loopback
	if rs, err := p.Status(t.Context(), "d"); err != nil || len(rs) > 0 {
		t.Errorf("%v %v", rs, err)
	}
}

// A leader waits while a former one has the place, then opens it. It scales
// only while it leads, and has closed the place when its run returns.
func TestTheLeaderHasThePlaceOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, mine, free := &board{leads: true}, &owned{}, time.Now().Add(3*time.Second)
		p := sharedBy(b, func() (fleet.Place, error) {
			if time.Now().Before(free) {
				return nil, fmt.Errorf("rooms: %w", fleet.ErrInUse)
			}
			return mine, nil
		})
		early, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Take(early); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		run, err := p.Take(t.Context())
		if err != nil || time.Now().Before(free) {
			t.Fatal(err)
		}
		if err := p.Scale(t.Context(), "d", 2, nil); err != nil {
			t.Error(err)
		}
		b.leads = false // its term is over, and it does not know yet
		if err := p.Scale(t.Context(), "d", 0, nil); !errors.Is(err, fleet.ErrNotLeading) {
			t.Error(err)
		}
		if rs, err := p.Own(t.Context(), "d"); err != nil || len(rs) != 2 || p.Room("d") != 7 {
			t.Errorf("%v %v", rs, err)
		}
		ctx, stop := context.WithCancel(t.Context())
		stop()
		if err := run(ctx); err != nil {
			t.Error(err)
		}
		if _, err := p.Own(t.Context(), "d"); !errors.Is(err, fleet.ErrNotLeading) {
			t.Error(err)
		}
	})
}

// A watcher hears the leader's published replicas, then those of the place
// itself while this gateway leads, then the published ones again.
func TestAWatchFollowsTheLead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, mine := &board{}, &owned{}
		p := sharedBy(b, func() (fleet.Place, error) { return mine, nil })
		var mu sync.Mutex
		var last []string
		watching, end := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		b.say("here", "1")
		go func() {
			ended <- p.Watch(watching, func(_ string, rs []weir.Replica) { mu.Lock(); defer mu.Unlock(); last = ids(rs) })
		}()
		hears := func(want ...string) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(last, want) {
				t.Errorf("heard %v, want %v", last, want)
			}
		}
		hears("1")
		b.say("here", "1", "2")
		p.Heard("d")
		hears("1", "2")

		run, err := p.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		leading, resign := context.WithCancel(t.Context())
		left := make(chan error, 1)
		b.leads = true
		go func() { left <- run(leading) }()
		if err := p.Scale(t.Context(), "d", 1, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * pollEvery) // of virtual time: this place is polled
		hears("own-1")
		p.Heard("d") // the earlier published replicas are out of date
		hears("own-1")
		resign()
		if err := <-left; err != nil {
			t.Error(err)
		}
		hears("1", "2")
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.say("here")
		p.Heard("d")
		hears("1", "2")
	})
}

// A leader that opens a place without replicas knows that those published by a
// former leader are gone, though the place itself reports nothing.
func TestTheLeaderForgetsTheReplicasOfAFormerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, mine := &board{leads: true}, &owned{}
		p := sharedBy(b, func() (fleet.Place, error) { return mine, nil })
		b.say("here", "1", "2")
		heard := make(chan []string, 10)
		watching, end := context.WithCancel(t.Context())
		ended := make(chan error, 2)
		go func() { ended <- p.Watch(watching, func(_ string, rs []weir.Replica) { heard <- ids(rs) }) }()
		if first := <-heard; len(first) != 2 {
			t.Errorf("heard %v before the term", first)
		}
		run, err := p.Take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- run(watching) }()
		synctest.Wait()
		select {
		case rs := <-heard:
			if len(rs) > 0 {
				t.Errorf("the place has none, heard %v", rs)
			}
		default:
			t.Error("callers are still sent to the replicas of the former leader")
		}
		end()
		if err := errors.Join(<-ended, <-ended); err != nil {
			t.Error(err)
		}
	})
}
