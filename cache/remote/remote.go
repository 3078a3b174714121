package remote

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/redis/rueidis"
	"golang.org/x/sync/errgroup"

	"weir"
	"weir/cache"
)

const (
	beat     = 250 * time.Millisecond // between looks at the purges, and between probes
	patience = time.Second            // for a reply that no request waits for

	// A late lookup adds lateWeighs, one in time takes 1 away; at mostLate none is made. So
	// three late ones in a row end them, and so does one node of a cluster that does not answer.
	lateWeighs = 8
	mostLate   = 3 * lateWeighs
	probes     = 4 // keys that a probe looks up, on any nodes
	sound      = 4 // probes in time, one after the other, until lookups are made again

	writers   = 2        // goroutines
	maxQueue  = 1024     // writes that wait
	maxQueued = 32 << 20 // bytes of their bodies

	bigBody = 64 << 10 // a larger answer is stored when a second gateway has asked for it
	maxRest = 32 << 10 // of a value, besides its body: the head and what packing may add
)

// Options are the connection and the bounds. Zero values mean the defaults named.
type Options struct {
	Connection rueidis.ClientOption // how to reach Redis
	Prefix     string               // of every key; "": weir
	MostBody   int                  // of one answer, in bytes; 0: 1 MiB
	Budget     time.Duration        // for the reply to one lookup; 0: 20 ms
	Log        *slog.Logger         // nil: slog.Default()
}

// Here is the process's own memory of answers.
type Here interface {
	Hear(name string, at cache.Generation) // takes a purge of another gateway
	Generation() cache.Generation
}

// Store keeps entries in Redis. It is safe for concurrent use. Without Run it stores and
// finds nothing.
type Store struct {
	o      Options
	id     string // of this process, in leases
	pack   *zstd.Encoder
	unpack *zstd.Decoder

	client atomic.Pointer[rueidis.Client] // nil: never connected
	up     atomic.Bool                    // Redis answers in time
	late   atomic.Int32                   // see mostLate
	heard  atomic.Uint64                  // the newest purge known here
	wake   chan struct{}
	writes chan write
	queued atomic.Int64
	intime int // probes, one after the other; keep's own

	mu     sync.Mutex
	claims map[cache.Key]struct{} // leases of this process
	known  map[string]cache.Generation
	status Status
	count  counts
}

type counts struct {
	hits, misses, late, foreign, stored, dropped, failed atomic.Uint64
}

// New makes a Store. It does not connect: see Run.
func New(o Options) *Store {
	if o.Prefix == "" {
		o.Prefix = "weir"
	}
	if o.MostBody == 0 {
		o.MostBody = 1 << 20
	}
	if o.Budget == 0 {
		o.Budget = 20 * time.Millisecond
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s := &Store{o: o, id: rand.Text(), wake: make(chan struct{}, 1), writes: make(chan write, maxQueue),
		claims: map[cache.Key]struct{}{}, known: map[string]cache.Generation{}}
	s.status.Since, s.intime = time.Now(), sound // at first one probe is enough
	// These options cannot fail.
	s.pack, _ = zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(writers), zstd.WithLowerEncoderMem(true))
	s.unpack, _ = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderMaxMemory(uint64(o.MostBody)+maxRest))
	c := &s.o.Connection
	c.DisableRetry, c.AlwaysPipelining, c.DisableCache = true, true, false
	c.CacheSizeEachConn = 8 << 20 // only the purges are read through it: see hear
	c.OnInvalidations = func([]rueidis.RedisMessage) { s.poke() }
	return s
}

// Run connects, writes, and hears purges until ctx ends. It returns nil: Redis being away
// is no reason to stop.
func (s *Store) Run(ctx context.Context, here Here) error {
	var g errgroup.Group
	for range writers {
		g.Go(func() error { s.write(ctx); return nil })
	}
	g.Go(func() error { s.keep(ctx, here); return nil })
	g.Wait()
	s.up.Store(false)
	if c := s.client.Load(); c != nil {
		(*c).Close()
	}
	return nil
}

