package hpa

import (
	"context"
	"fmt"
	"math"
	"time"

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	typedautoscaling "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	typedcore "k8s.io/client-go/kubernetes/typed/core/v1"
	listautoscaling "k8s.io/client-go/listers/autoscaling/v2"
	listcore "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/scale"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"

	"weir/bench/policies/ticks"
)

// cluster is what the controller sees of a cluster with one Deployment. The
// informers are written by hand: real ones reflect through goroutines and
// channels that do not fit into a synctest bubble.
type cluster struct {
	row  ticks.Row
	spec int32 // replicas the Deployment is to have
	pods cache.Indexer
}

// show lets the cluster look as it does at a row.
func (c *cluster) show(r ticks.Row) error {
	c.row = r
	var pods []any
	for i := range r.Have() {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint("pod-", i), Labels: map[string]string{"app": "model"}}}
		pod.Status.Phase = corev1.PodRunning
		if i >= r.Ready {
			pod.Status.Phase = corev1.PodPending
		}
		pods = append(pods, pod)
	}
	return c.pods.Replace(pods, "")
}

// The scale subresource.

func (c *cluster) Scales(string) scale.ScaleInterface { return scales{cluster: c} }

type scales struct {
	scale.ScaleInterface
	*cluster
}

func (s scales) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	return &autoscalingv1.Scale{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "model"},
		Spec:       autoscalingv1.ScaleSpec{Replicas: s.spec},
		Status:     autoscalingv1.ScaleStatus{Replicas: int32(s.row.Have()), Selector: "app=model"},
	}, nil
}

func (s scales) Update(_ context.Context, _ schema.GroupResource, to *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	s.spec = to.Spec.Replicas
	return to, nil
}

// The metrics API: one external total, or a Pods metric that every running pod
// reports alike. Values are thousandths.

type metricsAPI struct {
	metrics.MetricsClient
	*cluster
}

func (m metricsAPI) GetExternalMetric(string, string, labels.Selector) ([]int64, time.Time, error) {
	return []int64{int64(math.Round(1000 * m.row.Signal))}, time.Now(), nil
}

func (m metricsAPI) GetRawMetric(string, string, labels.Selector, labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	info := metrics.PodMetricsInfo{}
	for i := range m.row.Ready {
		info[fmt.Sprint("pod-", i)] = metrics.PodMetric{Timestamp: time.Now(), Value: int64(math.Round(1000 * percent * m.row.Signal))}
	}
	return info, time.Now(), nil
}

// percent is how DCGM reports GPU utilisation.
const percent = 100

// Statuses and events go nowhere.

type statuses struct {
	typedautoscaling.HorizontalPodAutoscalerInterface
}

func (s statuses) HorizontalPodAutoscalers(string) typedautoscaling.HorizontalPodAutoscalerInterface {
	return s
}

func (statuses) UpdateStatus(_ context.Context, h *autoscaling.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscaling.HorizontalPodAutoscaler, error) {
	return h, nil
}

type events struct{ typedcore.EventInterface }

func (e events) Events(string) typedcore.EventInterface { return e }

func (events) CreateWithEventNamespace(e *corev1.Event) (*corev1.Event, error) { return e, nil }

func (events) PatchWithEventNamespace(e *corev1.Event, _ []byte) (*corev1.Event, error) {
	return e, nil
}

// informer is a cache that is always in step, and tells of what was there
// when a handler came.
type informer struct {
	cache.SharedIndexInformer
	store cache.Indexer
}

func newInformer() informer {
	return informer{store: cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})}
}

func (i informer) HasSynced() bool { return true }

func (i informer) AddEventHandlerWithResyncPeriod(h cache.ResourceEventHandler, _ time.Duration) (cache.ResourceEventHandlerRegistration, error) {
	for _, object := range i.store.List() {
		h.OnAdd(object, true)
	}
	return nil, nil
}

type hpaInformer struct{ informer }

func (i hpaInformer) Informer() cache.SharedIndexInformer { return i.informer }
func (i hpaInformer) Lister() listautoscaling.HorizontalPodAutoscalerLister {
	return listautoscaling.NewHorizontalPodAutoscalerLister(i.store)
}

type podInformer struct{ informer }

func (i podInformer) Informer() cache.SharedIndexInformer { return i.informer }
func (i podInformer) Lister() listcore.PodLister          { return listcore.NewPodLister(i.store) }
