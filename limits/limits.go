package limits

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"

	"weir"
	"weir/meter"
)

const (
	heartbeat = 250 * time.Millisecond // between visits when nothing is asked for
	busyEvery = 100 * time.Millisecond // when something is
	soonest   = 20 * time.Millisecond  // when a lease runs out
	patience  = time.Second            // for one answer
	settling  = 2 * heartbeat          // for every gateway to say what it used while Redis was away
	maxAsks   = 256                    // leases of one visit
)

// Local is what this process itself keeps. Every function is called
// from this package's own goroutines and takes the locks it needs.
type Local struct {
	Now    func() weir.Instant
	Leases func(func(*meter.Leases)) // calls its argument with the leases, locked

	// What else gateways exchange; nil: not sent, or not received.
	Throttle func(deployment, replica string, until weir.Instant) // another gateway was throttled by it until then
	Answers  func() []meter.Answer                                // answers seen here since it was last called
	Learn    func([]meter.Answer)                                 // others have seen
	Booked   func() []Quota                                       // totals of what was booked here
	Book     func(more Quota)                                     // others have booked; needed with Booked
}

// Shared shares the limits of one process with the other gateways'.
type Shared struct {
	o       Options
	log     *slog.Logger
	id      string
	options rueidis.ClientOption
	script  *rueidis.Lua
	wake    [meter.LeaseShards]chan struct{}
	joined  chan struct{} // closed when every shard was visited once
	waiting atomic.Int32  // shards not visited yet

	pending pendingThrottles
	notes   chan note

	dial    sync.Mutex
	client  rueidis.Client
	dialed  time.Time // when it was tried last
	refused error

	mu               sync.Mutex
	status           Status
	failing, visited uint8 // a bit for each shard
}

// Status says how it stands with Redis.
type Status struct {
	Connected bool      // the last visit was answered
	Since     time.Time // when that began to be so
	Error     string    // why not
	Gateways  int       // that share, this one included, as last heard
	Visits    uint64    // answered
	Failures  uint64    // not answered
	Healed    uint64    // times that foreign data at Weir's keys were deleted
}

// New makes a Shared. It does not connect: a Redis that is away keeps nothing
// from starting.
func New(o Options) (*Shared, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	conf, err := o.tls()
	if err != nil {
		return nil, err
	}
	if o.Prefix == "" {
		o.Prefix = defaultPrefix
	}
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	s := &Shared{o: o, log: o.Log, id: rand.Text(), joined: make(chan struct{}), script: rueidis.NewLuaScript(visitLua), notes: make(chan note, notesPending)}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.status.Since = time.Now()
	s.waiting.Store(meter.LeaseShards)
	for i := range s.wake {
		s.wake[i] = make(chan struct{}, 1)
	}
	s.options = rueidis.ClientOption{
		InitAddress: o.Addrs, TLSConfig: conf, Username: o.Username, Password: o.Password, ClientName: "weir",
		ConnWriteTimeout: patience, DisableRetry: true, DisableCache: true,
		AlwaysPipelining: true, // else visits wait for each other, and one that takes too long costs the connection
	}
	s.options.Dialer.Timeout = patience
	return s, nil
}

// Run shares until ctx ends, then gives back what is held. It always returns
// nil: a Redis that is away is no reason to stop.
func (s *Shared) Run(ctx context.Context) error {
	var g errgroup.Group
	for shard := range meter.LeaseShards {
		g.Go(func() error { s.keep(ctx, shard); return nil })
	}
	g.Go(func() error { s.post(ctx); return nil })
	g.Go(func() error { s.writeNotes(ctx); return nil })
	err := g.Wait()
	s.dial.Lock()
	defer s.dial.Unlock()
	if s.client != nil {
		s.client.Close()
		s.client = nil
	}
	return err
}

// Join waits until every budget was asked about once, so that a gateway begins
// with its leases; not longer than ctx.
func (s *Shared) Join(ctx context.Context) {
	select {
	case <-s.joined:
	case <-ctx.Done():
	}
}

// Wake has shards visited soon: bit i for shard i. It never blocks.
func (s *Shared) Wake(shards uint8) {
	for i := range s.wake {
		if shards&(1<<i) != 0 {
			select {
			case s.wake[i] <- struct{}{}:
			default:
			}
		}
	}
}

// Status returns how it stands with Redis.
func (s *Shared) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// connected returns the client, and makes one where there is none. It takes as long
// as a connection may; callers that come meanwhile wait for the same one.
func (s *Shared) connected() (rueidis.Client, error) {
	s.dial.Lock()
	defer s.dial.Unlock()
	if s.client != nil {
		return s.client, nil
	}
	if time.Since(s.dialed) < heartbeat {
		return nil, s.refused
	}
	s.client, s.refused = rueidis.NewClient(s.options)
	s.dialed = time.Now()
	if s.refused != nil {
		s.client, s.refused = nil, fmt.Errorf("connecting to %v: %w", s.o.Addrs, s.refused)
	}
	return s.client, s.refused
}

// heard notes how a visit to a shard went, and says once when Redis falls silent
// and when all of it is heard again.
func (s *Shared) heard(shard, gateways int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, before := &s.status, s.failing
	if err == nil {
		s.failing &^= 1 << shard
		s.visited |= 1 << shard
		st.Visits++
		st.Gateways = gateways
	} else {
		s.failing |= 1 << shard
		st.Failures++
		st.Error = err.Error()
	}
	is, now := s.failing == 0 && s.visited == all, time.Now()
	switch {
	case before == 0 && s.failing != 0:
		s.log.Warn("redis does not answer: limits continue with the current leases", "error", err)
	case is && !st.Connected:
		s.log.Info("redis answers: limits are shared", "gateways", gateways)
	}
	if is != st.Connected {
		st.Connected, st.Since = is, now
	}
	if is {
		st.Error = ""
	}
}

// all has a bit for every shard.
const all = uint8(1<<meter.LeaseShards - 1)
