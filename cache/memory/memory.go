// Package memory keeps stored answers in this process, within a bound in bytes.
//
// It owns which of them are dropped when the memory is full, and the purges made so far.
// It refuses to know what an answer is, and who may have it: package cache decides that.
// It can stand before a store that other processes share (Remote): an answer found there
// is kept here too.
package memory

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"

	"weir"
	"weir/cache"
)

// Remote is a store that several processes share.
type Remote interface {
	// Get returns an entry, nil if there is none or the store does not answer in time.
	Get(ctx context.Context, k cache.Key, now weir.Instant) *cache.Entry
	// Put stores an entry. It does not wait. It ends this process's lease of the key.
	Put(k cache.Key, e *cache.Entry)
	// Await makes this process the one that asks for a key, until Put or Release. While
	// another one asks it waits for that answer, at most for the time given; nil: this one
	// asks.
	Await(ctx context.Context, k cache.Key, most time.Duration) *cache.Entry
	// Release ends the lease of a key whose answer is not stored. It does not wait.
	Release(k cache.Key)
	// Purge makes a purge known to all processes, with a number above least. The error
	// says that they do not know of it.
	Purge(ctx context.Context, name string, least cache.Generation) (cache.Generation, error)
}

// Options are the bounds of a Store. Zero values mean the defaults named.
type Options struct {
	Bytes    int64 // of all entries; 0: 256 MiB
	MostBody int   // of one answer; 0: 1 MiB
}

func (o Options) withDefaults() Options {
	if o.Bytes <= 0 {
		o.Bytes = 256 << 20
	}
	if o.MostBody <= 0 {
		o.MostBody = 1 << 20
	}
	return o
}

// Store keeps entries. It is safe for concurrent use.
type Store struct {
	o       Options
	entries *otter.Cache[cache.Key, *cache.Entry]
	remote  Remote // nil: none

	mu          sync.RWMutex
	generations cache.Generations

	evicted atomic.Uint64
}

// New makes a Store. remote may be nil.
func New(o Options, remote Remote) *Store {
	s := &Store{o: o.withDefaults(), remote: remote}
	s.entries = otter.Must(&otter.Options[cache.Key, *cache.Entry]{
		MaximumWeight:    uint64(s.o.Bytes),
		Weigher:          func(_ cache.Key, e *cache.Entry) uint32 { return uint32(min(e.Size(), 1<<31)) },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[cache.Key, *cache.Entry]) time.Duration { return e.Value.TTL }),
		OnDeletion: func(e otter.DeletionEvent[cache.Key, *cache.Entry]) {
			if e.WasEvicted() {
				s.evicted.Add(1)
			}
		},
	})
	return s
}

// Close ends the store's own goroutines.
func (s *Store) Close() { s.entries.StopAllGoroutines() }

// Get returns the entry of a key that is fresh and not purged; nil: there is none.
func (s *Store) Get(ctx context.Context, k cache.Key, now weir.Instant) *cache.Entry {
	if e, ok := s.entries.GetIfPresent(k); ok {
		if e.Left(now) > 0 && s.Live(e.Generation, &e.Of) {
			return e
		}
		s.entries.Invalidate(k)
	}
	if s.remote == nil {
		return nil
	}
	e := s.remote.Get(ctx, k, now)
	if e == nil || e.Left(now) <= 0 || !s.Live(e.Generation, &e.Of) {
		return nil
	}
	return s.keep(k, e)
}

// keep takes an entry of the remote store.
func (s *Store) keep(k cache.Key, e *cache.Entry) *cache.Entry {
	s.entries.Set(k, e)
	s.entries.SetExpiresAfter(k, e.Left(weir.At(time.Now())))
	return e
}

// Put stores an entry.
func (s *Store) Put(k cache.Key, e *cache.Entry) {
	if !s.Live(e.Generation, &e.Of) {
		s.Release(k)
		return
	}
	s.entries.Set(k, e)
	if s.remote != nil {
		s.remote.Put(k, e)
	}
}

// Await makes this process the one of several that asks for a key, until Put or Release.
// While another one asks it waits for that answer, at most for the time given. nil: the
// caller asks. An answer that has been put here since the caller's Get is returned.
func (s *Store) Await(ctx context.Context, k cache.Key, most time.Duration) *cache.Entry {
	if e, ok := s.entries.GetIfPresent(k); ok && e.Left(weir.At(time.Now())) > 0 && s.Live(e.Generation, &e.Of) {
		return e
	}
	if s.remote == nil {
		return nil
	}
	e := s.remote.Await(ctx, k, most)
	if e == nil || !s.Live(e.Generation, &e.Of) {
		return nil
	}
	return s.keep(k, e)
}

// Release says that no answer to a key comes of this process's request.
func (s *Store) Release(k cache.Key) {
	if s.remote != nil {
		s.remote.Release(k)
	}
}

// Generation is for new entries.
func (s *Store) Generation() cache.Generation {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.generations.Now()
}

// Live says whether an entry has not been purged.
func (s *Store) Live(at cache.Generation, of *cache.Origin) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.generations.Live(at, of)
}

// MostBody is the largest answer that is stored, in bytes.
func (s *Store) MostBody() int { return s.o.MostBody }

// Purge ends the entries that a selector names and frees their memory. n is how many this
// process had. An error after a valid selector says that other processes do not know of
// it.
func (s *Store) Purge(ctx context.Context, sel cache.Selector) (n int, err error) {
	name, err := sel.Name()
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	at := s.generations.Purge(name)
	s.mu.Unlock()
	if s.remote != nil {
		var there cache.Generation
		if there, err = s.remote.Purge(ctx, name, at); err == nil {
			s.hear(name, there)
		}
	}
	return s.sweep(), err
}

// Hear takes a purge that another process has made.
func (s *Store) Hear(name string, at cache.Generation) {
	s.hear(name, at)
	s.sweep()
}

func (s *Store) hear(name string, at cache.Generation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.generations.Hear(name, at)
}

// sweep frees what has been purged.
func (s *Store) sweep() (n int) {
	for k, e := range s.entries.All() {
		if !s.Live(e.Generation, &e.Of) {
			s.entries.Invalidate(k)
			n++
		}
	}
	return n
}

// Stats is the state of a Store.
type Stats struct {
	Entries    int
	Bytes      int64  // of them, about
	Most       int64  // bytes allowed
	Evicted    uint64 // dropped for lack of memory, or because they were too old
	Generation cache.Generation
}

// Stats returns the present state.
func (s *Store) Stats() Stats {
	return Stats{Entries: s.entries.EstimatedSize(), Bytes: int64(s.entries.WeightedSize()), Most: s.o.Bytes, Evicted: s.evicted.Load(), Generation: s.Generation()}
}
