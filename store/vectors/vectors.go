// Package vectors keeps embeddings by the hash of what they were made of: the newest in
// memory, all of them in a SQLite file, each within a bound in bytes.
//
// It owns what is dropped when a bound is reached, and the file. It refuses to know what a
// key stands for: package embed decides which texts share a vector. The file is this
// gateway's own and beside its ledger, not in it: a lost vector costs one call, so it is
// neither worth a sync for each write nor a place in a database that gateways share.
package vectors

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"weir/cache"
	"weir/embed"
	"weir/store"
)

// Options are where vectors are kept and the bounds. Zero values mean the defaults named.
type Options struct {
	Path   string       // of the file; "": in memory only
	Memory int64        // bytes; 0: 64 MiB
	Disk   int64        // bytes of the file, about; 0: 4 GiB
	Log    *slog.Logger // nil: slog.Default()
}

func (o Options) withDefaults() Options {
	if o.Memory <= 0 {
		o.Memory = 64 << 20
	}
	if o.Disk <= 0 {
		o.Disk = 4 << 30
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Store keeps vectors. It is safe for concurrent use.
type Store struct {
	o           Options
	near        *recent
	write, read *sql.DB // nil: in memory only
	one, many   *sql.Stmt

	closing sync.RWMutex // held to send to queue, and to close it
	closed  bool
	queue   chan job
	queued  atomic.Int64 // bytes in queue
	written sync.WaitGroup

	dropped atomic.Uint64
	failing atomic.Bool // the file cannot be read or written; it was said
}

// maxQueued bounds the vectors that wait for the disk, in bytes; maxJobs bounds their
// requests. Beyond them a vector is kept in memory only.
const (
	maxQueued = 64 << 20
	maxJobs   = 1024
)

// job is what the file is to be told.
type job struct {
	keys    []cache.Key
	vectors []embed.Vector // nil: the keys were used, or are to be forgotten
	forget  bool
	done    chan struct{} // closed when all before it is written; nil: no caller waits
}

const schema = `
CREATE TABLE IF NOT EXISTS vector (key BLOB NOT NULL UNIQUE, data BLOB NOT NULL, tokens INTEGER NOT NULL, used INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS vector_used ON vector (used);`

// Open opens the file, and creates it if needed.
func Open(o Options) (*Store, error) {
	s := &Store{o: o.withDefaults()}
	s.near = newRecent(s.o.Memory)
	if s.o.Path == "" {
		return s, nil
	}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open the stored embeddings in %s: %w: a damaged file can be deleted, its vectors are then asked for again", s.o.Path, err)
	}
	s.queue = make(chan job, maxJobs)
	s.written.Go(s.run)
	return s, nil
}

func (s *Store) open() (err error) {
	if s.write, s.read, err = store.OpenFile(s.o.Path, "NORMAL"); err != nil {
		return err
	}
	if _, err = s.write.Exec(schema); err == nil {
		if s.one, err = s.read.Prepare(selectOf(1)); err == nil {
			s.many, err = s.read.Prepare(selectOf(perQuery))
		}
	}
	if err != nil {
		err = errors.Join(err, s.write.Close(), s.read.Close())
	}
	return err
}

// Close writes what waits, and closes the file. What is stored later is kept in memory.
func (s *Store) Close() error {
	if s.write == nil {
		return nil
	}
	s.closing.Lock()
	s.closed = true
	close(s.queue)
	s.closing.Unlock()
	s.written.Wait()
	return errors.Join(s.one.Close(), s.many.Close(), s.read.Close(), s.write.Close())
}

// Get fills into[i] with the vector of keys[i] where into[i] has none.
func (s *Store) Get(ctx context.Context, keys []cache.Key, into []embed.Vector) {
	if far := s.near.get(keys, into); len(far) > 0 && s.write != nil {
		if err := s.find(ctx, keys, far, into); err != nil && ctx.Err() == nil {
			s.failed("read", err)
		}
	}
}

// Put stores vectors.
func (s *Store) Put(keys []cache.Key, vectors []embed.Vector) {
	size := int64(0)
	for i, k := range keys {
		s.near.put(k, vectors[i])
		size += int64(len(vectors[i].Data))
	}
	if s.write == nil {
		return
	}
	if s.queued.Add(size) > maxQueued {
		s.queued.Add(-size)
		s.dropped.Add(uint64(len(keys)))
		return
	}
	j := job{keys: append([]cache.Key(nil), keys...), vectors: append([]embed.Vector(nil), vectors...)}
	if !s.tell(j) {
		s.queued.Add(-size)
		s.dropped.Add(uint64(len(keys)))
	}
}

// tell gives the writer a job; false: it has too many, or has ended.
func (s *Store) tell(j job) bool {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.closed {
		return false
	}
	select {
	case s.queue <- j:
		return true
	default:
		return false
	}
}

// Forget drops vectors, from the file a little later.
func (s *Store) Forget(keys []cache.Key) {
	s.near.forget(keys)
	if s.write == nil {
		return
	}
	if !s.tell(job{keys: append([]cache.Key(nil), keys...), forget: true}) {
		s.dropped.Add(uint64(len(keys)))
	}
}

// Stats is the state of a Store.
type Stats struct {
	Entries int    // in memory
	Bytes   int64  // of them, about
	Disk    int64  // bytes of the file that are in use
	Dropped uint64 // vectors that did not come into the file: it was too slow, or could not be written
}

// Stats returns the present state.
func (s *Store) Stats() (st Stats) {
	st.Entries, st.Bytes = s.near.size()
	st.Dropped = s.dropped.Load()
	if s.read != nil {
		st.Disk, _ = used(s.read)
	}
	return st
}

// failed logs the first of a row of failures: vectors are then asked for again.
func (s *Store) failed(what string, err error) {
	if s.failing.CompareAndSwap(false, true) {
		s.o.Log.Error("stored embeddings cannot be "+what, "path", s.o.Path, "error", err)
	}
}

// today is when a vector was used, in days: fine enough to tell old from new.
func today() int64 { return time.Now().Unix() / 86400 }
