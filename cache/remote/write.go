package remote

import (
	"context"
	"errors"
	"time"

	"github.com/redis/rueidis"

	"weir"
	"weir/cache"
)

// write is an answer to be stored; nil: only the lease goes.
type write struct {
	k cache.Key
	e *cache.Entry
}

// Put stores an entry, and ends this gateway's lease of the key. It does not wait.
func (s *Store) Put(k cache.Key, e *cache.Entry) { s.enqueue(write{k, e}) }

// Release ends this gateway's lease of a key whose answer is not stored. It does not wait.
func (s *Store) Release(k cache.Key) {
	s.mu.Lock()
	_, mine := s.claims[k]
	s.mu.Unlock()
	if mine {
		s.enqueue(write{k, nil})
	}
}

func (s *Store) enqueue(w write) {
	if s.ready() != nil && s.fits(w) {
		return
	}
	s.unclaim(w.k) // it runs out by itself
	if w.e != nil {
		s.count.dropped.Add(1)
	}
}

// fits puts a write in the queue, unless too much waits there.
func (s *Store) fits(w write) bool {
	if s.queued.Add(w.size()) <= maxQueued {
		select {
		case s.writes <- w:
			return true
		default:
		}
	}
	s.queued.Add(-w.size())
	return false
}

// size is what a write counts in maxQueued.
func (w write) size() int64 {
	if w.e == nil {
		return 0
	}
	return int64(len(w.e.Body))
}

// write writes until ctx ends.
func (s *Store) write(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case w := <-s.writes:
			s.queued.Add(-w.size())
			s.store(ctx, w)
		}
	}
}

func (s *Store) store(ctx context.Context, w write) {
	mine := s.unclaim(w.k)
	c := s.ready()
	if c == nil {
		if w.e != nil {
			s.count.dropped.Add(1)
		}
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if w.e != nil {
		if err := s.set(ctx, c, w); err != nil {
			s.refused(err)
		} else {
			s.count.stored.Add(1)
		}
	}
	if mine {
		releaseLua.Exec(ctx, c, []string{s.key("asks", w.k)}, []string{s.id})
	}
}

// set writes an entry. A large one is written when another gateway has made it before:
// most prompts come once.
func (s *Store) set(ctx context.Context, c rueidis.Client, w write) error {
	left := w.e.Left(weir.At(time.Now())).Milliseconds()
	if left <= 0 {
		return nil
	}
	key := s.key("answer", w.k)
	if len(w.e.Body) >= bigBody {
		err := c.Do(ctx, c.B().Set().Key(key).Value(seen).Nx().PxMilliseconds(left).Build()).Error()
		if !rueidis.IsRedisNil(err) {
			return err
		}
	}
	v, err := w.e.Append(nil, w.k, func(dst, body []byte) []byte { return s.pack.EncodeAll(body, dst) })
	if err != nil {
		return err
	}
	return c.Do(ctx, c.B().Set().Key(key).Value(rueidis.BinaryString(v)).PxMilliseconds(left).Build()).Error()
}

// refused notes a write that Redis has not taken. The first of several is logged.
func (s *Store) refused(err error) {
	s.count.failed.Add(1)
	var refusal *rueidis.RedisError
	if !errors.As(err, &refusal) {
		return // the probes say whether it is away
	}
	s.mu.Lock()
	first := s.status.Error != refusal.Error()
	s.status.Error = refusal.Error()
	s.mu.Unlock()
	if first {
		s.o.Log.Warn("redis takes no answers: each gateway has its own only; give it more memory, or maxmemory-policy volatile-lfu", "error", err)
	}
}
