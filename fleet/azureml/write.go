package azureml

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
)

// This file writes, and follows what it has begun.

// operation is a write of this Weir that Azure carries out.
type operation struct {
	t        *target
	what     act
	from, to int
	began    time.Time
	poll     poll
}

// less: it takes instances away.
func (op *operation) less() bool { return op.what == remove || op.to < op.from }

// follow asks how the operation under way is going. again is how long Azure wants
// to be left alone.
func (e *endpoint) follow(ctx context.Context) (again time.Duration, err error) {
	op := e.op
	if op == nil {
		return 0, nil
	}
	done, again, failed, err := op.poll(ctx)
	log := e.f.o.Log.With("deployment", op.t.named(), "to", op.to)
	switch {
	case forgotten(err): // the state of the deployment says how it ends
		e.op = nil
		log.Info("Azure says no more of the operation", "status", status(err))
		return 0, nil
	case err != nil || !done:
		return again, err
	}
	e.op = nil
	if failed != nil {
		why := e.why(ctx, op.t, failed)
		op.t.failed(op, why, time.Now())
		log.Warn("Azure could not change the instances", "why", why.why, "error", why.text)
		return 0, nil
	}
	op.t.went(op)
	log.Info("Azure has changed the instances", "after", time.Since(op.began).Round(time.Second))
	return 0, nil
}

// act begins what is to be done next, if nothing is under way. The deployments take
// turns: one that Azure does not answer for keeps no other from its own.
func (e *endpoint) act(ctx context.Context) error {
	if e.op != nil || time.Now().Before(e.lost.until) {
		return nil
	}
	all := e.all()
	for _, t := range all {
		if t.moving() {
			return nil
		}
	}
	for i := range all {
		at := (e.first + i) % len(all)
		t := all[at]
		what, n := t.next()
		if what == nothing {
			continue
		}
		by, err := e.other(ctx, t)
		if by != "" {
			continue
		}
		e.first = at + 1
		if err != nil {
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
	from, d, tags := t.s.ready, t.d, t.s.v.tags
	t.mu.Unlock()
	op := &operation{t: t, what: what, from: from, to: n, began: now}
	m := mark{from: from, to: n, at: now}
	var err error
	switch what {
	case write:
		op.poll, err = e.f.calls.patch(ctx, e.at, t.name, n, m, tags)
	case remake:
		op.poll, err = e.remake(ctx, &d, n, m)
	case remove:
		op.poll, err = e.remove(ctx, &d)
	}
	switch {
	case status(err) == statusConflict:
		e.f.o.Log.Debug("another operation is under way at the endpoint", "deployment", d.Name)
		return nil
	case err != nil && refused(err):
		t.failed(op, e.why(ctx, t, err), now)
		return nil
	case err != nil:
		e.lost.times++
		e.lost.until, e.lost.why = now.Add(e.f.o.Pace.backoff(e.lost.times)), errors.New(e.f.calls.account.Reason(err))
		return err
	}
	e.lost = lostWrites{}
	t.begun(what, n, now)
	e.op = op
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
