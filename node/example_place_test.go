package node

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"weir"
	"weir/fleet"
	"weir/scale"
)

// rooms is a place as a newcomer would write it. Its replicas are servers of
// this process, ready at once. It reports its changes itself (fleet.Watcher).
// Only the line that names it in the test below knows it; package wire has that
// line for the other places.
type rooms struct {
	mu      sync.Mutex
	made    int
	all     map[string][]room // by deployment, oldest first
	changed chan struct{}     // closed and made new at each change
}

type room struct {
	weir.Replica
	server *httptest.Server
}

func openRooms() *rooms { return &rooms{all: map[string][]room{}, changed: make(chan struct{})} }

func (p *rooms) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.status(deployment), nil
}

func (p *rooms) status(deployment string) (rs []weir.Replica) {
	for _, r := range p.all[deployment] {
		rs = append(rs, r.Replica)
	}
	return rs
}

func (p *rooms) Scale(ctx context.Context, deployment string, want int, victims []string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.all[deployment]) < want {
		p.made++
		id := fmt.Sprintf("room-%d", p.made)
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(w, r, "from "+id) }))
		now := weir.At(time.Now())
		p.all[deployment] = append(p.all[deployment], room{weir.Replica{
			ID: id, Deployment: deployment, Addr: s.URL, State: weir.Ready, Since: now, Asked: now, ReadyAt: now,
		}, s})
	}
	for len(p.all[deployment]) > want {
		rs := p.all[deployment]
		i := max(slices.IndexFunc(rs, func(r room) bool { return slices.Contains(victims, r.ID) }), 0)
		rs[i].server.Close()
		p.all[deployment] = slices.Delete(slices.Clone(rs), i, i+1)
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return nil
}

func (p *rooms) Room(string) int { return -1 }

// Run keeps the rooms until ctx ends, and closes them then.
func (p *rooms) Run(ctx context.Context) error {
	<-ctx.Done()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rs := range p.all {
		for _, r := range rs {
			r.server.Close()
		}
	}
	clear(p.all)
	return nil
}

func (p *rooms) Watch(ctx context.Context, heard func(string, []weir.Replica)) error {
	for {
		p.mu.Lock()
		changed, now := p.changed, map[string][]weir.Replica{}
		for name := range p.all {
			now[name] = p.status(name)
		}
		p.mu.Unlock()
		for name, rs := range now {
			heard(name, rs)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// Weir runs a new place's replicas, scales them, routes callers to them as they
// change, follows a reload, and closes the place at the end.
func TestANewPlaceIsServedFromScaledReloadedAndClosed(t *testing.T) {
	dir, place := t.TempDir(), openRooms()
	with := func(replicas int) Setup {
		return setupOf(dir, Deployment{Name: "m/own", Place: "rooms", Scaling: &Scaling{Policy: scale.Policy{Min: replicas, Max: replicas}}})
	}
	o := optionsOf(t, dir, with(1))
	o.Places = []Place{{Name: "rooms", Open: func(Host) (fleet.Place, error) { return place, nil }}}
	o.Load = func() (Setup, error) { return with(2), nil }
	n, stop := running(t, o)
	n.says(t, "from room-1") // waits for it
	if err := n.reload(); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for began := time.Now(); len(seen) < 2 && time.Since(began) < time.Minute; {
		_, body := n.ask(t)
		seen[body] = true
	}
	if len(seen) != 2 {
		t.Errorf("of two replicas callers saw %v", seen)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if rs, err := place.Status(t.Context(), "m/own"); err != nil || len(rs) > 0 {
		t.Errorf("left open: %v %v", rs, err)
	}
}
