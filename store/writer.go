package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"weir"
	"weir/meter"
)

// WriterOptions configure a Writer. Zero values take the defaults named.
type WriterOptions struct {
	Every      time.Duration // between writes; 0: 1 s. On kill -9 at most this much is lost, and the write under way
	MaxRows    int           // distinct rows held while they cannot be written; 0: meter.DefaultPending
	WriteLimit time.Duration // one write may take; 0: 30 s
	StopLimit  time.Duration // the writes at the end may take; 0: 15 s
	Log        *slog.Logger  // nil: slog.Default()
}

const (
	mostBackoff = 30 * time.Second // between attempts while the ledger fails
	complain    = time.Minute      // at most one line in the log while it does
)

// Writer carries records to a Ledger without making anybody wait for it: Add
// sums them in memory, Run writes the sums every second. What cannot be written
// (disk full, locked, read-only) is kept and tried again, waiting longer each
// time; memory stays bounded because sums coarsen (see meter.Pending), not
// because anything is dropped.
type Writer struct {
	ledger meter.Ledger
	o      WriterOptions

	mu      sync.Mutex
	filling *meter.Pending // what Add fills; swapped out by Run
	since   time.Time      // when the oldest record in filling came; zero: none

	unwritten meter.Pending // what Run could not write yet; Run's alone
	oldest    time.Time     // when the oldest record in unwritten came; Run's alone
	coarsened uint64        // in former fillings; Run's alone

	stats stats
}

// stats are what Stats reports, behind their own lock so that reading them
// never waits for anything.
type stats struct {
	sync.Mutex
	Stats
	oldest time.Time
}

// Stats says how the Writer is doing. Counters only grow.
type Stats struct {
	Rows      int           // distinct rows waiting to be written
	Lag       time.Duration // age of the oldest record not written
	Written   uint64        // rows
	Failures  uint64        // writes that failed
	Coarsened uint64        // additions that lost their names for want of room: see meter.Pending
	LastError string        // of the last write; "" when it went well
}

// NewWriter returns a Writer; records may be added at once, Run writes them.
func NewWriter(ledger meter.Ledger, o WriterOptions) *Writer {
	if o.Every <= 0 {
		o.Every = time.Second
	}
	if o.WriteLimit <= 0 {
		o.WriteLimit = 30 * time.Second
	}
	if o.StopLimit <= 0 {
		o.StopLimit = 15 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Writer{ledger: ledger, o: o, filling: &meter.Pending{Max: o.MaxRows}, unwritten: meter.Pending{Max: o.MaxRows}}
}

// Add counts one ended request. It never waits for the ledger.
func (w *Writer) Add(rec weir.Record) {
	w.mu.Lock()
	if w.since.IsZero() {
		w.since = time.Now()
	}
	w.filling.Add(rec)
	w.mu.Unlock()
}

// Run writes until ctx ends, then writes what is left; whoever calls Add must
// have stopped by then. It returns an error only if something is left that
// could not be written within StopLimit, and says how much.
func (w *Writer) Run(ctx context.Context) error {
	tick := time.NewTicker(w.o.Every)
	defer tick.Stop()
	var failing outage
	for {
		select {
		case <-ctx.Done():
			return w.last(context.WithoutCancel(ctx))
		case <-tick.C:
			now := time.Now()
			if !failing.due(now) {
				w.gather()
				continue
			}
			failing.report(w.o.Log, now, w.o.Every, w.Flush(ctx), w.unwritten.Len())
		}
	}
}

// last tries to write everything until StopLimit.
func (w *Writer) last(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.o.StopLimit)
	defer cancel()
	for {
		err := w.Flush(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return w.abandoned(err)
		case <-time.After(min(w.o.Every, time.Second)):
		}
	}
}

// abandoned says what is lost, in full, so that it can be booked by hand.
func (w *Writer) abandoned(err error) error {
	rows := w.unwritten.Take()
	var sum meter.Row
	for _, r := range rows {
		sum.Add(r)
	}
	w.unwritten.Return(rows)
	return fmt.Errorf("store: %d rows of usage could not be written within %s and are lost (%d requests, %d prompt and "+
		"%d completion tokens, %s): %w", len(rows), w.o.StopLimit, sum.Requests, sum.Prompt, sum.Completion, sum.Cost, err)
}

// Flush writes everything added before it was called. It must not run beside
// itself or Run.
func (w *Writer) Flush(ctx context.Context) error {
	w.gather()
	rows := w.unwritten.Take()
	if len(rows) == 0 {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, w.o.WriteLimit)
	defer cancel()
	err := w.ledger.Write(limited, rows)
	if err != nil {
		w.unwritten.Return(rows)
	} else {
		w.oldest = time.Time{}
	}
	w.account(len(rows), err)
	return err
}

// gather moves what Add has summed to unwritten, holding Add up only for the
// swap of a pointer.
func (w *Writer) gather() {
	fresh := &meter.Pending{Max: w.o.MaxRows}
	w.mu.Lock()
	full, since := w.filling, w.since
	w.filling, w.since = fresh, time.Time{}
	w.mu.Unlock()
	if w.oldest.IsZero() {
		w.oldest = since
	}
	w.unwritten.Return(full.Take())
	w.stats.Lock()
	defer w.stats.Unlock()
	w.coarsened += full.Coarsened()
	w.stats.Coarsened = w.coarsened + w.unwritten.Coarsened()
	w.stats.Rows, w.stats.oldest = w.unwritten.Len(), w.oldest
}

func (w *Writer) account(rows int, err error) {
	w.stats.Lock()
	defer w.stats.Unlock()
	w.stats.Rows, w.stats.oldest = w.unwritten.Len(), w.oldest
	if err != nil {
		w.stats.Failures++
		w.stats.LastError = err.Error()
		return
	}
	w.stats.Written += uint64(rows)
	w.stats.LastError = ""
}

// Stats reports how the Writer is doing; for metrics and health.
func (w *Writer) Stats() Stats {
	w.mu.Lock()
	rows, since := w.filling.Len(), w.since
	w.mu.Unlock()
	w.stats.Lock()
	defer w.stats.Unlock()
	s := w.stats.Stats
	s.Rows += rows
	if oldest := w.stats.oldest; !oldest.IsZero() {
		since = oldest
	}
	if !since.IsZero() {
		s.Lag = time.Since(since)
	}
	return s
}
