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

// room is how far the number may rise from n, and what bounds it; -1: no known
// bound.
func (w *workload) room(ctx context.Context, n int) (int, string) {
	var list corev1.ResourceQuotaList
	err := w.f.c.core.Get().Namespace(w.d.Namespace).Resource("resourcequotas").Do(ctx).Into(&list)
	if err != nil {
		list.Items = nil // not allowed, or not now: the API server refuses the pods then, see giveUp
	}
	w.mu.Lock()
	w.quotas = list.Items
	w.mu.Unlock()
	return w.known(time.Now())
}

// known is the smallest known bound.
func (w *workload) known(now time.Time) (int, string) {
	held := w.f.held(w)
	w.mu.Lock()
	sh, quotas, cut, there := w.shape, w.quotas, w.short, 0
	for _, p := range w.pods {
		if !p.over() {
			there++
		}
	}
	w.mu.Unlock()
	most, why := w.d.MaxReplicas, fmt.Sprintf("it may have at most %d replicas", w.d.MaxReplicas)
	less := func(n int, because string) {
		if n >= 0 && n < most {
			most, why = n, because
		}
	}
	onNodes, because := w.f.nodes.room(sh, held, w.d.NodesMax)
	less(onNodes, because)
	less(quotaRoom(quotas, sh, there))
	if now.Before(cut.until) && onNodes <= cut.onNodes {
		less(cut.most, cut.why)
	}
	return most, why
}

// held are the resources that the pods of all workloads hold.
func (f *Fleet) held(of *workload) []taking {
	var all []taking
	for _, w := range f.workloads() {
		w.mu.Lock()
		for _, p := range w.pods {
			if !p.over() && p.obj.Spec.NodeName != "" {
				all = append(all, taking{p.obj.Spec.NodeName, w == of, w.shape.asks})
			}
		}
		w.mu.Unlock()
	}
	return all
}

// Room is how many replicas of a deployment the cluster allows, as far as Weir
// can see: nodes with their devices, the namespace's quota, recent failures to
// find a node, and the deployment's own MaxReplicas. Negative: unknown.
func (f *Fleet) Room(deployment string) int {
	w := f.get(deployment)
	if w == nil {
		return -1
	}
	most, _ := w.known(time.Now())
	return most
}
