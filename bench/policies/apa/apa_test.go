// Package apa holds Weir's baseline "apa" to AIBrix's own pod autoscaler.
package apa

import (
	"context"
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/vllm-project/aibrix/api/autoscaling/v1alpha1"
	"github.com/vllm-project/aibrix/pkg/controller/podautoscaler"
	scaling "github.com/vllm-project/aibrix/pkg/controller/podautoscaler/context"
	"github.com/vllm-project/aibrix/pkg/controller/podautoscaler/metrics"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir/bench/policies/ticks"
)

var update = flag.Bool("update", false, "write the files of the cases again")

// stabilize is the controller's own last step, which it keeps to itself.
//
//go:linkname stabilize github.com/vllm-project/aibrix/pkg/controller/podautoscaler.(*PodAutoscalerReconciler).stabilizeRecommendation
func stabilize(r *podautoscaler.PodAutoscalerReconciler, pa *v1alpha1.PodAutoscaler, c scaling.ScalingContext, recommendation, current int32) int32

// engines are the pods' metrics: what is in flight is spread evenly over the
// ready pods, one that starts does not answer.
type engines struct {
	row   ticks.Row
	asked int // pods asked since the row was shown
}

func (e *engines) For(v1alpha1.MetricSource) metrics.MetricFetcher { return e }

func (e *engines) FetchPodMetrics(_ context.Context, pod corev1.Pod, _ v1alpha1.MetricSource) (float64, error) {
	if pod.Status.Phase != corev1.PodRunning {
		return 0, fmt.Errorf("pod %s does not answer", pod.Name)
	}
	e.asked++
	return float64((int(e.row.Signal) + e.asked - 1) / e.row.Ready), nil
}

// pods are what the controller finds by the selector.
func (e *engines) pods() []corev1.Pod {
	pods := make([]corev1.Pod, e.row.Have())
	for i := range pods {
		pods[i].Name, pods[i].Status.Phase = fmt.Sprint("pod-", i), corev1.PodRunning
		if i >= e.row.Ready {
			pods[i].Status.Phase = corev1.PodPending
		}
	}
	return pods
}

// aibrix is reconcileCustomPA's decision: the autoscaler, then the controller's
// cooldown, then the bounds.
func aibrix(c *ticks.Case) ticks.Original {
	least := int32(c.Min)
	source := v1alpha1.MetricSource{
		MetricSourceType: v1alpha1.POD, ProtocolType: v1alpha1.HTTP,
		TargetMetric: "concurrency", TargetValue: fmt.Sprint(c.Target),
	}
	pa := v1alpha1.PodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "model"},
		Spec: v1alpha1.PodAutoscalerSpec{
			ScaleTargetRef: corev1.ObjectReference{Kind: "Deployment", Name: "model"},
			MinReplicas:    &least, MaxReplicas: int32(c.Max),
			MetricsSources: []v1alpha1.MetricSource{source}, ScalingStrategy: v1alpha1.APA,
		},
	}
	e := new(engines)
	scaler := podautoscaler.NewDefaultAutoScaler(e, nil)
	reconciler := new(podautoscaler.PodAutoscalerReconciler)
	return func(r ticks.Row) (int, error) {
		time.Sleep(time.Until(ticks.Epoch().Add(r.At)))
		e.row, e.asked = r, 0
		limits := scaling.NewBaseScalingContext()
		if err := limits.UpdateByPaTypes(&pa); err != nil {
			return 0, err
		}
		limits.SetMinReplicas(least)
		limits.SetMaxReplicas(int32(c.Max))
		have := int32(r.Have())
		result, err := scaler.ComputeDesiredReplicas(context.Background(), podautoscaler.ReplicaComputeRequest{
			PodAutoscaler: pa, ScalingContext: limits, CurrentReplicas: have, Pods: e.pods(), Timestamp: time.Now(),
		})
		if err != nil {
			return int(have), nil // the controller reports the error and leaves the replicas alone
		}
		return int(stabilize(reconciler, &pa, limits, result.DesiredReplicas, have)), nil
	}
}

// run lets the original live for the length of body.
func run(t *testing.T, c *ticks.Case, body func(ticks.Original)) {
	synctest.Test(t, func(*testing.T) { body(aibrix(c)) })
}

func TestAPADecidesAsAIBrix(t *testing.T) {
	ticks.Hold(t, "apa", "../../..", 0, *update, run)
}

func TestAPADecidesAsAIBrixWhateverComes(t *testing.T) {
	for seed := range uint64(200) {
		ticks.Walk(t, "apa", seed, 0, run)
	}
}
