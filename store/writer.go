package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"weir"
	"weir/meter"
)

// WriterOptions configure a Writer. Zero values take the defaults given.
type WriterOptions struct {
	Every      time.Duration // between writes; 0: 1 s. A kill -9 loses at most this much, and the write under way
	MaxRows    int           // distinct rows held while they cannot be written, three times: see Writer; 0: meter.DefaultPending
	WriteLimit time.Duration // one write may take; 0: 30 s
	StopLimit  time.Duration // the writes at the end may take; 0: 15 s
	Log        *slog.Logger  // nil: slog.Default()
}

const (
	mostBackoff = 30 * time.Second // between attempts while the ledger fails
	complain    = time.Minute      // at most one log line in this time while it does
)

// Writer carries records to a Ledger and makes no caller wait for it: Add sums
// them in memory, Run writes the sums every second. Rows that cannot be written
// (disk full, locked, read-only) are kept and tried again, with a longer wait
// each time. Memory stays bounded because sums coarsen (see meter.Pending), not
// because anything is dropped.
//
// A failed write may still have been kept: the connection may have been lost
// after the commit. Its batch is therefore tried again unchanged, under the
// same number, until it succeeds, and later records wait for the next batch. At
// most three times MaxRows are held: the rows that Add fills, those that wait,
// and the batch under way.
type Writer struct {
	ledger meter.Ledger
	o      WriterOptions
	name   string // of this run; no other Writer ever has it

	mu      sync.Mutex
	filling *meter.Pending // filled by Add; swapped out by Run
	since   time.Time      // when the oldest record in filling came; zero: none

	// Used by Run alone:
	batch     meter.Batch   // under way, or kept for another attempt; no rows: none
	began     time.Time     // when the oldest record in batch came
	unwritten meter.Pending // waits for the batch to be written
	oldest    time.Time     // when the oldest record in unwritten came
	coarsened uint64        // in earlier fillings

	stats stats
}

// stats are the values of Stats, behind their own lock: reading them never
// waits for a write.
type stats struct {
	sync.Mutex
	Stats
	oldest time.Time
}

// Stats is the state of the Writer. Counters only grow.
type Stats struct {
	Rows      int           // distinct rows waiting to be written
	Lag       time.Duration // age of the oldest unwritten record
	Written   uint64        // rows
	Failures  uint64        // writes that failed
	Coarsened uint64        // additions whose names were dropped because there was no room: see meter.Pending
	LastError string        // of the last write; "" if it succeeded
}

// NewWriter returns a Writer; records may be added at once; Run writes them.
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
	return &Writer{ledger: ledger, o: o, name: rand.Text(), filling: &meter.Pending{Max: o.MaxRows}, unwritten: meter.Pending{Max: o.MaxRows}}
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

// Run writes until ctx ends, then writes the rest; callers of Add must have
// stopped by then. It returns an error only if rows could not be written within
// StopLimit, and says how many.
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
			failing.report(w.o.Log, now, w.o.Every, w.Flush(ctx), w.held())
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

// abandoned reports the lost rows in full: an operator can then book them by
// hand.
func (w *Writer) abandoned(err error) error {
	rows := append(w.unwritten.Take(), w.batch.Rows...)
	var sum meter.Row
	for _, r := range rows {
		sum.Add(r)
	}
	return fmt.Errorf("store: %d rows of usage could not be written within %s and are lost (%d requests, %d prompt and "+
		"%d completion tokens, %s): %w", len(rows), w.o.StopLimit, sum.Requests, sum.Prompt, sum.Completion, sum.Cost, err)
}

// Flush writes everything added before the call. It must not run beside itself
// or Run.
func (w *Writer) Flush(ctx context.Context) error {
	w.gather()
	for w.held() > 0 {
		if len(w.batch.Rows) == 0 {
			w.batch = meter.Batch{Writer: w.name, Number: w.batch.Number + 1, Rows: w.unwritten.Take()}
			w.began, w.oldest = w.oldest, time.Time{}
		}
		if err := w.send(ctx); err != nil {
			return err
		}
	}
	return nil
}

// send tries to write the batch.
func (w *Writer) send(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, w.o.WriteLimit)
	defer cancel()
	err := w.ledger.Write(limited, w.batch)
	rows := len(w.batch.Rows)
	if err == nil {
		w.batch.Rows, w.began = nil, time.Time{}
	}
	w.account(rows, err)
	return err
}

// held is how many rows Run has taken over and not written.
func (w *Writer) held() int { return len(w.batch.Rows) + w.unwritten.Len() }

// waitingSince is the time of the oldest unwritten record.
func (w *Writer) waitingSince() time.Time {
	if !w.began.IsZero() {
		return w.began
	}
	return w.oldest
}

// gather moves the sums of Add to unwritten. It holds up Add only for the swap
// of a pointer.
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
	w.stats.Rows, w.stats.oldest = w.held(), w.waitingSince()
}

func (w *Writer) account(rows int, err error) {
	w.stats.Lock()
	defer w.stats.Unlock()
	w.stats.Rows, w.stats.oldest = w.held(), w.waitingSince()
	if err != nil {
		w.stats.Failures++
		w.stats.LastError = err.Error()
		return
	}
	w.stats.Written += uint64(rows)
	w.stats.LastError = ""
}

// Stats reports the Writer's state, for metrics and health.
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
