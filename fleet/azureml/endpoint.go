package azureml

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
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
	looked map[string]time.Time // when another writer was looked for, by deployment
	said   string               // the last trouble that was logged
}

// operation is a write of this Weir that Azure carries out.
type operation struct {
	t     *target
	what  act
	to    int
	began time.Time
	poll  poll
}

func newEndpoint(f *Fleet, at at) *endpoint {
	return &endpoint{f: f, at: at, wake: make(chan struct{}, 1), looked: map[string]time.Time{}}
}

func (e *endpoint) set(ts []*target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.targets = ts
}

func (e *endpoint) add(t *target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.targets = append(e.targets, t)
}

func (e *endpoint) all() []*target {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.targets)
}

// run looks and acts until ctx ends.
func (e *endpoint) run(ctx context.Context) {
	for {
		pause := e.turn(ctx)
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-e.wake:
			timer.Stop()
		}
	}
}

// turn is one look and at most one write. It returns when to look again.
func (e *endpoint) turn(ctx context.Context) time.Duration {
	p := e.f.o.Pace
	asked, err := e.follow(ctx)
	if err == nil {
		err = e.look(ctx)
	}
	if err == nil && ctx.Err() == nil {
		err = e.act(ctx)
	}
	if ctx.Err() != nil {
		return 0
	}
	wait := e.trouble(err)
	for _, t := range e.all() {
		e.f.publish(t.named())
	}
	if e.op != nil || e.restless() {
		return max(p.Busy, asked, wait)
	}
	return max(p.Idle, wait)
}

// trouble says an error once, and returns how long Azure wants to be left alone.
func (e *endpoint) trouble(err error) time.Duration {
	text := ""
	var wait time.Duration
	var access error
	if err != nil {
		known, _ := e.f.calls.account.Explain(err)
		wait, text = known.RetryAfter, e.f.calls.account.Reason(err)
		access = fmt.Errorf("%s", text)
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

// follow asks how the operation under way is going.
func (e *endpoint) follow(ctx context.Context) (again time.Duration, err error) {
	if e.op == nil {
		return 0, nil
	}
	done, again, failed, err := e.op.poll(ctx)
	if notThere(err) { // Azure has forgotten it: the state of the deployment says how it ended
		done, err = true, nil
	}
	if err != nil || !done {
		return again, err
	}
	op := e.op
	e.op = nil
	if failed != nil {
		why := e.why(ctx, op.t, failed)
		op.t.failed(op.what, why, time.Now())
		e.f.o.Log.Warn("Azure could not change the instances", "deployment", op.t.named(), "to", op.to, "why", why.why, "error", why.text)
		return 0, nil
	}
	e.f.o.Log.Info("Azure has changed the instances", "deployment", op.t.named(), "to", op.to, "after", time.Since(op.began).Round(time.Second))
	return 0, nil
}

// look reads the endpoint and its deployments.
func (e *endpoint) look(ctx context.Context) error {
	v, err := e.f.calls.endpoint(ctx, e.at)
	if notThere(err) {
		return fmt.Errorf("there is no endpoint %s in workspace %s", e.at.Endpoint, e.at.Workspace)
	}
	if err != nil {
		return err
	}
	for _, t := range e.all() {
		d, err := e.f.calls.deployment(ctx, e.at, t.name)
		if err != nil {
			return err
		}
		d.url = v.url
		t.learn(d, e.op != nil && e.op.t == t)
	}
	return nil
}

// act begins what is to be done next, if nothing is under way.
func (e *endpoint) act(ctx context.Context) error {
	if e.op != nil || !e.f.leads() {
		return nil
	}
	all := e.all()
	for _, t := range all {
		if t.moving() {
			return nil
		}
	}
	for _, t := range all {
		what, n := t.next()
		if what == nothing {
			continue
		}
		if by, err := e.other(ctx, t); err != nil || by != "" {
			return err
		}
		return e.begin(ctx, t, what, n)
	}
	return nil
}

// other looks for an autoscale setting that changes the number too. A Weir that
// may not list them goes on: a number it did not write is seen all the same.
func (e *endpoint) other(ctx context.Context, t *target) (string, error) {
	p := e.f.o.Pace
	if time.Since(e.looked[t.name]) < p.Others {
		return "", nil
	}
	by, err := e.f.calls.autoscaled(ctx, e.at, t.name)
	if status(err) == statusForbidden {
		by, err = "", nil
	}
	if err != nil {
		return "", err
	}
	if by != "" {
		by = "autoscale setting " + by
		t.hold(by, time.Now().Add(p.HoldFor))
		e.f.o.Log.Warn("another writes the instances: nothing is changed", "deployment", t.named(), "writer", by)
		return by, nil
	}
	e.looked[t.name] = time.Now()
	return "", nil
}

// begin sends one write. That another operation runs is no failure: it is waited
// for.
func (e *endpoint) begin(ctx context.Context, t *target, what act, n int) error {
	now := time.Now()
	t.mu.Lock()
	from, d := t.s.ready, t.d
	t.mu.Unlock()
	m := mark{from: from, to: n, at: now}
	var poll poll
	var err error
	switch what {
	case write:
		poll, err = e.f.calls.patch(ctx, e.at, t.name, n, m)
	case remake:
		poll, err = e.remake(ctx, &d, n, m)
	case remove:
		poll, err = e.remove(ctx, &d)
	}
	if status(err) == statusConflict {
		e.f.o.Log.Debug("another operation is under way at the endpoint", "deployment", d.Name)
		return nil
	}
	if err != nil {
		if refused(err) {
			t.failed(what, e.why(ctx, t, err), now)
			return nil
		}
		return err
	}
	t.begun(what, n, now)
	e.op = &operation{t: t, what: what, to: n, began: now, poll: poll}
	e.f.o.Log.Info("instances written", "deployment", d.Name, "from", from, "to", n)
	return nil
}

func (e *endpoint) remake(ctx context.Context, d *Deployment, n int, m mark) (poll, error) {
	body, err := readDefinition(d.Definition)
	if err != nil {
		return nil, err
	}
	body.SKU.Capacity = to.Ptr(int32(n))
	body.Tags[tag] = to.Ptr(m.String())
	return e.f.calls.put(ctx, e.at, d.Deployment, body)
}

// remove deletes a deployment that can be made again as it is, and that gets no
// traffic besides Weir's.
func (e *endpoint) remove(ctx context.Context, d *Deployment) (poll, error) {
	if err := e.f.calls.removable(ctx, d); err != nil {
		return nil, err
	}
	return e.f.calls.remove(ctx, e.at, d.Deployment)
}
