package kubernetes

import (
	"context"
	"errors"
	"strconv"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
)

// turn is one look at the workload: it sets marks, lets drained pods go, and
// gives up pods that will never come.
func (w *workload) turn(ctx context.Context, now time.Time) {
	known := w.attends(now)
	if !w.f.leads() {
		w.follows()
		return
	}
	if !known || now.Before(w.again.at) || w.take(ctx) != nil {
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
	if w.d.ScaledElsewhere {
		if err := w.look(ctx, now); err != nil {
			return err
		}
		return w.fallShort(ctx, now)
	}
	if err := w.mark(ctx, now); err != nil {
		return err
	}
	if err := w.look(ctx, now); err != nil || !w.due(now) {
		return err
	}
	s, t, err := w.read(ctx)
	if errors.Is(err, ErrHeld) {
		return nil // logged when it began
	}
	if err != nil {
		return err
	}
	if err := w.farewell(ctx, t, s); err != nil {
		return err
	}
	return w.giveUp(ctx, t, s, now)
}

// look reads what bounds the number, and what is said of pods without a node.
func (w *workload) look(ctx context.Context, now time.Time) error {
	if w.surveyDue(now) {
		w.survey(ctx, othersFor)
	}
	return w.listen(ctx, now)
}

// again is when to look at a workload again after an error.
type again struct {
	at   time.Time
	wait time.Duration
}

// after notes how a look ended, and logs a change.
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

// unsure is how long a pod counted out by a lower number may still be deleted
// although the workload has no pod too many: the number rose again, and its
// controller acts on the number it read before.
const unsure = 2 * time.Second

// attends says whether the workload and its pods are known. It also notes which
// draining pods are idle, and which pods counted out still exist.
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
		// Enough were deleted, and not this one: it is needed.
		if exist <= w.wrote && !p.gone.IsZero() && now.Sub(p.gone) > unsure && !p.over() {
			p.gone, p.intent = time.Time{}, keep
		}
	}
	return w.target != nil && w.listed
}

// idle are the draining pods without requests. Busy is called without the lock,
// since the gateway that answers may be waiting for it.
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
		idle[uid] = w.f.o.Busy(w.d.Name, id) == 0
	}
	return idle
}

// mark writes the wanted marks on pods, oldest first. A failure is tried again:
// until then other gateways go on sending.
func (w *workload) mark(ctx context.Context, now time.Time) error {
	w.mu.Lock()
	type order struct {
		name string
		uid  types.UID
		set  map[string]*string
	}
	var orders []order
	next := w.nextCost()
	for _, p := range w.inOrder() {
		set := w.marks(p, next, now)
		if set == nil {
			continue
		}
		if set[deletionCost] != nil {
			next++
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

// marks are the annotations that a pod is to get or, with nil, to lose; none: nil.
// The deletion cost comes only when it has drained: of several that drain, one that
// still works must not be deleted in the place of one that does not. cost is the
// next one that no pod has.
func (w *workload) marks(p *pod, cost int64, now time.Time) map[string]*string {
	switch {
	case p.over() || !p.gone.IsZero():
	case p.intent == keep:
		return map[string]*string{drainMark: nil, deletionCost: nil}
	case p.intent == drain:
		return map[string]*string{drainMark: new(p.since.UTC().Format(time.RFC3339))}
	case !p.marked() || w.d.inOrder(): // no controller reads a cost
	case w.rested(p, now) && !p.costed():
		return map[string]*string{deletionCost: new(strconv.FormatInt(cost, 10))}
	case !w.rested(p, now) && p.costed():
		return map[string]*string{deletionCost: nil} // a late request
	}
	return nil
}

// nextCost is above the cost of every drained pod: the first that drained goes
// first, and the number is lowered for it. The lock is held.
func (w *workload) nextCost() int64 {
	next := int64(goesFirst)
	for _, p := range w.pods {
		if p.costed() {
			next = max(next, p.cost()+1)
		}
	}
	return next
}

// due says whether the number has to be read: a pod has drained or does not
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

// farewell lets drained pods go: it sets the deletion cost on exactly those,
// and lowers the number by as many.
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

// annotate sets annotations of a pod, and stores the result before the watch
// reports it. A pod that is gone meanwhile needs none.
func (w *workload) annotate(ctx context.Context, name string, uid types.UID, set map[string]*string) error {
	p, err := w.f.c.annotate(ctx, w.d.Namespace, name, uid, set)
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) { // its name belongs to another pod
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
