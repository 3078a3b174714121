// Package peers connects the gateways on one PostgreSQL database: it elects the
// leader, which scales, sums their demand, and publishes the running replicas.
// It owns the election and the exchange; the tables belong to package store,
// deciding to package scale.
//
// # When the leader may act
//
// The leader's lease runs by the server's clock. The leader counts it by its
// own monotonic clock from before its request, and takes off a tenth. It
// therefore always stops before another gateway can become the leader, unless
// it is frozen between reading its clock and acting. For that case writes to
// the store are fenced by the term's token (store.ErrNotLeader), and the
// process place by a kernel lock that ends with the process. Without the
// database there is no leader: replicas keep running, and nothing is scaled.
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
	// Lease is the duration that Take grants. The leader renews it three times
	// within it, the others try to take it ten times. After the death of a
	// leader there is none for at most 1.1 times Lease.
	Lease time.Duration

	// Take acquires or renews the lease; store.ErrNotLeader: another gateway
	// holds it. Give releases it.
	Take func(ctx context.Context) (store.Term, error)
	Give func(ctx context.Context, t store.Term) error

	// Serve runs the leader's work until its context ends, and then returns
	// soon: until it has, this gateway is no candidate for another term. If it
	// returns earlier, the gateway gives up the lease.
	Serve func(ctx context.Context, t store.Term) error

	Log *slog.Logger // nil: silent
}

// Election makes one of several gateways the leader.
type Election struct {
	o  ElectionOptions
	in atomic.Pointer[tenure]
}

// tenure is a term, and when it ends unless it is renewed.
type tenure struct {
	term  store.Term
	until time.Time // on the monotonic clock
}

// NewElection returns an Election; Run takes part in it.
func NewElection(o ElectionOptions) *Election {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Election{o: o}
}

// Leader returns the term under which this gateway may act now; false while it
// is not the leader. Call it right before acting.
func (e *Election) Leader() (store.Term, bool) {
	in := e.in.Load()
	if in == nil || !time.Now().Before(in.until) {
		return store.Term{}, false
	}
	return in.term, true
}

// Run takes part in the election until ctx ends, then releases the lease.
func (e *Election) Run(ctx context.Context) error {
	failing := false
	for {
		wait := e.o.Lease / 10
		in, err := e.take(ctx, e.o.Lease/3)
		switch {
		case err == nil:
			failing = false
			if e.serve(ctx, in) {
				wait = 0 // the term ended: try again at once
			} else {
				wait = 2 * e.o.Lease // time for gateways that may be able to serve
			}
		case errors.Is(err, store.ErrNotLeader):
			failing = false
		case ctx.Err() == nil && !failing:
			failing = true
			e.o.Log.Error("no leader: the store does not answer", "error", err)
		}
		if !pause(ctx, wait) {
			return nil
		}
	}
}

// take requests the lease, within limit. The tenure counts from before the
// request.
func (e *Election) take(ctx context.Context, limit time.Duration) (*tenure, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	asked := time.Now()
	t, err := e.o.Take(ctx)
	if err != nil {
		return nil, err
	}
	return &tenure{t, asked.Add(e.o.Lease - e.o.Lease/10)}, nil
}

// serve is one term, until it has ended and Serve has returned; false if Serve
// gave it up.
func (e *Election) serve(ctx context.Context, in *tenure) (lapsed bool) {
	serving, stop := context.WithCancel(ctx)
	defer stop()
	done := make(chan error, 1)
	e.in.Store(in)
	e.o.Log.Info("this gateway is the leader and scales", "holder", in.term.Holder, "token", in.term.Token)
	go func() { done <- e.o.Serve(serving, in.term) }()

	why, ended := e.prolong(ctx, in, done)
	e.in.Store(nil) // before anything else: no action of this term starts from here on
	stop()
	if !ended {
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			e.o.Log.Error("ending a term", "token", in.term.Token, "error", err)
		}
	}
	e.o.Log.Info("no longer the leader", "token", in.term.Token, "why", why)
	if ended || ctx.Err() != nil {
		giving, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.o.Lease/3)
		defer cancel()
		if err := e.o.Give(giving, in.term); err != nil {
			e.o.Log.Warn("the lease could not be released: another gateway takes over when it expires", "error", err)
		}
	}
	return !ended
}

// prolong renews the lease until it is lost or Serve ends.
func (e *Election) prolong(ctx context.Context, in *tenure, done <-chan error) (why string, ended bool) {
	for {
		timer := time.NewTimer(min(e.o.Lease/3, time.Until(in.until)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return "this gateway is stopping", false
		case err := <-done:
			timer.Stop()
			e.o.Log.Error("giving up the lease: this gateway cannot act as the leader", "error", err)
			return "given up", true
		case <-timer.C:
		}
		left := time.Until(in.until)
		if left <= 0 {
			return "the lease could not be renewed in time", false
		}
		next, err := e.take(ctx, min(left, e.o.Lease/3))
		switch {
		case errors.Is(err, store.ErrNotLeader):
			return "another gateway is the leader", false
		case err != nil: // tried again while there is time
		case next.term != in.term:
			return "the lease expired", false
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
