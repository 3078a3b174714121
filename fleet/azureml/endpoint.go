package azureml

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// endpoint is one managed online endpoint, where one operation at a time may run.
// Its goroutine (run) alone reads and writes it.
type endpoint struct {
	f    *Fleet
	at   at
	wake chan struct{}
	stop context.CancelFunc // the Fleet's lock; nil: not running

	mu      sync.Mutex
	targets []*target

	// Of the goroutine.
	op     *operation           // of this Weir; nil: none
	first  int                  // the target that is next to be written
	looked map[string]time.Time // when another writer was looked for, by deployment
	said   string               // the last trouble that was logged
	lost   lostWrites
}

// lostWrites are those that came to no answer, or to one that says nothing of them.
type lostWrites struct {
	times int       // in a row
	until time.Time // before it none is sent
	why   error     // of the last
}

func newEndpoint(f *Fleet, at at) *endpoint {
	return &endpoint{f: f, at: at, wake: make(chan struct{}, 1), looked: map[string]time.Time{}}
}

func (e *endpoint) set(ts []*target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.targets = ts
}

func (e *endpoint) all() []*target {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.targets)
}

// run looks and acts until ctx ends.
func (e *endpoint) run(ctx context.Context) {
	for ctx.Err() == nil {
		pause, rest := e.turn(ctx)
		if rest > 0 { // no one wakes it before Azure may be asked again
			sleep(ctx, rest, nil)
		}
		if pause > rest {
			sleep(ctx, pause-rest, e.wake)
		}
	}
}

// sleep ends after a time, with ctx, or when it is woken.
func sleep(ctx context.Context, span time.Duration, woken <-chan struct{}) {
	timer := time.NewTimer(span)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-woken:
	}
}

// turn is one look and at most one write. It returns after which pause to look
// again, and how much of it Azure wants to be left alone.
func (e *endpoint) turn(ctx context.Context) (pause, rest time.Duration) {
	p := e.f.o.Pace
	leads := e.f.leads()
	if !leads {
		for _, t := range e.all() {
			t.follow()
		}
	}
	rest, err := e.follow(ctx)
	if err == nil || status(err) != statusThrottled {
		if seen := e.look(ctx); err == nil {
			err = seen
		}
	}
	if err == nil && ctx.Err() == nil && leads {
		err = e.act(ctx)
	}
	if ctx.Err() != nil {
		return 0, 0
	}
	rest = max(rest, e.trouble(err))
	for _, t := range e.all() {
		e.f.changes.Publish(t.named())
	}
	if e.op != nil || e.restless() {
		return max(p.Busy, rest), rest
	}
	return max(p.Idle, rest), rest
}

// trouble says an error once, and returns how long Azure wants to be left alone.
func (e *endpoint) trouble(err error) time.Duration {
	text := ""
	var wait time.Duration
	var access error
	switch {
	case err != nil:
		known, _ := e.f.calls.account.Explain(err)
		wait, text = known.RetryAfter, e.f.calls.account.Reason(err)
		access = errors.New(text)
	case time.Now().Before(e.lost.until):
		access = e.lost.why
	}
	for _, t := range e.all() {
		t.mu.Lock()
		t.access = access
		t.mu.Unlock()
	}
	if text != e.said && text != "" {
		e.f.o.Log.Warn("the endpoint cannot be read or changed", "endpoint", e.at.Workspace+"/"+e.at.Endpoint, "error", text)
	}
	e.said = text
	return wait
}

// restless says whether something is to come soon.
func (e *endpoint) restless() bool {
	for _, t := range e.all() {
		if t.restless() {
			return true
		}
	}
	return false
}

// look reads the endpoint and its deployments.
func (e *endpoint) look(ctx context.Context) error {
	v, err := e.f.calls.endpoint(ctx, e.at)
	if notThere(err) { // and its deployments went with it
		for _, t := range e.all() {
			t.learn(view{}, e.pending(t))
		}
		return fmt.Errorf("there is no endpoint %s in workspace %s", e.at.Endpoint, e.at.Workspace)
	}
	if err != nil {
		return err
	}
	for _, t := range e.all() {
		d, err := e.f.calls.deployment(ctx, e.at, t.name)
		if errors.Is(err, errUnmanaged) {
			t.misfit(err)
			continue
		}
		if err != nil {
			return err
		}
		d.url = v.url
		t.misfit(nil)
		t.learn(d, e.pending(t))
	}
	return nil
}

// pending says whether an operation of this Weir is under way for a deployment.
func (e *endpoint) pending(t *target) bool { return e.op != nil && e.op.t == t }
