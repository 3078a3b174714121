package http1

import (
	"sync"
	"time"
)

// sweepEvery is how often idle connections are checked, while there are any.
const sweepEvery = idleTimeout / 6

// sweeper is one timer for all idle connections of a client; it runs only
// while there are some.
type sweeper struct {
	mu    sync.Mutex
	timer *time.Timer
	armed bool
	ended bool
	sweep func(now time.Time) (left int)
}

func (s *sweeper) arm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed || s.ended {
		return
	}
	s.armed = true
	if s.timer == nil {
		s.timer = time.AfterFunc(sweepEvery, s.run)
		return
	}
	s.timer.Reset(sweepEvery)
}

func (s *sweeper) run() {
	s.mu.Lock()
	s.armed = false
	s.mu.Unlock()
	if s.sweep(time.Now()) > 0 {
		s.arm()
	}
}

func (s *sweeper) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
