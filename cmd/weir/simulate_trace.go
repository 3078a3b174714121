package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"weir"
	"weir/control"
	"weir/meter"
	"weir/plan"
	"weir/store"
	"weir/trace"
)

// traffic is what a simulation plays. It can be opened as often as there are
// runs, several times at once, and is the same each time.
type traffic struct {
	path        string // "": the recorded ten minutes that are built in
	from, to    time.Duration
	factor      float64
	seed        uint64
	model       string   // whose part of a ledger it is
	deployments []string // of that model: whose part of a journal

	counts []trace.Count // of a ledger or journal; nil: a trace file
	start  weir.Instant  // when it began, where that is known
	size   int64         // of the file
	length time.Duration // from its beginning to its end; 0: not known
}

// newTraffic looks at what kind of file it is.
func newTraffic(ctx context.Context, t traffic) (*traffic, error) {
	if t.path == "" {
		t.length = 10 * time.Minute
		return &t, nil
	}
	file, err := os.Open(t.path)
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
		return nil, fmt.Errorf("%s: %w", t.path, err)
	}
	return &t, nil
}

// maxScanned bounds the files that are read through to know their length.
const maxScanned = 16 << 20

// look reads when a trace file says it began, and how long it is.
func (t *traffic) look() error {
	file, err := os.Open(t.path)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := trace.NewReader(file)
	if err != nil {
		return err
	}
	if s := r.Start(); !s.IsZero() {
		t.start = weir.At(s)
	}
	if t.size > maxScanned {
		return nil
	}
	for {
		a, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		t.length = a.At
	}
}

// span is how long what is played lasts; 0: not known.
func (t *traffic) span() time.Duration {
	end := t.length
	if n := len(t.counts); n > 0 {
		end = t.counts[n-1].At + t.counts[n-1].Over
	}
	if t.to > 0 && (end == 0 || t.to < end) {
		end = t.to
	}
	return max(0, end-t.from)
}

// sample is how far the points of a drawing are apart: some hundred of them.
func (t *traffic) sample() time.Duration {
	const points = 360
	span := t.span()
	if span == 0 {
		return 0 // the simulator's own
	}
	return min(max((span/points).Round(time.Second), time.Second), 10*time.Minute)
}

// opened is a source that knows how far it has been read.
type opened struct {
	trace.Source
	close func()
	read  *atomic.Int64
}

// open returns the traffic from its beginning, cut and multiplied.
func (t *traffic) open() (opened, error) {
	o := opened{close: func() {}, read: &atomic.Int64{}}
	var err error
	switch {
	case t.counts != nil:
		o.Source = trace.Spread(trace.Counts(t.counts), rand.New(rand.NewPCG(t.seed, 0x636f756e)))
	case t.path == "":
		o.Source, err = trace.AzureConversation()
	default:
		var file *os.File
		if file, err = os.Open(t.path); err != nil {
			return o, fmt.Errorf("--trace: %w", err)
		}
		o.close = func() { file.Close() }
		o.Source, err = trace.NewReader(counted{file, o.read})
	}
	if err != nil {
		o.close()
		return o, fmt.Errorf("%s: %w", orName(t.path, "the built-in trace"), err)
	}
	if t.from > 0 || t.to > 0 {
		o.Source = trace.Cut(o.Source, t.from, t.to)
	}
	if t.factor != 1 {
		o.Source = trace.Scale(o.Source, t.factor, rand.New(rand.NewPCG(t.seed, 0x74726163)))
	}
	return o, nil
}

// all is the whole traffic in memory, for those that see the future.
func (t *traffic) all() ([]trace.Arrival, error) {
	o, err := t.open()
	if err != nil {
		return nil, err
	}
	defer o.close()
	return trace.ReadAll(o)
}

// done says which share of the traffic was read at a moment of it.
func (t *traffic) done(o opened, at time.Duration) float64 {
	if end := t.span(); end > 0 {
		return min(1, float64(at)/float64(end))
	}
	return min(1, float64(o.read.Load())/float64(max(t.size, 1)))
}

