package kubernetes_test

import (
	"context"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"weir/load"
	"weir/trace"
)

// traffic is callers that ask a gateway at a steady rate whatever the answers: an
// open loop, counted by package load as they see it. Each answer has 40 tokens, which
// take an engine of the tests (speed) about a second and a half.
type traffic struct {
	t     *testing.T
	name  string
	every atomic.Int64 // between two requests
	next  time.Duration
	over  atomic.Bool
	ended chan struct{}
	got   *load.Result
	err   error
}

// traffic starts callers at a gateway. They are counted by seen.
func (g *gateway) traffic(perSecond float64) *traffic {
	f := &traffic{t: g.w.T, name: g.name, ended: make(chan struct{})}
	f.rate(perSecond)
	go func() {
		defer close(f.ended)
		f.got, f.err = load.Play(context.Background(), load.Options{URL: g.url, Key: callerKey, Model: "m", Source: f, Timeout: time.Minute})
	}()
	g.w.Cleanup(func() { f.over.Store(true); <-f.ended })
	return f
}

func (f *traffic) rate(perSecond float64) { f.every.Store(int64(float64(time.Second) / perSecond)) }

// Next is the source that load plays.
func (f *traffic) Next() (trace.Arrival, error) {
	if f.over.Load() {
		return trace.Arrival{}, io.EOF
	}
	f.next += time.Duration(f.every.Load())
	return trace.Arrival{At: f.next, Prompt: 20, Output: 40}, nil
}

// seen stops the callers, waits for the last answer, and says what they saw.
func (f *traffic) seen() *load.Result {
	f.t.Helper()
	f.over.Store(true)
	<-f.ended
	if f.err != nil {
		f.t.Fatal(f.err)
	}
	r := f.got
	f.t.Logf("callers of %s saw %d answers, %d refused, %d failed %v; first token after %v at most", f.name, r.Completed, r.Refused, r.Failed, r.Errors, r.TTFT.Quantile(1))
	if r.Skipped > 0 {
		f.t.Errorf("%d requests were not sent", r.Skipped)
	}
	return r
}

// allAnswered fails the test unless every request got its whole answer, of at
// least so many that it says something.
func (f *traffic) allAnswered(least int) {
	f.t.Helper()
	if r := f.seen(); r.Completed != r.Arrived || r.Completed < least {
		f.t.Errorf("%d of %d requests were answered, %d refused (%v), %d failed (%v); want all, and at least %d",
			r.Completed, r.Arrived, r.Refused, r.Statuses, r.Failed, r.Errors, least)
	}
}
