package kubernetes

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"weir/fleet"
)

// quotaRoom is how many replicas the namespace's quotas allow, of which have
// exist now; -1: no quota bounds them.
func quotaRoom(quotas []corev1.ResourceQuota, sh shape, have int) (most int, why string) {
	most = -1
	for _, q := range quotas {
		if len(q.Spec.Scopes) > 0 || q.Spec.ScopeSelector != nil {
			continue // for some pods only; the API server will say if it refuses
		}
		for _, name := range slices.Sorted(maps.Keys(q.Status.Hard)) {
			asks := quotaAsks(name, sh)
			if asks.IsZero() {
				continue
			}
			hard, used := q.Status.Hard[name], q.Status.Used[name]
			free := hard.DeepCopy()
			free.Sub(used)
			n := have + int(max(0, free.MilliValue())/asks.MilliValue())/sh.pods
			if most < 0 || n < most {
				most, why = n, fmt.Sprintf("quota %s: %s is %s, of which %s are used", q.Name, name, hard.String(), used.String())
			}
		}
	}
	return most, why
}

// quotaAsks is how much one pod counts against a quota's resource of that name.
func quotaAsks(name corev1.ResourceName, sh shape) resource.Quantity {
	if name == corev1.ResourcePods || name == "count/pods" {
		return *resource.NewQuantity(1, resource.DecimalSI)
	}
	return sh.asks[corev1.ResourceName(strings.TrimPrefix(string(name), "requests."))]
}

// room is how far the number may rise, and what bounds it; -1: no known bound.
func (w *workload) room(ctx context.Context) (int, reason) {
	w.survey(ctx, freshFor)
	return w.known(time.Now())
}

// survey reads what bounds the number besides nodes and pods, which are watched.
// What Weir may not read, or not now, bounds nothing: the API server refuses the
// pods then, or no node takes them; see giveUp.
func (w *workload) survey(ctx context.Context, age time.Duration) {
	var list corev1.ResourceQuotaList
	if err := w.f.c.core.Get().Namespace(w.d.Namespace).Resource("resourcequotas").Do(ctx).Into(&list); err != nil {
		list.Items = nil
	}
	if err := w.countWorkers(ctx); err != nil {
		w.f.o.Log.Debug("the pods beside its leaders cannot be listed", "deployment", w.d.Name, "error", err)
	}
	w.mu.Lock()
	w.quotas, w.surveyed = list.Items, time.Now()
	sh, own := w.shape, w.own()
	w.mu.Unlock()
	if err := w.f.nodes.census(ctx, w.f.c, sh, w.f.owns(), age); err != nil {
		w.f.o.Log.Debug("the pods on the nodes cannot be listed", "deployment", w.d.Name, "error", err)
	}
	claimed, err := w.f.c.inventory(ctx, w.d.Namespace, sh, w.f.nodes.absent(sh), own)
	if err != nil && !without(err) {
		w.f.o.Log.Debug("the devices that it claims cannot be counted", "deployment", w.d.Name, "error", err)
		return // what was read before stays
	}
	provision, err := w.f.c.provision(ctx, w.d.Namespace, sh.provision)
	if err != nil {
		w.f.o.Log.Debug("its ProvisioningRequest cannot be read", "deployment", w.d.Name, "error", err)
		return
	}
	w.mu.Lock()
	w.claimed, w.provision = claimed, provision
	w.mu.Unlock()
}

// onNodes is the bound that nodes and their devices set; -1: unknown.
func (w *workload) onNodes() (int, string) {
	held := w.f.held(w)
	w.mu.Lock()
	sh, claimed := w.shape, w.claimed
	w.mu.Unlock()
	return w.f.nodes.room(sh, held, claimed, w.d.NodesMax)
}

func (w *workload) surveyDue(now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return now.Sub(w.surveyed) >= othersFor
}

// known is the smallest known bound.
func (w *workload) known(now time.Time) (int, reason) {
	w.mu.Lock()
	sh, quotas, cut, provision, there := w.shape, w.quotas, w.short, w.provision, 0
	for _, p := range w.pods {
		if !p.over() {
			there++
		}
	}
	w.mu.Unlock()
	most, why := w.d.MaxReplicas, reason{fleet.WhyMaxReplicas, fmt.Sprintf("it may have at most %d replicas", w.d.MaxReplicas)}
	less := func(n int, because reason) {
		if n >= 0 && n < most {
			most, why = n, because
		}
	}
	onNodes, text := w.onNodes()
	less(onNodes, reason{fleet.WhyUnschedulable, text})
	inQuota, text := quotaRoom(quotas, sh, there)
	less(inQuota, reason{fleet.WhyQuota, text})
	if provision.why != "" {
		less(there, provision)
	}
	if now.Before(cut.until) && onNodes <= cut.onNodes {
		less(cut.most, cut.why)
	}
	return most, why
}

// held are the devices that the pods of all workloads hold.
func (f *Fleet) held(of *workload) []taking {
	var all []taking
	for _, w := range f.workloads() {
		w.mu.Lock()
		for _, p := range w.pods {
			if !p.over() && p.obj.Spec.NodeName != "" {
				all = append(all, taking{p.obj.Spec.NodeName, w == of, p.asks})
			}
		}
		for _, x := range w.workers {
			all = append(all, taking{x.node, w == of, x.asks})
		}
		w.mu.Unlock()
	}
	return all
}

// Room is how many replicas of a deployment the cluster allows, as far as Weir
// can see: nodes with their devices and what other pods hold of them, the
// namespace's quota, recent failures to find a node, and the deployment's own
// MaxReplicas. Negative: unknown.
func (f *Fleet) Room(deployment string) int {
	most, _, _ := f.Bound(deployment)
	return most
}

// Again is when the number is raised again that the cluster could not give; zero:
// at any time. A quota is read again then.
func (f *Fleet) Again(deployment string) time.Time {
	w := f.get(deployment)
	if w == nil {
		return time.Time{}
	}
	return w.next(time.Now())
}

func (w *workload) next(now time.Time) time.Time {
	_, bound := w.known(now)
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case now.Before(w.short.until):
		return w.short.until
	case bound.why == fleet.WhyQuota || bound.why == fleet.WhyProvisioning:
		return w.surveyed.Add(othersFor)
	}
	return time.Time{}
}

// Bound is Room, and what sets it: a word of package fleet, and its message.
func (f *Fleet) Bound(deployment string) (most int, why, text string) {
	w := f.get(deployment)
	if w == nil {
		return -1, "", ""
	}
	most, because := w.known(time.Now())
	return most, because.why, because.text
}
