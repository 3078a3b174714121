package fleettest

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"weir"
	"weir/fleet"
)

// ear listens to a place's reports of its replicas.
type ear struct {
	s *suite

	talking  atomic.Bool
	together atomic.Bool // heard was called while an earlier call still ran

	mu    sync.Mutex
	last  map[string][]weir.Replica
	calls int
}

// listen watches the place until the test's end or stop.
func (s *suite) listen(w fleet.Watcher) (e *ear, stop func()) {
	e = &ear{s: s, last: map[string][]weir.Replica{}}
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Watch(ctx, e.heard) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			s.Errorf("the watch ended with %v", err)
		}
	})
	s.Cleanup(stop)
	return e, stop
}

func (e *ear) heard(deployment string, rs []weir.Replica) {
	if e.talking.Swap(true) {
		e.together.Store(true)
	}
	defer e.talking.Store(false)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.last[deployment], e.calls = rs, e.calls+1
}

// knows settles the place until the last report equals the status, and ok holds
// for it.
func (e *ear) knows(what string, ok func([]weir.Replica) bool) {
	e.s.Helper()
	e.s.until(what+", and it is heard", func(rs []weir.Replica) bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return ok(rs) && slices.Equal(e.last[e.s.h.Deployment], rs)
	})
}

// watched: the last report always equals the status in the end, through
// growing, failing, draining and going.
func watched(s *suite) {
	w, ok := s.h.Actuator.(fleet.Watcher)
	if !ok {
		return // such a place is polled
	}
	e, stop := s.listen(w)
	ready := func(n int) func([]weir.Replica) bool {
		return func(rs []weir.Replica) bool { return len(rs) == n && len(in(rs, weir.Ready)) == n }
	}
	s.scale(3)
	e.knows("3 ready", ready(3))
	s.h.Fail(s.status()[0].ID)
	s.until("one has failed or is made good", func(rs []weir.Replica) bool { return len(in(rs, weir.Ready)) < 3 || rs[0].ID != s.status()[0].ID })
	s.scale(2)
	e.knows("2 ready", ready(2))
	late, _ := s.listen(w)
	late.knows("2 ready, by one that listens late", ready(2))
	s.scale(0)
	e.knows("none left", ready(0))
	late.knows("none left", ready(0))
	stop()
	e.mu.Lock()
	calls := e.calls
	e.mu.Unlock()
	s.scale(1)
	late.knows("1 ready", ready(1))
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls != calls {
		s.Error("heard was called after the watch had ended")
	}
	if e.together.Load() {
		s.Error("heard was called by two goroutines at once")
	}
}
