package kubernetes

import (
	"cmp"
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// listing is what pods of other programs hold of one node's devices.
type listing struct {
	at   time.Time // when they were listed
	asks corev1.ResourceList
}

// The pods of others are listed by node, only of nodes that a workload of Weir's
// may use: at most nodesMost of them, listsMost at a time, each again after
// othersFor, or freshFor before the number is raised. Nodes beyond nodesMost
// count as free; a pod that finds them full is given up. Where Weir may not list
// pods, it asks again after deniedFor.
const (
	nodesMost = 256
	listsMost = 64
	othersFor = 30 * time.Second
	freshFor  = 3 * time.Second
	deniedFor = 10 * time.Minute
)

// census lists the pods on the nodes that take the shape, where the last list is
// older than age.
func (s *nodes) census(ctx context.Context, c *cluster, sh shape, own func(*corev1.Pod) bool, age time.Duration) error {
	for _, node := range s.stale(sh, age, time.Now()) {
		asks, err := c.holdings(ctx, node, own)
		s.mu.Lock()
		switch {
		case forbidden(err):
			s.denied = time.Now()
		case err == nil && s.by[node] != nil:
			s.others[node] = listing{time.Now(), asks}
		}
		s.mu.Unlock()
		if forbidden(err) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stale are the nodes to be listed now, those longest unknown first.
func (s *nodes) stale(sh shape, age time.Duration, now time.Time) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(sh.devices()) == 0 || now.Sub(s.denied) < deniedFor {
		return nil
	}
	var names []string
	for name, n := range s.by {
		if now.Sub(s.others[name].at) >= age && sh.takes(n) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(s.others[a].at.Compare(s.others[b].at), cmp.Compare(a, b))
	})
	left := nodesMost - len(s.others)
	names = slices.DeleteFunc(names, func(name string) bool {
		if _, known := s.others[name]; known {
			return false
		}
		left--
		return left < 0
	})
	return names[:min(len(names), listsMost)]
}

// holdings is what the pods on a node hold of its devices, those of Weir's own
// workloads apart. The API server answers from its index of pods by node
// (registry/core/pod/strategy.go), and from memory.
func (c *cluster) holdings(ctx context.Context, node string, own func(*corev1.Pod) bool) (corev1.ResourceList, error) {
	var list corev1.PodList
	err := c.core.Get().Resource("pods").VersionedParams(&metav1.ListOptions{ResourceVersion: "0",
		FieldSelector: "spec.nodeName=" + node + ",status.phase!=Succeeded,status.phase!=Failed"}, metav1.ParameterCodec).Do(ctx).Into(&list)
	if err != nil {
		return nil, err
	}
	sum := corev1.ResourceList{}
	for i := range list.Items {
		if p := &list.Items[i]; !own(p) {
			add(sum, devicesIn(requests(&p.Spec)))
		}
	}
	return sum, nil
}

// whole selects all pods of a workload. The scale of a LeaderWorkerSet selects the
// leaders alone. The lock is held.
func (w *workload) whole() labels.Selector {
	if w.d.Kind == "LeaderWorkerSet" {
		return labels.SelectorFromSet(labels.Set{"leaderworkerset.sigs.k8s.io/name": w.d.Object})
	}
	return w.selects
}

// owns says whether the pod belongs to one of Weir's workloads, whose watch has
// it already.
func (f *Fleet) owns() func(*corev1.Pod) bool {
	type group struct {
		namespace string
		selector  labels.Selector
	}
	var groups []group
	for _, w := range f.workloads() {
		w.mu.Lock()
		if w.selects != nil {
			groups = append(groups, group{w.d.Namespace, w.whole()})
		}
		w.mu.Unlock()
	}
	return func(p *corev1.Pod) bool {
		return slices.ContainsFunc(groups, func(g group) bool {
			return g.namespace == p.Namespace && g.selector.Matches(labels.Set(p.Labels))
		})
	}
}
