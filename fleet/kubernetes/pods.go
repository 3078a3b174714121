package kubernetes

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/client-go/tools/cache"

	"weir"
	"weir/fleet"
)

var _ cache.ReflectorStore = (*pods)(nil)

// intent is the mark this Weir wants on a pod, until the pod shows it.
type intent uint8

const (
	asMarked intent = iota
	drain
	keep
)

// pod is one that the workload's selector finds. The workload's lock guards it.
type pod struct {
	obj    *corev1.Pod
	asks   corev1.ResourceList // devices
	seq    int                 // order in which it was first seen
	view   weir.Replica
	intent intent
	since  time.Time    // the drain began
	shown  time.Time    // since when the pod shows its deletion cost; zero: it does not
	quiet  time.Time    // idle since; zero: busy
	gone   time.Time    // when the number was lowered for it; zero: it counts in the number
	served bool         // was ready once
	ready  weir.Instant // when it was first ready; its creation, if that was no start
	news   news         // of a node for it
}

// pods is the store of a reflector: a workload's pods.
type pods struct{ w *workload }

func (s *pods) Add(o any) error    { return s.set(o) }
func (s *pods) Update(o any) error { return s.set(o) }
func (s *pods) Resync() error      { return nil }

func (s *pods) Delete(o any) error {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("kubernetes: a pod was expected, this is %T", o)
	}
	s.w.mu.Lock()
	delete(s.w.pods, p.UID)
	s.w.mu.Unlock()
	wake(s.w.wake)
	return nil
}

func (s *pods) set(o any) error {
	p, ok := o.(*corev1.Pod)
	if !ok {
		return fmt.Errorf("kubernetes: a pod was expected, this is %T", o)
	}
	s.w.mu.Lock()
	s.w.see(p, time.Now())
	s.w.mu.Unlock()
	wake(s.w.wake)
	return nil
}

