// Package peers is what the gateways on one PostgreSQL database know of each
// other: which of them is in office and scales, what all of them are asked for,
// and which replicas run. It owns the election and the exchange; the tables are
// package store's, deciding is package scale's.
//
// # Who may act, and who may not any more
//
// The one in office holds a lease by the server's clock. By its own monotonic
// clock it counts from before it asked for the lease, and less a tenth, so that
// it always believes itself out of office before another can be in it, unless
// it is stopped between looking at its clock and acting. What is written to the
// store is therefore fenced by the term's token (store.ErrNotInOffice), and the
// process place by a lock of the kernel that ends with the process. Without the
// database nobody is in office: what runs goes on, and nothing is scaled.
package peers

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"weir/store"
)

// ElectionOptions configure an Election; all but Log must be set.
type ElectionOptions struct {
	// Lease is for how long Take gives it. Who has it prolongs it three times in
	// that, who has not asks ten times: nobody is in office for 1.1 of it at
	// most when one has died.
	Lease time.Duration

	// Take asks for the lease, or prolongs it; store.ErrNotInOffice: another
	// has it. Give gives it back.
	Take func(ctx context.Context) (store.Term, error)
	Give func(ctx context.Context, t store.Term) error

	// Serve does what the one in office does until its context ends, and then
	// returns soon: until it has, this gateway stands for no other term. One
	// that returns before gives the office up.
	Serve func(ctx context.Context, t store.Term) error

	Log *slog.Logger // nil: silent
}

// Election lets one of several gateways be in office.
type Election struct {
	o  ElectionOptions
	in atomic.Pointer[office]
}

// office is a term and when it is over unless it is prolonged.
type office struct {
	term  store.Term
	until time.Time // on the monotonic clock
}

// NewElection returns an Election; Run stands in it.
func NewElection(o ElectionOptions) *Election {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Election{o: o}
}

// InOffice says whether this gateway may act now, and under which term. Ask
// right before acting.
func (e *Election) InOffice() (store.Term, bool) {
	in := e.in.Load()
	if in == nil || !time.Now().Before(in.until) {
		return store.Term{}, false
	}
	return in.term, true
}

// Run stands for office until ctx ends, and then gives it back.
func (e *Election) Run(ctx context.Context) error {
	failing := false
	for {
		wait := e.o.Lease / 10
		in, err := e.take(ctx, e.o.Lease/3)
		switch {
		case err == nil:
			failing = false
			if e.serve(ctx, in) {
				wait = 0 // the term lapsed: stand again at once
			} else {
				wait = 2 * e.o.Lease // for others to try what this one cannot
			}
		case errors.Is(err, store.ErrNotInOffice):
			failing = false
		case ctx.Err() == nil && !failing:
			failing = true
			e.o.Log.Error("no election: nobody is in office until the store answers", "error", err)
		}
		if !pause(ctx, wait) {
			return nil
		}
	}
}

// take asks for the lease, for limit at most. The time counts from before.
func (e *Election) take(ctx context.Context, limit time.Duration) (*office, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked := time.Now()
	t, err := e.o.Take(ctx)
	if err != nil {
		return nil, err
	}
	return &office{t, asked.Add(e.o.Lease - e.o.Lease/10)}, nil
}

// serve is one term, from its beginning to when it is over and Serve has
// returned; false when Serve gave it up.
func (e *Election) serve(ctx context.Context, in *office) (lapsed bool) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	e.in.Store(in)
	e.o.Log.Info("in office: this gateway scales", "holder", in.term.Holder, "token", in.term.Token)
	go func() { done <- e.o.Serve(serving, in.term) }()

	why, ended := e.prolong(ctx, in, done)
	e.in.Store(nil) // before anything else: nobody acts from here on
	stop()
	if !ended {
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			e.o.Log.Error("the end of a term", "token", in.term.Token, "error", err)
		}
	}
	e.o.Log.Info("out of office", "token", in.term.Token, "why", why)
	if ended || ctx.Err() != nil {
		giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.Lease/3)
		defer cancel()
		if err := e.o.Give(giving, in.term); err != nil {
			e.o.Log.Warn("the office could not be given back: another takes it when the lease is over", "error", err)
		}
	}
	return !ended
}

// prolong keeps the lease until it is lost, or Serve ends.
func (e *Election) prolong(ctx context.Context, in *office, done <-chan error) (why string, ended bool) {
	for {
		timer := time.NewTimer(min(e.o.Lease/3, time.Until(in.until)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return "this gateway stops", false
		case err := <-done:
			timer.Stop()
			e.o.Log.Error("the office is given up: this gateway cannot do it", "error", err)
			return "given up", true
		case <-timer.C:
		}
		left := time.Until(in.until)
		if left <= 0 {
			return "the lease could not be prolonged in time", false
		}
		next, err := e.take(ctx, min(left, e.o.Lease/3))
		switch {
		case errors.Is(err, store.ErrNotInOffice):
			return "another is in office", false
		case err != nil: // tried again while there is time
		case next.term != in.term:
			return "the lease was over", false
		default:
			in = next
			e.in.Store(in)
		}
	}
}

// pause waits for d; false when ctx has ended.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	}
}