func (t *traffic) name() string {
	return orName(t.path, "ten recorded minutes of an Azure conversation service")
}

// counted counts what is read of a file.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// readLedger counts what a ledger holds of the model, by the minute.
func (t *traffic) readLedger(ctx context.Context) (err error) {
	s, err := store.Open(t.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	q := meter.Query{Model: t.model, AllTenants: true, AllDeployments: true, Limit: plan.MaxMinutes}
	rows, err := s.Usage(ctx, q)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("the ledger has no usage of model %q: say with --trace-of whose is meant", t.model)
	}
	first := rows[0].Minute
	t.start = weir.Instant(first * int64(time.Minute))
	for _, r := range rows {
		c := trace.Count{At: time.Duration(r.Minute-first) * time.Minute, Over: time.Minute, Requests: int(r.Requests)}
		// Tokens are of those that were let in; the refused ones are taken to be like them.
		if in := r.Requests - r.Refused; in > 0 {
			c.Prompt, c.Output = int(r.Prompt*r.Requests/in), int(r.Completion*r.Requests/in)
		}
		t.counts = append(t.counts, c)
	}
	return nil
}

// journalLine is the part of a journal's line that says what arrived.
type journalLine struct {
	Version     int    `json:"v"`
	Deployment  string `json:"deployment"`
	Observation struct {
		Now       weir.Instant  `json:"now"`
		SignalAge time.Duration `json:"signal_age"`
		Arrived   uint64        `json:"arrived"`
		Prompt    uint64        `json:"arrived_prompt"`
		Output    uint64        `json:"arrived_output"`
	} `json:"observation"`
}

// afterRestart is how long before the first line of a scaler that was started
// anew what it has counted can have arrived.
const afterRestart = 10 * time.Second

// readJournal counts what arrived between the lines of one deployment, which
// knows of all that its model is asked.
func (t *traffic) readJournal(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 64<<10), 64<<20)
	var last journalLine
	var names []string
	torn := 0 // the line that could not be read; the last one may be
	for n := 1; lines.Scan(); n++ {
		var line journalLine
		switch err := json.Unmarshal(lines.Bytes(), &line); {
		case torn > 0:
			return fmt.Errorf("journal line %d is no line of a journal", torn)
		case err != nil:
			torn = n
			continue
		case line.Version != control.Version:
			return fmt.Errorf("journal line %d is of version %d, this reads %d", n, line.Version, control.Version)
		}
		if !slices.Contains(names, line.Deployment) {
			names = append(names, line.Deployment)
		}
		switch {
		case last.Deployment == "" && slices.Contains(t.deployments, line.Deployment):
			t.start, last = line.seen(), line
		case last.Deployment != "" && last.Deployment == line.Deployment:
			t.between(&last, &line)
			last = line
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if len(t.counts) == 0 {
		return fmt.Errorf("nothing arrived for model %s; the journal is of %s: say with --trace-of whose is meant", t.model, strings.Join(names, ", "))
	}
	return nil
}

// seen is when the figures of the line were taken.
func (l *journalLine) seen() weir.Instant { return l.Observation.Now.Add(-l.Observation.SignalAge) }

// between counts what arrived from one line to the next. Totals that have
// shrunk are those of a gateway that was started anew.
func (t *traffic) between(last, line *journalLine) {
	from, to := last.seen(), line.seen()
	was, is := last.Observation, line.Observation
	if is.Arrived < was.Arrived {
		was.Arrived, was.Prompt, was.Output = 0, 0, 0
		from = max(from, to.Add(-afterRestart))
	}
	if is.Arrived == was.Arrived || to < from {
		return
	}
	t.counts = append(t.counts, trace.Count{
		At: from.Sub(t.start), Over: to.Sub(from),
		Requests: int(is.Arrived - was.Arrived), Prompt: int(is.Prompt - was.Prompt), Output: int(is.Output - was.Output),
	})
}