// Replace gets the complete list, at first and after a lost watch.
func (s *pods) Replace(all []any, _ string) error {
	list := make([]*corev1.Pod, 0, len(all))
	for _, o := range all {
		p, ok := o.(*corev1.Pod)
		if !ok {
			return fmt.Errorf("kubernetes: a pod was expected, this is %T", o)
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	now, there := time.Now(), map[types.UID]bool{}
	s.w.mu.Lock()
	for _, p := range list {
		there[p.UID] = true
		s.w.see(p, now)
	}
	for uid := range s.w.pods {
		if !there[uid] {
			delete(s.w.pods, uid)
		}
	}
	s.w.listed = true
	s.w.mu.Unlock()
	wake(s.w.wake)
	return nil
}

// see takes in the API server's version of a pod, unless a later one is known.
// The lock is held.
func (w *workload) see(obj *corev1.Pod, now time.Time) {
	obj.ManagedFields = nil
	p := w.pods[obj.UID]
	if p != nil && older(obj.ResourceVersion, p.obj.ResourceVersion) {
		return
	}
	if p == nil {
		w.seq++
		p = &pod{seq: w.seq}
		w.pods[obj.UID] = p
	}
	p.obj, p.asks = obj, devicesIn(requests(&obj.Spec))
	if p.marked() == (p.intent == drain) {
		p.intent = asMarked
	}
	if !p.costed() {
		p.shown = time.Time{}
	} else if p.shown.IsZero() {
		p.shown = now
	}
	switch {
	case !p.leaving():
		p.since, p.quiet = time.Time{}, time.Time{}
	case p.since.IsZero():
		p.since = now
		if at, err := time.Parse(time.RFC3339, obj.Annotations[drainMark]); err == nil && at.Before(now) {
			p.since = at
		}
	}
}

// older says whether version a was before b. Versions are growing numbers,
// since Kubernetes 1.35 by contract. Where they are not numbers, the later
// event counts.
func older(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order < 0
}

// marked says whether the pod itself carries the drain mark.
func (p *pod) marked() bool { return p.obj.Annotations[drainMark] != "" }

// cost is the deletion cost the pod carries; 0: none.
func (p *pod) cost() int64 {
	n, err := strconv.ParseInt(p.obj.Annotations[deletionCost], 10, 32)
	if err != nil {
		return 0
	}
	return n
}

// costed says whether the pod carries the deletion cost of one that has drained.
func (p *pod) costed() bool { return p.cost() < costsEnd }

// leaving says whether it drains, or is about to.
func (p *pod) leaving() bool { return p.intent == drain || p.intent == asMarked && p.marked() }

// over says whether the pod no longer counts in the workload's number.
func (p *pod) over() bool {
	return p.obj.DeletionTimestamp != nil || p.obj.Status.Phase == corev1.PodFailed || p.obj.Status.Phase == corev1.PodSucceeded
}

// inOrder are the pods by age, oldest first, and those of the same second by number
// if they have one. The lock is held.
func (w *workload) inOrder() []*pod {
	ps := make([]*pod, 0, len(w.pods))
	for _, p := range w.pods {
		ps = append(ps, p)
	}
	slices.SortFunc(ps, func(a, b *pod) int {
		age := a.obj.CreationTimestamp.Compare(b.obj.CreationTimestamp.Time)
		if age == 0 && w.d.inOrder() {
			age = cmp.Compare(ordinal(a.obj), ordinal(b.obj))
		}
		return cmp.Or(age, cmp.Compare(a.seq, b.seq))
	})
	return ps
}

// Ended pods stay in the list for a while, a few of them.
const (
	keepEnded = 5 * time.Minute
	mostEnded = 16
)

// views are the replicas now, oldest first. The lock is held.
func (w *workload) views(now time.Time) []weir.Replica {
	ps := w.inOrder()
	rs := make([]weir.Replica, 0, len(ps))
	ended, extra := 0, w.surplus(now)
	for _, p := range slices.Backward(ps) {
		w.renew(p, extra[p], now)
		if p.view.State == weir.Failed && p.over() {
			if ended++; ended > mostEnded || now.Sub(p.view.Since.Time()) > keepEnded {
				continue
			}
		}
		rs = append(rs, p.view)
	}
	slices.Reverse(rs)
	return rs
}

// renew updates the pod's view. extra: it is one too many.
func (w *workload) renew(p *pod, extra bool, now time.Time) {
	at := look(p.obj, p.news, w.d.StartTimeout, now)
	switch {
	case p.over():
	case extra || !p.gone.IsZero():
		at = stand{state: weir.Draining, text: "its pod is about to be deleted"}
	case p.leaving() && at.state != weir.Failed:
		at = stand{state: weir.Draining}
	}
	if at.state == weir.Ready && !p.served {
		w.serves(p, now)
	}
	addr := w.d.address(p.obj)
	if at.state == weir.Ready && addr == "" {
		at = stand{weir.Starting, fleet.WhyUnreachable, w.d.unreachable(p.obj)}
	}
	state, first := at.state, p.view.ID == ""
	if first || p.view.State != state {
		p.view.State, p.view.Since = state, weir.At(now)
	}
	p.view.Why, p.view.Detail = at.why, at.text
	p.view.ID, p.view.Deployment = w.d.identity(p.obj), w.d.Name
	p.view.Addr = addr
	p.view.Asked = weir.At(p.obj.CreationTimestamp.Time)
	_, _, _, ready := moments(p.obj)
	switch {
	case !ready.IsZero():
		p.view.ReadyAt = weir.At(ready)
		if p.served {
			p.view.ReadyAt = p.ready
		}
		if first && state == weir.Ready {
			p.view.Since = p.view.ReadyAt
		}
	case state == weir.Starting:
		p.view.ReadyAt = w.starts.expected(p.obj)
		if first {
			p.view.Since = p.view.Asked
		}
	default:
		p.view.ReadyAt = 0
	}
	p.view.FailedStarts = 0
	if !p.served {
		p.view.FailedStarts = restarts(p.obj)
		if state == weir.Failed {
			p.view.FailedStarts = max(1, p.view.FailedStarts)
		}
	}
}

// watched is how long after a pod became ready Weir sees it, where it sees it happen.
const watched = 5 * time.Second

// serves notes that the pod is ready for the first time, and learns from its start.
// The API server's times are whole seconds, rounded down: of a pod that Weir saw
// become ready it is when Weir saw it, or scaling would take the start for one that
// was there at its last decision, and not learn from it. The lock is held.
func (w *workload) serves(p *pod, now time.Time) {
	created, _, _, ready := moments(p.obj)
	p.served, p.ready = true, weir.At(ready)
	if ready.Sub(created) > w.d.StartTimeout { // its readiness was lost and came back
		p.ready = weir.At(created)
		return
	}
	if p.view.ID != "" && now.Sub(ready) < watched {
		p.ready = max(p.ready, weir.At(now))
	}
	if s, ok := started(p.obj); ok {
		w.starts.add(s)
	}
}

func (w *workload) status() ([]weir.Replica, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.listed {
		if w.trouble != nil {
			return nil, w.trouble
		}
		return nil, w.d.fault("%w", errNotYet)
	}
	rs := w.views(time.Now())
	if len(rs) == 0 {
		return nil, nil
	}
	return rs, nil
}