// ready is the client, nil while Redis does not answer.
func (s *Store) ready() rueidis.Client {
	if !s.up.Load() {
		return nil
	}
	return *s.client.Load()
}

func (s *Store) key(kind string, k cache.Key) string {
	return s.o.Prefix + ":" + kind + ":" + base64.RawURLEncoding.EncodeToString(k[:])
}

func (s *Store) purges() string { return "{" + s.o.Prefix + ":cache}:purges" }

// seen stands in the place of a large answer that one gateway has made.
const seen = "seen"

// Get returns a key's entry; nil: there is none, or no answer within Budget.
func (s *Store) Get(ctx context.Context, k cache.Key, _ weir.Instant) *cache.Entry {
	c := s.ready()
	if c == nil {
		return nil
	}
	// A range, since another may have written a value of any size.
	v, err := s.ask(ctx, c, c.B().Getrange().Key(s.key("answer", k)).Start(0).End(int64(s.o.MostBody+maxRest)).Build())
	if !s.answered(ctx, err) || err != nil || len(v) == 0 || string(v) == seen {
		s.count.misses.Add(1)
		return nil
	}
	e, err := cache.ReadEntry(v, k, s.o.MostBody, s.unpacked)
	if err != nil {
		s.count.foreign.Add(1)
		return nil
	}
	if e.Generation > cache.Generation(s.heard.Load()) { // a purge before it is not known here yet
		s.count.misses.Add(1)
		return nil
	}
	s.count.hits.Add(1)
	return e
}

// ask sends one command for a request, and waits for its reply within Budget. The client may
// first need a connection, and a token for that, which it makes without regard to ctx.
func (s *Store) ask(ctx context.Context, c rueidis.Client, cmd rueidis.Completed) ([]byte, error) {
	type reply struct {
		text []byte
		err  error
	}
	ctx, cancel := context.WithTimeout(ctx, s.o.Budget)
	defer cancel()
	came := make(chan reply, 1)
	go func() {
		text, err := c.Do(ctx, cmd).AsBytes()
		came <- reply{text, err}
	}()
	select {
	case r := <-came:
		return r.text, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *Store) unpacked(packed []byte, size int) ([]byte, error) {
	return s.unpack.DecodeAll(packed, make([]byte, 0, size))
}

// answered notes how Redis took a lookup. ctx is the request's: one that has left says
// nothing of Redis.
func (s *Store) answered(ctx context.Context, err error) bool {
	var refusal *rueidis.RedisError
	if err == nil || errors.As(err, &refusal) {
		if s.late.Load() > 0 {
			s.late.Add(-1)
		}
		return true
	}
	if ctx.Err() != nil {
		return false
	}
	s.count.late.Add(1)
	if s.late.Add(lateWeighs) >= mostLate {
		s.down(err)
	}
	return false
}

// down stops lookups and writes until a probe is answered.
func (s *Store) down(err error) {
	if s.up.Swap(false) {
		s.o.Log.Warn("redis does not answer in time: stored answers are those of this gateway only", "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Connected {
		s.status.Since = time.Now()
	}
	s.status.Connected, s.status.Error = false, err.Error()
}

// Status is the state of the connection, and what was done since the start.
type Status struct {
	Connected bool
	Since     time.Time // start of that state
	Error     string    // why not

	Hits, Misses uint64 // lookups
	Late         uint64 // lookups without an answer in time: misses too
	Foreign      uint64 // values that are no entry of their key
	Stored       uint64
	Dropped      uint64 // not written, because too much waits
	Failed       uint64 // not taken by Redis, such as when it is full
}

// Status returns the present state.
func (s *Store) Status() Status {
	s.mu.Lock()
	st := s.status
	s.mu.Unlock()
	n := &s.count
	st.Hits, st.Misses, st.Late, st.Foreign = n.hits.Load(), n.misses.Load(), n.late.Load(), n.foreign.Load()
	st.Stored, st.Dropped, st.Failed = n.stored.Load(), n.dropped.Load(), n.failed.Load()
	return st
}
