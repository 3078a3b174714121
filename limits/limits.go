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
	heartbeat = 250 * time.Millisecond // between visits without demand
	busyEvery = 100 * time.Millisecond // between visits with demand
	soonest   = 20 * time.Millisecond  // when a lease runs out
	patience  = time.Second            // for one reply
	settling  = 2 * heartbeat          // for all gateways to report their use while Redis was away
	maxAsks   = 256                    // leases of one visit
)

// Local is the state of this process. Every function is called from this
// package's own goroutines and takes the locks it needs.
type Local struct {
	Now    func() weir.Instant
	Leases func(func(*meter.Leases)) // calls its argument with the leases, locked

	// Other exchanges between gateways; nil: not sent, or not received.
	Throttle func(deployment, replica string, until weir.Instant) // another gateway's throttle
	Answers  func() []meter.Answer                                // answers seen here since the last call
	Learn    func([]meter.Answer)                                 // answers of other gateways
	Booked   func() []Quota                                       // total bookings of this gateway
	Book     func(more Quota)                                     // bookings of other gateways; needed with Booked
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
	dialed  time.Time // time of the last attempt
	refused error

	mu               sync.Mutex
	status           Status
	failing, visited uint8 // a bit for each shard
}

// Status is the state of the connection to Redis.
type Status struct {
	Connected bool      // every shard's last visit was answered
	Since     time.Time // start of that state
	Error     string    // why not
	Gateways  int       // number of gateways that share, including this one, at the last visit
	Visits    uint64    // answered
	Failures  uint64    // not answered
	Healed    uint64    // times that foreign data at Weir's keys were deleted
}

// New makes a Shared. It does not connect: Weir starts without Redis too.
func New(o Options) (*Shared, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	conn, err := o.Connection()
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
	s.options = conn
	s.options.DisableCache = true
	return s, nil
}

// Run shares until ctx ends, then gives back all leases. It always returns nil:
// Redis being away is no reason to stop.
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

// Join waits until every shard was visited once, or ctx ends. A gateway then
// starts with its leases.
func (s *Shared) Join(ctx context.Context) {
	select {
	case <-s.joined:
	case <-ctx.Done():
	}
}

// Wake causes early visits to shards: bit i for shard i. It never blocks.
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

// Status returns the state of the connection to Redis.
func (s *Shared) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// connected returns the client, and makes one if there is none. It may take as
// long as a connection attempt; concurrent callers wait for the same one.
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

// heard notes the result of a visit to a shard. It logs once when Redis stops
// answering and once when all shards answer again.
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
