package kubernetes

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// worker is a pod of a LeaderWorkerSet's group beside its leader. Leaders alone are
// watched: they are the replicas. What workers hold is read when room is counted.
type worker struct {
	uid  types.UID
	node string
	asks corev1.ResourceList // devices
}

// countWorkers reads the workers. One without a node may have its claim already.
func (w *workload) countWorkers(ctx context.Context) error {
	if w.d.Kind != "LeaderWorkerSet" {
		return nil
	}
	var list corev1.PodList
	err := w.f.c.core.Get().Namespace(w.d.Namespace).Resource("pods").VersionedParams(&metav1.ListOptions{
		LabelSelector: w.whole().String() + ",leaderworkerset.sigs.k8s.io/worker-index!=0"}, metav1.ParameterCodec).Do(ctx).Into(&list)
	if err != nil {
		return err
	}
	var all []worker
	for i := range list.Items {
		p := &list.Items[i]
		if p.Status.Phase != corev1.PodSucceeded && p.Status.Phase != corev1.PodFailed {
			all = append(all, worker{p.UID, p.Spec.NodeName, devicesIn(requests(&p.Spec))})
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.workers = all
	return nil
}

// own are the pods whose claims are the workload's. The lock is held.
func (w *workload) own() map[types.UID]bool {
	own := map[types.UID]bool{}
	for uid := range w.pods {
		own[uid] = true
	}
	for _, x := range w.workers {
		own[x.uid] = true
	}
	return own
}
