package kubernetes

import (
	"context"
	"slices"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"weir"
	"weir/fleet"
)

// Scale makes the number of replicas want. A failed pod that has not ended
// keeps its place: its node restarts it. The controller chooses which of the
// pods that do not serve goes first. Where another program scales, it changes
// nothing.
func (f *Fleet) Scale(ctx context.Context, deployment string, want int, victims []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w, err := f.find(deployment)
	if err != nil {
		return err
	}
	if want < 0 {
		return w.d.fault("scale to %d: want zero or more", want)
	}
	if w.d.ScaledElsewhere {
		return nil
	}
	if !f.leads() {
		w.follows()
		return w.d.fault("%w", fleet.ErrNotLeading)
	}
	if err := w.take(ctx); err != nil {
		return err
	}
	defer w.give()
	return w.scale(ctx, want, victims)
}

// take waits for the right to read and write the number.
func (w *workload) take(ctx context.Context) error {
	select {
	case w.writing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (w *workload) give() { <-w.writing }

func (w *workload) scale(ctx context.Context, want int, victims []string) error {
	s, t, err := w.read(ctx)
	if err != nil {
		return err
	}
	defer wake(w.wake)
	now := time.Now()
	n := int(s.Spec.Replicas)

	w.mu.Lock()
	ms := w.members(now)
	have := n - leaving(ms)
	switch {
	case want < have:
		drop := min(w.absent(ms, n), have-want)
		for _, m := range chosen(ms, have-want-drop, victims, w.d.inOrder()) {
			m.p.intent, m.p.since = drain, now
		}
		w.mu.Unlock()
		if drop > 0 {
			if s, err = w.write(ctx, t, s, n-drop); err != nil {
				return err
			}
		}
		return w.farewell(ctx, t, s)
	case want > have:
		back := taken(ms, want-have, w.d.inOrder())
		for _, m := range back {
			m.p.intent = keep
		}
		more := want - have - len(back)
		w.mu.Unlock()
		return w.grow(ctx, t, s, more)
	}
	w.mu.Unlock()
	return nil
}

// grow raises the number by more, or as far as pods can come.
func (w *workload) grow(ctx context.Context, t *target, s *autoscalingv1.Scale, more int) error {
	if more == 0 {
		return nil
	}
	n := int(s.Spec.Replicas)
	most, why := w.room(ctx)
	allowed := more
	if most >= 0 {
		allowed = min(more, max(0, most-n))
	}
	if allowed > 0 {
		if _, err := w.write(ctx, t, s, n+allowed); err != nil {
			return err
		}
	}
	if allowed < more {
		return &fleet.Shortage{Why: why.why, Err: w.d.fault("%w: %d of %d replicas: %s: %s",
			fleet.ErrNoCapacity, n+allowed, n+more, why.why, why.text)}
	}
	return nil
}

// read returns the number, unless another writer has written it or does.
func (w *workload) read(ctx context.Context) (*autoscalingv1.Scale, *target, error) {
	w.mu.Lock()
	t, trouble, listed, wrote, pending := w.target, w.trouble, w.listed, w.wrote, w.pending
	w.mu.Unlock()
	switch {
	case trouble != nil:
		return nil, nil, trouble
	case t == nil || !listed:
		return nil, nil, w.d.fault("%w", errNotYet)
	}
	s, err := t.read(ctx)
	if err != nil {
		return nil, nil, err
	}
	switch n := int(s.Spec.Replicas); n {
	case wrote:
	case pending: // the answer to that write was lost
		w.settle(n)
	default:
		if inherits, err := w.inherits(ctx, t, n); err != nil {
			return nil, nil, err
		} else if !inherits {
			return nil, nil, w.foreign(ctx, t, n)
		}
	}
	w.mu.Lock()
	w.followed = false
	w.mu.Unlock()
	if err := w.release(ctx, t); err != nil {
		return nil, nil, err
	}
	return s, t, nil
}

// conflicts is how often a write is retried when the workload, but not its
// number, changed in between.
const conflicts = 8

// write writes the number. If it no longer is what s says, another client wrote
// it, and nothing is written.
func (w *workload) write(ctx context.Context, t *target, s *autoscalingv1.Scale, n int) (*autoscalingv1.Scale, error) {
	before := s.Spec.Replicas
	for range conflicts {
		if !w.f.leads() {
			return nil, w.d.fault("%w", fleet.ErrNotLeading)
		}
		w.mu.Lock()
		w.pending = n // its echo may arrive before the answer
		w.mu.Unlock()
		next, err := t.put(ctx, s, n)
		if err == nil {
			w.settle(n)
			w.f.o.Log.Info("replicas written", "deployment", w.d.Name, "from", before, "to", n)
			return next, nil
		}
		if !apierrors.IsConflict(err) {
			return nil, w.d.fault("scale %s to %d: %w", w.d.target(), n, err)
		}
		if s, err = t.read(ctx); err != nil {
			return nil, err
		}
		if s.Spec.Replicas != before {
			return nil, w.foreign(ctx, t, int(s.Spec.Replicas))
		}
	}
	return nil, w.d.fault("scale %s to %d: it changed %d times while it was written", w.d.target(), n, conflicts)
}

// settle notes the number Weir has set.
func (w *workload) settle(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n < w.wrote {
		w.lowered = time.Now()
	}
	w.wrote, w.pending = n, -1
}

// members are the pods that count in the number, by age. The lock is held.
func (w *workload) members(now time.Time) []member {
	var ms []member
	extra := w.surplus(now)
	for _, p := range w.inOrder() {
		if p.over() || !p.gone.IsZero() || extra[p] {
			continue
		}
		state := look(p.obj, p.news, w.d.StartTimeout, now).state
		ms = append(ms, member{
			p: p, id: w.d.identity(p.obj), state: state, onNode: p.obj.Spec.NodeName != "",
			leaving: p.leaving(), ordinal: ordinal(p.obj), done: p.leaving() && w.drained(p, state, now),
		})
	}
	return ms
}

// drained says whether a leaving pod has nothing left to do.
func (w *workload) drained(p *pod, state weir.ReplicaState, now time.Time) bool {
	switch {
	case state != weir.Ready:
		return true // it serves no request
	case !w.rested(p, now):
		return false
	}
	return w.d.inOrder() || !p.shown.IsZero() && now.Sub(p.shown) >= heardOf && now.Sub(w.away) >= rejoined
}

// rested says whether a leaving pod is idle for good, or out of time.
func (w *workload) rested(p *pod, now time.Time) bool {
	return now.Sub(p.since) >= w.d.DrainDeadline || !p.quiet.IsZero() && now.Sub(p.quiet) >= w.d.DrainQuiet
}

// heardOf is how long a controller may take to see a pod's deletion cost. The
// number reaches it by another watch, perhaps earlier: without the cost, it
// would delete any pod.
const heardOf = time.Second

// rejoined is how long after an outage of the API server a controller may still see
// pods as they were before it: between two tries the client library waits up to 30 s,
// and as much again at random.
const rejoined = time.Minute

func leaving(ms []member) int {
	n := 0
	for _, m := range ms {
		if m.leaving {
			n++
		}
	}
	return n
}

// absent is how many pods of the number n are still to be created and would be
// spared by a lower number. Where pods are numbered, only those above all
// existing ones count. The lock is held.
func (w *workload) absent(ms []member, n int) int {
	if !w.d.inOrder() {
		return max(0, n-len(ms))
	}
	next := w.shape.first
	for _, m := range ms {
		next = max(next, m.ordinal+1)
	}
	return max(0, w.shape.first+n-next)
}

// surplus are the pods too many for a while after the number was lowered: their
// controller has not seen the lower number yet. Only pods that have never
// served count; the others drain before the number is lowered. At other times
// more pods than the number are a rollout. The lock is held.
func (w *workload) surplus(now time.Time) map[*pod]bool {
	if now.Sub(w.lowered) > settled || w.wrote < 0 {
		return nil
	}
	out := map[*pod]bool{}
	there := make([]*pod, 0, len(w.pods))
	for _, p := range w.inOrder() {
		if !p.over() && p.gone.IsZero() {
			there = append(there, p)
		}
	}
	excess := len(there) - w.wrote
	for _, p := range slices.Backward(there) {
		switch {
		case p.served:
		case w.d.inOrder() && ordinal(p.obj) >= w.shape.first+w.wrote:
			out[p] = true
		case !w.d.inOrder() && excess > 0:
			out[p] = true
			excess--
		}
	}
	return out
}

// settled is how long a controller may take to delete pods after a lower
// number.
const settled = 10 * time.Second
