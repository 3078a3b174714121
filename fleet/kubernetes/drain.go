package kubernetes

import (
	"context"
	"errors"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// turn is one look at the workload: marks that are to be set, drained pods that
// may go, pods that will never come.
func (w *workload) turn(ctx context.Context, now time.Time) {
	if !w.attends(now) || now.Before(w.again.at) || !w.f.leads() || w.take(ctx) != nil {
		return
	}
	defer w.give()
	call, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	err := w.attend(call, now)
	if ctx.Err() == nil {
		w.after(err, time.Now())
	}
}

func (w *workload) attend(ctx context.Context, now time.Time) error {
	if err := w.mark(ctx, now); err != nil || !w.due(now) {
		return err
	}
	s, t, err := w.read(ctx)
	if errors.Is(err, ErrHeld) {
		return nil // said when it began
	}
	if err != nil {
		return err
	}
	if err := w.farewell(ctx, t, s); err != nil {
		return err
	}
	return w.giveUp(ctx, t, s, now)
}

// again is when to look at a workload again after an error.
type again struct {
	at   time.Time
	wait time.Duration
}

// after notes how a look ended, and says it when it is news.
func (w *workload) after(err error, now time.Time) {
	switch {
	case err == nil && w.again.wait > 0:
		w.f.o.Log.Info("the workload can be seen to again", "deployment", w.d.Name)
		w.again = again{}
	case err != nil:
		if w.again.wait == 0 {
			w.f.o.Log.Warn("the workload cannot be seen to", "deployment", w.d.Name, "error", err)
		}
		w.again.wait = min(max(2*w.again.wait, drainTick), backMost)
		w.again.at = now.Add(w.again.wait)
	}
}

// unsure is how long a pod that the number was lowered for may still be deleted
// although as few are there as should be: the number rose again, and its
// controller acts on what it read before.
const unsure = 2 * time.Second

// attends says whether this Weir sees to the workload: it was asked for a
// number. It also notes which draining pods are idle, and which of those
// counted out are still there.
func (w *workload) attends(now time.Time) bool {
	idle := w.idle()
	w.mu.Lock()
	defer w.mu.Unlock()
	there, exist := 0, 0
	for uid, p := range w.pods {
		if p.over() {
			continue
		}
		exist++
		if !idle[uid] || !p.leaving() {
			p.quiet = time.Time{}
		} else if p.quiet.IsZero() {
			p.quiet = now
		}
		if p.gone.IsZero() {
			there++
		}
	}
	if there >= w.wrote {
		w.created = now
	}
	for _, p := range w.pods {
		// As many were deleted as should be, and not this one: it is needed.
		if exist <= w.wrote && !p.gone.IsZero() && now.Sub(p.gone) > unsure && !p.over() {
			p.gone, p.intent = time.Time{}, keep
		}
	}
	return w.asked && w.target != nil && w.listed
}

// idle are the draining pods that work on nothing. They are asked about without
// the lock, which the gateway that answers may be waiting for.
func (w *workload) idle() map[types.UID]bool {
	if w.f.o.Busy == nil {
		return nil
	}
	w.mu.Lock()
	asked := map[types.UID]string{}
	for uid, p := range w.pods {
		if p.leaving() && !p.over() {
			asked[uid] = w.d.identity(p.obj)
		}
	}
	w.mu.Unlock()
	idle := map[types.UID]bool{}
	for uid, id := range asked {
		idle[uid] = w.f.o.Busy(id) == 0
	}
	return idle
}

// mark writes on pods what is wanted of them, oldest first. What fails is tried
// again: until then other gateways go on sending.
func (w *workload) mark(ctx context.Context, now time.Time) error {
	w.mu.Lock()
	type order struct {
		name string
		uid  types.UID
		set  map[string]*string
	}
	var orders []order
	for _, p := range w.inOrder() {
		if p.intent == asMarked || p.over() || !p.gone.IsZero() {
			continue
		}
		set := map[string]*string{drainMark: nil, deletionCost: nil}
		if p.intent == drain {
			set = map[string]*string{drainMark: new(p.since.UTC().Format(time.RFC3339)), deletionCost: new(goesFirst)}
			if w.d.inOrder() {
				delete(set, deletionCost) // no controller reads it
			}
		}
		orders = append(orders, order{p.obj.Name, p.obj.UID, set})
	}
	w.mu.Unlock()
	for _, o := range orders {
		if err := w.annotate(ctx, o.name, o.uid, o.set); err != nil {
			return w.d.fault("mark of pod %s: %w", o.name, err)
		}
	}
	return nil
}

// due says whether the number has to be read: something drained, or does not
// come, or another client wrote.
func (w *workload) due(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held.doubt || w.held.why != "" && !now.Before(w.held.until) {
		w.held.doubt = false
		return true
	}
	for _, m := range w.members(now) {
		if m.done {
			return true
		}
	}
	return len(w.stuck(now)) > 0 || w.missing(now)
}

// farewell lets go of the pods that have drained: the number is lowered by as
// many, and the deletion cost is on exactly those.
func (w *workload) farewell(ctx context.Context, t *target, s *autoscalingv1.Scale) error {
	now := time.Now()
	n := int(s.Spec.Replicas)
	w.mu.Lock()
	g := goodbyes(w.members(now), n, w.d.inOrder())
	w.mu.Unlock()
	by := len(g.leave) + len(g.spare)
	if by == 0 {
		return nil
	}
	if _, err := w.write(ctx, t, s, n-by); err != nil {
		return err
	}
	w.mu.Lock()
	for _, m := range g.leave {
		m.p.gone = now
	}
	for _, m := range g.spare {
		m.p.intent = keep
	}
	w.mu.Unlock()
	return nil
}

// annotate sets annotations of a pod, and knows of it before the watch says so.
// A pod that is gone meanwhile needs none.
func (w *workload) annotate(ctx context.Context, name string, uid types.UID, set map[string]*string) error {
	p, err := w.f.c.annotate(ctx, w.d.Namespace, name, uid, set)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // its name is another pod's
		return nil
	}
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pods[uid] != nil {
		w.see(p, time.Now())
	}
	return nil
}
