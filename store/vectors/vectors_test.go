package vectors

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"weir/cache"
	"weir/embed"
)

// sync waits until everything before it is written.
func (s *Store) sync() {
	done := make(chan struct{})
	for !s.tell(job{done: done}) {
		runtime.Gosched()
	}
	<-done
}

func key(n int) cache.Key { return cache.KeyOf(&cache.Scope{}, fmt.Append(nil, n)) }

func vector(n, size int) embed.Vector {
	data := make([]byte, 4*size)
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for at := 0; at < len(data); at += 4 {
		binary.LittleEndian.PutUint32(data[at:], r.Uint32()&^(1<<30))
	}
	return embed.Vector{Data: data, Tokens: int64(n)}
}

func opened(t *testing.T, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// fill stores the vectors from..to, some at a time.
func fill(s *Store, from, to, size int) {
	for ; from < to; from += 50 {
		var keys []cache.Key
		var vs []embed.Vector
		for n := from; n < min(from+50, to); n++ {
			keys, vs = append(keys, key(n)), append(vs, vector(n, size))
		}
		s.Put(keys, vs)
	}
}

// have counts which of the vectors from..to are found. Each is the one that was stored.
func have(t *testing.T, s *Store, from, to, size int) (n int) {
	t.Helper()
	var keys []cache.Key
	for i := from; i < to; i++ {
		keys = append(keys, key(i))
	}
	into := make([]embed.Vector, len(keys))
	s.Get(t.Context(), keys, into)
	for i, v := range into {
		if v.Data == nil {
			continue
		}
		n++
		if want := vector(from+i, size); string(v.Data) != string(want.Data) || v.Tokens != want.Tokens {
			t.Fatalf("vector %d is another one", from+i)
		}
	}
	return n
}

func TestVectorsOutliveTheProcess(t *testing.T) {
	o := Options{Path: filepath.Join(t.TempDir(), "a", "embeddings.db"), Memory: 64 << 10}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	fill(s, 0, 700, 16)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	fill(s, 700, 710, 16) // after Close: in memory only
	s = opened(t, o)
	if n := have(t, s, 0, 800, 16); n != 700 {
		t.Errorf("%d of 700 are there", n)
	}
	s.Forget([]cache.Key{key(3), key(699)})
	s.sync()
	if n := have(t, s, 0, 700, 16); n != 698 {
		t.Errorf("%d are there after two were dropped", n)
	}
}

func TestTheMemoryOfVectorsIsBounded(t *testing.T) {
	const most = 256 << 10
	s := opened(t, Options{Memory: most})
	fill(s, 0, 5000, 32)
	if st := s.Stats(); st.Bytes > most || st.Bytes < most/2 {
		t.Errorf("%+v", st)
	}
	if have(t, s, 4990, 5000, 32) != 10 || have(t, s, 0, 10, 32) != 0 {
		t.Error("the newest are not those that are kept")
	}
}

// The file has its bound too, and keeps what was stored last.
func TestTheFileOfVectorsIsBounded(t *testing.T) {
	const most = 1 << 20
	s := opened(t, Options{Path: filepath.Join(t.TempDir(), "v.db"), Memory: 1, Disk: most})
	for n := 0; n < 6000; n += 500 {
		fill(s, n, n+500, 128)
		s.sync()
		if st := s.Stats(); st.Disk > most || st.Dropped != 0 {
			t.Fatalf("%+v", st)
		}
	}
	if have(t, s, 5900, 6000, 128) != 100 || have(t, s, 0, 100, 128) != 0 {
		t.Error("the newest are not those that are kept")
	}
}

func TestAFileThatIsNoDatabaseIsSaid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v.db")
	if err := os.WriteFile(path, make([]byte, 5000), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Open(Options{Path: path}); err == nil {
		s.Close()
		t.Error("it was opened")
	} else if got := err.Error(); got[:len("open the stored embeddings in ")] != "open the stored embeddings in " {
		t.Error(got)
	}
}

// A file that cannot be written, as on a full disk, loses vectors of the file only, and says
// how many.
func TestVectorsThatAreNotWrittenAreCounted(t *testing.T) {
	s := opened(t, Options{Path: filepath.Join(t.TempDir(), "v.db"), Log: slog.New(slog.DiscardHandler)})
	if _, err := s.write.Exec("PRAGMA max_page_count = 20"); err != nil {
		t.Fatal(err)
	}
	fill(s, 0, 500, 128)
	s.sync()
	if st := s.Stats(); st.Dropped == 0 || st.Dropped > 500 || s.queued.Load() != 0 {
		t.Errorf("%+v, %d bytes wait", st, s.queued.Load())
	}
	if n := have(t, s, 0, 500, 128); n != 500 {
		t.Errorf("%d are there", n)
	}
	if _, err := s.write.Exec("PRAGMA max_page_count = 100000"); err != nil {
		t.Fatal(err)
	}
	before := s.Stats().Dropped
	fill(s, 1000, 1100, 128)
	s.sync()
	if st := s.Stats(); st.Dropped != before || s.failing.Load() {
		t.Errorf("%+v", st)
	}
}
