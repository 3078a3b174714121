package memory

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"weir"
	"weir/cache"
)

func keyOf(n int) cache.Key { return cache.KeyOf(&cache.Scope{}, fmt.Append(nil, n)) }

func entry(size int) *cache.Entry {
	return (&cache.Entry{Body: make([]byte, size), Stored: weir.At(time.Now()), TTL: time.Hour, Of: cache.Origin{Tenant: "t", Model: "m"}}).Ready()
}

// The memory is bounded in bytes, whatever the sizes of the answers are.
func TestTheMemoryIsBoundedInBytes(t *testing.T) {
	const most = 1 << 20
	s := New(Options{Bytes: most}, nil)
	defer s.Close()
	for i := range 2000 {
		s.Put(keyOf(i), entry(100+i%50*200))
	}
	s.entries.CleanUp()
	if st := s.Stats(); st.Bytes > most || st.Entries == 0 || st.Evicted == 0 {
		t.Errorf("%+v", st)
	}
}

func TestAnOldEntryIsNotFound(t *testing.T) {
	s := New(Options{}, nil)
	defer s.Close()
	e := entry(10)
	s.Put(keyOf(1), e)
	if s.Get(t.Context(), keyOf(1), e.Stored.Add(59*time.Minute)) != e {
		t.Error("a fresh entry is not found")
	}
	if s.Get(t.Context(), keyOf(1), e.Stored.Add(time.Hour)) != nil {
		t.Error("an old entry is found")
	}
}

// shared is a Remote in memory. Its contract is Remote's.
type shared struct {
	of     map[cache.Key]*cache.Entry
	purged []string
	down   bool
}

func (r *shared) Get(_ context.Context, k cache.Key, _ weir.Instant) *cache.Entry { return r.of[k] }
func (r *shared) Put(k cache.Key, e *cache.Entry)                                 { r.of[k] = e }
func (r *shared) Await(_ context.Context, k cache.Key, _ time.Duration) *cache.Entry {
	return r.of[k]
}
func (r *shared) Release(cache.Key) {}
func (r *shared) Purge(_ context.Context, name string, least cache.Generation) (cache.Generation, error) {
	if r.down {
		return 0, errors.New("down")
	}
	r.purged = append(r.purged, name)
	return least + 5, nil
}

func TestWhatIsFoundInTheSharedStoreIsKeptHere(t *testing.T) {
	r := &shared{of: map[cache.Key]*cache.Entry{}}
	one, two := New(Options{}, r), New(Options{}, r)
	defer one.Close()
	defer two.Close()
	e := entry(10)
	one.Put(keyOf(1), e)
	if two.Get(t.Context(), keyOf(1), e.Stored) != e {
		t.Fatal("not found")
	}
	delete(r.of, keyOf(1))
	if two.Get(t.Context(), keyOf(1), e.Stored) != e {
		t.Error("it was not kept")
	}
	if n, err := one.Purge(t.Context(), cache.Selector{Model: "m"}); n != 1 || err != nil || len(r.purged) != 1 || one.Generation() != 6 {
		t.Errorf("%d, %v, %v", n, err, one.Generation())
	}
	r.of[keyOf(1)] = e
	if one.Get(t.Context(), keyOf(1), e.Stored) != nil {
		t.Error("a purged entry came back")
	}
	if two.Hear("model=m", 6); two.Get(t.Context(), keyOf(1), e.Stored) != nil {
		t.Error("the other has not heard of it")
	}
	r.down = true
	if _, err := one.Purge(t.Context(), cache.Selector{All: true}); err == nil {
		t.Error("a purge that others do not know of is no error")
	}
}
