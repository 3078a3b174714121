package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"weir"
	"weir/meter"
	"weir/store"
)

// ledger is one in memory that can fail and hang.
type ledger struct {
	meter.Ledger
	mu     sync.Mutex
	err    error
	hang   bool
	lost   bool // the next write is kept, but its answer is lost
	last   int64
	writes int
	rows   []meter.Row
}

var errDiskFull, errConnectionLost = errors.New("disk full"), errors.New("connection lost")

func (l *ledger) Write(ctx context.Context, b meter.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writes++
	if l.hang {
		l.mu.Unlock()
		<-ctx.Done()
		l.mu.Lock()
		return ctx.Err()
	}
	if l.err != nil {
		return l.err
	}
	if b.Number > l.last {
		l.last = b.Number
		l.rows = append(l.rows, b.Rows...)
	}
	if l.lost { // kept, but no answer arrives
		l.lost = false
		return errConnectionLost
	}
	return nil
}

func (l *ledger) set(err error, hang bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err, l.hang = err, hang
}

func (l *ledger) total() (requests int64, writes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.rows {
		requests += r.Requests
	}
	return requests, l.writes
}

func record(tenant string) weir.Record {
	return weir.Record{Tenant: tenant, Model: "gpt-4o", Deployment: "ptu", Ended: weir.At(time.Now()),
		Usage: weir.Usage{Prompt: 100, Completion: 20}, Cost: 400}
}

// running starts the writer; stop ends it and returns what Run returned.
func running(t *testing.T, l meter.Ledger, o store.WriterOptions) (w *store.Writer, stop func() error) {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w = store.NewWriter(l, o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return w, func() error { cancel(); return <-ended }
}

func TestRecordsAreWrittenWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		w, stop := running(t, &l, store.WriterOptions{})
		w.Add(record("demo"))
		time.Sleep(500 * time.Millisecond)
		if s := w.Stats(); s.Rows != 1 || s.Lag != 500*time.Millisecond {
			t.Fatalf("%+v", s)
		}
		time.Sleep(501 * time.Millisecond)
		if n, _ := l.total(); n != 1 {
			t.Fatal(n)
		}
		if s := w.Stats(); s != (store.Stats{Written: 1}) {
			t.Fatalf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNothingIsWrittenWhenNothingHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		_, stop := running(t, &l, store.WriterOptions{})
		time.Sleep(time.Minute)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if _, writes := l.total(); writes != 0 {
			t.Fatal(writes)
		}
	})
}

func TestACleanStopWritesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		w, stop := running(t, &l, store.WriterOptions{})
		for i := range 500 {
			w.Add(record(fmt.Sprint(i % 7)))
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if n, _ := l.total(); n != 500 {
			t.Fatal(n)
		}
	})
}

func TestALedgerThatFailsIsTriedAgainEverMoreSlowlyAndLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		var log bytes.Buffer
		w, stop := running(t, &l, store.WriterOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
		l.set(errDiskFull, false)
		added := 0
		for range 10 * 60 {
			w.Add(record("demo"))
			added++
			time.Sleep(time.Second)
		}
		_, writes := l.total()
		if writes < 20 || writes > 30 {
			t.Fatalf("ten minutes at 1, 2, 4, 8, 16, 30, 30 ... seconds are about 24 attempts, got %d", writes)
		}
		// Ten minutes are ten rows. The minute of the batch that is tried again
		// may have a second one, as may the minute of a record not summed yet.
		if s := w.Stats(); s.Failures != uint64(writes) || s.LastError != "disk full" || s.Lag < 9*time.Minute || s.Rows < 10 || s.Rows > 12 {
			t.Fatalf("%+v", s)
		}
		if n := strings.Count(log.String(), "cannot be written"); n < 8 || n > 11 {
			t.Fatalf("about one line a minute, got %d:\n%s", n, log.String())
		}
		l.set(nil, false)
		time.Sleep(31 * time.Second)
		if s := w.Stats(); s.Rows != 0 || s.Lag != 0 || s.LastError != "" {
			t.Fatalf("%+v", s)
		}
		if n, _ := l.total(); n != int64(added) {
			t.Fatalf("%d of %d", n, added)
		}
		if !strings.Contains(log.String(), "usage can be written again") {
			t.Fatal(log.String())
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestAWriteThatWasKeptThoughItsAnswerWasLostCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		w, stop := running(t, &l, store.WriterOptions{})
		added := 0
		for range 10 {
			l.mu.Lock()
			l.lost = true
			l.mu.Unlock()
			for range 3 { // some with the batch, some while it is tried again
				w.Add(record("demo"))
				added++
				time.Sleep(700 * time.Millisecond)
			}
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if n, _ := l.total(); n != int64(added) {
			t.Fatalf("%d of %d", n, added)
		}
		if s := w.Stats(); s.Failures == 0 || s.Rows != 0 {
			t.Fatalf("%+v", s)
		}
	})
}

func TestALedgerThatHangsHoldsUpNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		l.set(nil, true)
		w, stop := running(t, &l, store.WriterOptions{WriteLimit: 20 * time.Second, MaxRows: 10})
		began := time.Now()
		w.Add(record("first"))
		time.Sleep(2 * time.Second) // the write hangs now
		for i := range 10_000 {
			w.Add(record(fmt.Sprint(i)))
		}
		if took := time.Since(began); took != 2*time.Second {
			t.Fatalf("adding took %s", took-2*time.Second)
		}
		if s := w.Stats(); s.Rows > 3*(10+1) {
			t.Fatalf("memory is bounded, got %+v", s)
		}
		l.set(nil, false)
		time.Sleep(2 * time.Minute)
		if n, _ := l.total(); n != 10_001 {
			t.Fatal(n)
		}
		if s := w.Stats(); s.Failures == 0 || s.Coarsened == 0 || s.Rows != 0 {
			t.Fatalf("%+v", s)
		}
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWhatCannotBeWrittenAtTheEndIsSaidInFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		l.set(errDiskFull, false)
		w, stop := running(t, &l, store.WriterOptions{StopLimit: 3 * time.Second})
		w.Add(record("demo"))
		w.Add(record("demo"))
		began := time.Now()
		err := stop()
		if took := time.Since(began); took != 3*time.Second {
			t.Fatal(took)
		}
		want := "store: 1 rows of usage could not be written within 3s and are lost (2 requests, 200 prompt and 40 completion tokens, $0.0008): disk full"
		if !errors.Is(err, errDiskFull) || err.Error() != want {
			t.Fatalf("got  %v\nwant %s", err, want)
		}
	})
}

func TestTheEndIsTriedAgainWhileThereIsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l ledger
		l.set(errDiskFull, false)
		w, stop := running(t, &l, store.WriterOptions{})
		w.Add(record("demo"))
		time.AfterFunc(5*time.Second, func() { l.set(nil, false) })
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if n, _ := l.total(); n != 1 {
			t.Fatal(n)
		}
	})
}

func TestRecordsAddedFromEverywhereAreAllWritten(t *testing.T) {
	var l ledger
	w, stop := running(t, &l, store.WriterOptions{Every: time.Millisecond})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 1000 {
				w.Add(record(fmt.Sprint(i)))
				w.Stats()
			}
		})
	}
	wg.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if n, _ := l.total(); n != 8000 {
		t.Fatal(n)
	}
}

func BenchmarkWriterAdd(b *testing.B) {
	w := store.NewWriter(&ledger{}, store.WriterOptions{})
	rec := record("demo")
	b.ReportAllocs()
	for b.Loop() {
		w.Add(rec)
	}
}
