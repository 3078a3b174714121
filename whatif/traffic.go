package whatif

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"weir"
	"weir/trace"
)

// Traffic is the traffic of a simulation. Each run opens it, several at once,
// and gets the same traffic.
type Traffic struct {
	Path        string        // a trace, ledger or journal; "": the built-in ten recorded minutes
	From, To    time.Duration // the part to play; a To of 0: to the end
	Factor      float64       // of the rate
	Seed        uint64
	Model       string       // counted in a ledger
	Deployments []string     // of that model, counted in a journal
	Start       weir.Instant // when it began, if known

	counts []trace.Count // of a ledger or journal; nil: a trace file
	size   int64         // of the file
	length time.Duration // from its beginning to its end; 0: unknown
}

// NewTraffic detects the kind of the file.
func NewTraffic(ctx context.Context, t Traffic) (*Traffic, error) {
	if t.Path == "" {
		t.length = 10 * time.Minute
		return &t, nil
	}
	file, err := os.Open(t.Path)
	if err != nil {
		return nil, fmt.Errorf("--trace: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("--trace: %w", err)
	}
	t.size = info.Size()
	head := make([]byte, 4096)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("--trace: %w", err)
	}
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		err = t.readLedger(ctx)
	case bytes.HasPrefix(head, []byte(`{"v":`)) && bytes.Contains(head, []byte(`"observation"`)):
		err = t.readJournal(file)
	default:
		err = t.look()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", t.Path, err)
	}
	return &t, nil
}

// maxScanned bounds the files that are read through to find their length.
const maxScanned = 16 << 20

// look reads the beginning of a trace file and its length.
func (t *Traffic) look() error {
	file, err := os.Open(t.Path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := trace.NewReader(file)
	if err != nil {
		return err
	}
	if s := r.Start(); !s.IsZero() {
		t.Start = weir.At(s)
	}
	if t.size > maxScanned {
		return nil
	}
	for n := 0; ; n++ {
		a, err := r.Next()
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return ErrNoArrivals
			}
			return nil
		}
		if err != nil {
			return err
		}
		t.length = a.At
	}
}

// span is the duration of the played part; 0: unknown.
func (t *Traffic) span() time.Duration {
	end := t.length
	if n := len(t.counts); n > 0 {
		end = t.counts[n-1].At + t.counts[n-1].Over
	}
	if t.To > 0 && (end == 0 || t.To < end) {
		end = t.To
	}
	return max(0, end-t.From)
}

// sample is the interval between points of a drawing, for some hundred points.
func (t *Traffic) sample() time.Duration {
	const points = 360
	span := t.span()
	if span == 0 {
		return 0 // the simulator's own
	}
	return min(max((span/points).Round(time.Second), time.Second), 10*time.Minute)
}

// opened is a source that counts the bytes read from it.
type opened struct {
	trace.Source
	close func()
	read  *atomic.Int64
}

// open returns the traffic from its beginning, cut and scaled.
func (t *Traffic) open() (opened, error) {
	o := opened{close: func() {}, read: &atomic.Int64{}}
	var err error
	switch {
	case t.counts != nil:
		o.Source = trace.Spread(trace.Counts(t.counts), rand.New(rand.NewPCG(t.Seed, 0x636f756e)))
	case t.Path == "":
		o.Source, err = trace.AzureConversation()
	default:
		var file *os.File
		if file, err = os.Open(t.Path); err != nil {
			return o, fmt.Errorf("--trace: %w", err)
		}
		o.close = func() { file.Close() }
		o.Source, err = trace.NewReader(counted{file, o.read})
	}
	if err != nil {
		o.close()
		return o, fmt.Errorf("%s: %w", cmp.Or(t.Path, "the built-in trace"), err)
	}
	if t.From > 0 || t.To > 0 {
		o.Source = trace.Cut(o.Source, t.From, t.To)
	}
	if t.Factor != 1 {
		o.Source = trace.Scale(o.Source, t.Factor, rand.New(rand.NewPCG(t.Seed, 0x74726163)))
	}
	return o, nil
}

// all is the whole traffic in memory, for policies that know the future.
func (t *Traffic) all() ([]trace.Arrival, error) {
	o, err := t.open()
	if err != nil {
		return nil, err
	}
	defer o.close()
	return trace.ReadAll(o)
}

// done is the share of the traffic read at a moment of it.
func (t *Traffic) done(o opened, at time.Duration) float64 {
	if end := t.span(); end > 0 {
		return min(1, float64(at)/float64(end))
	}
	return min(1, float64(o.read.Load())/float64(max(t.size, 1)))
}

// Name is the file's name, or a description of the built-in traffic.
func (t *Traffic) Name() string {
	return cmp.Or(t.Path, "ten recorded minutes of an Azure conversation service")
}

// counted counts the bytes read of a file.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
