package aci

import (
	"context"
	"slices"
	"time"

	"weir"
)

// act deletes what is to go, then makes what is missing.
func (t *target) act(ctx context.Context) error {
	t.mu.Lock()
	all := slices.Clone(t.s.groups)
	t.mu.Unlock()
	for _, g := range all {
		if err := t.end(ctx, g); err != nil {
			return err
		}
	}
	for {
		t.mu.Lock()
		d, g := t.s.d, t.s.next(time.Now())
		var m mark
		if g != nil {
			m = g.tags()
		}
		t.mu.Unlock()
		if g == nil {
			return nil
		}
		t.f.changes.Publish(d.Name)
		if more, err := t.begin(ctx, &d, g, m); err != nil || !more {
			return err
		}
	}
}

// begin asks Azure for a group whose record is made. more: another may be asked for.
func (t *target) begin(ctx context.Context, d *Deployment, g *group, m mark) (more bool, err error) {
	how, err := t.f.calls.put(ctx, d, g.name, m)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		g.outcome, g.told = how, true
		t.f.o.Log.Info("container group asked for", "deployment", d.Name, "group", g.name)
		return true, nil
	}
	// Whether it was made all the same is seen in the next list.
	t.s.settle(g.replaces)
	t.s.groups = slices.DeleteFunc(t.s.groups, func(x *group) bool { return x == g })
	a := t.f.calls.account
	switch {
	case inTransition(a, err): // another group of its name goes
		return false, nil
	case !refused(a, err):
		return false, err
	}
	bad := why(a, d, err)
	t.s.refuse(bad, time.Now(), t.f.o.Pace)
	t.f.o.Log.Warn("Azure refused a container group", "deployment", d.Name, "group", g.name, "why", bad.why, "error", bad.text)
	return false, nil
}

// end deletes a group that is to go and may, and says at Azure that one drains.
func (t *target) end(ctx context.Context, g *group) error {
	busy := -1
	if d := t.deployment(); t.f.o.Busy != nil {
		busy = t.f.o.Busy(d.Name, g.id)
	}
	t.mu.Lock()
	d, now := t.s.d, time.Now()
	failed := g.state == weir.Failed && !g.gone
	remove := !g.deleting && !g.gone && (failed || g.leave && g.drained(busy, d.DrainDeadline, now, t.f.o.Pace))
	tag := !remove && !g.deleting && !g.gone && !g.told && g.state == weir.Ready
	if remove {
		g.deleting, g.ended = true, now // from here on it is not taken back
	}
	m := g.tags()
	t.mu.Unlock()
	var err error
	switch {
	case remove:
		err = t.f.calls.remove(ctx, &d, g.name)
	case tag:
		err = t.f.calls.tag(ctx, &d, g.name, m)
	default:
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case err == nil && remove:
		t.f.o.Log.Info("container group deleted", "deployment", d.Name, "group", g.name)
	case err == nil:
		g.told = m.draining.IsZero() != g.leave
	case remove:
		g.deleting = false
	}
	if err == nil || inTransition(t.f.calls.account, err) {
		return nil // it is asked again
	}
	return err
}
