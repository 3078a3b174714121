package aci

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"weir"
	"weir/fleet"
)

// target is one deployment with its goroutine (run), which alone asks Azure about it.
type target struct {
	f    *Fleet
	wake chan struct{}
	runs bool // the Fleet's lock

	mu      sync.Mutex
	s       state
	retired bool // no longer configured: its groups go, then it ends

	said string // the last trouble that was logged; of the goroutine
}

func newTarget(f *Fleet, d Deployment) *target {
	return &target{f: f, wake: make(chan struct{}, 1), s: state{d: d, want: unsaid, taken: map[string]bool{}}}
}

func (t *target) home() [3]string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.d.home()
}

// set takes a changed deployment. Groups of the older template that start are of no
// use; those that serve are replaced.
func (t *target) set(d Deployment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if hash := d.hash(); hash != t.s.d.hash() {
		for _, g := range t.s.groups {
			if g.state == weir.Starting && g.mark.template != hash {
				t.s.settle(g.replaces)
				g.drain(time.Now())
			}
		}
		t.s.again, t.s.failed, t.s.failures = time.Time{}, trouble{}, 0
	}
	t.s.d, t.retired = d, false
	wake(t.wake)
}

// retire lets its groups go.
func (t *target) retire() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.retired, t.s.want = true, 0
	t.s.shrink(nil, time.Now())
	wake(t.wake)
}

func (t *target) deployment() Deployment {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.s.d
}

func (t *target) scale(want int, victims []string, leads bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case want < 0:
		return t.s.d.fault("scale to %d: want zero or more", want)
	case !leads:
		t.s.want = unsaid
		return t.s.d.fault("%w", fleet.ErrNotLeading)
	}
	return t.s.scale(want, victims, time.Now())
}

// run looks and acts until ctx ends, or until a retired one has no group left.
func (t *target) run(ctx context.Context) {
	for {
		pause := t.turn(ctx)
		if t.done() {
			return
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-t.wake:
			timer.Stop()
		}
	}
}

// done ends a retired target that has nothing left to do.
func (t *target) done() bool {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.retired || t.f.leads() && (!t.s.known || len(t.s.groups) > 0) {
		return false
	}
	t.runs = false
	t.f.old = slices.DeleteFunc(t.f.old, func(x *target) bool { return x == t })
	return true
}

// turn is one look and what follows from it. It returns when to look again.
func (t *target) turn(ctx context.Context) time.Duration {
	p, d := t.f.o.Pace, t.deployment()
	err := t.see(ctx, &d)
	t.f.changes.Publish(d.Name)
	if err == nil && ctx.Err() == nil && t.f.leads() {
		err = t.act(ctx)
		t.f.changes.Publish(d.Name)
	}
	if ctx.Err() != nil {
		return 0
	}
	wait := t.trouble(&d, err)
	if t.restless() {
		return max(p.Busy, wait)
	}
	return max(p.Idle, wait)
}

// see brings what is known to the present.
func (t *target) see(ctx context.Context, d *Deployment) error {
	own, names, err := t.f.calls.list(ctx, d)
	if err != nil {
		return err
	}
	t.mu.Lock()
	all := t.s.listed(own, names, t.f.leads(), time.Now())
	t.mu.Unlock()
	t.look(ctx, d, all)
	if err := ctx.Err(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, x := range all {
		t.s.learn(x, time.Now(), t.f.o.Pace)
		if g := t.s.find(x.id); g != nil && g.state == weir.Failed {
			t.f.o.Log.Warn("a container group is of no more use: it is deleted", "deployment", d.Name, "group", g.name, "why", g.why, "error", g.detail)
		}
		if err == nil && x.err != nil {
			err = x.err
		}
	}
	t.s.known = true
	if t.retired {
		t.s.shrink(nil, time.Now())
		t.s.trim()
	}
	return err
}

// trouble says an error once, and returns how long Azure wants to be left alone.
func (t *target) trouble(d *Deployment, err error) time.Duration {
	text := ""
	var wait time.Duration
	var access error
	if err != nil {
		known, _ := t.f.calls.account.Explain(err)
		wait, text = known.RetryAfter, d.hide(t.f.calls.account.Reason(err))
		access = errors.New(text)
	}
	t.mu.Lock()
	t.s.access = access
	t.mu.Unlock()
	if text != t.said && text != "" {
		t.f.o.Log.Warn("the container groups cannot be read or changed", "deployment", d.Name, "resource_group", d.ResourceGroup, "error", text)
	}
	t.said = text
	return wait
}

// restless says whether something is to come soon.
func (t *target) restless() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := &t.s
	if !s.known || s.want != unsaid && s.want != s.live() {
		return true
	}
	for _, g := range s.groups {
		if g.leave || g.replaced || g.state == weir.Starting || !g.sick.IsZero() || g.state == weir.Failed && !g.gone {
			return true
		}
	}
	return false
}
