// Package hpa holds Weir's baselines "hpa", "hpa-queue" and "hpa-concurrency"
// to the whole HorizontalController of Kubernetes.
package hpa

import (
	"context"
	"flag"
	"testing"
	"testing/synctest"
	"time"

	autoscaling "k8s.io/api/autoscaling/v2"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/klog/v2"
	defaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"

	"weir/bench/policies/ticks"
)

var update = flag.Bool("update", false, "write the files of the cases again")

// object is the HorizontalPodAutoscaler of a case, with what the API server
// fills in.
func object(c *ticks.Case) *autoscaling.HorizontalPodAutoscaler {
	least := int32(c.Min)
	metric := autoscaling.MetricIdentifier{Name: "load"}
	target := autoscaling.MetricTarget{
		Type:         autoscaling.AverageValueMetricType,
		AverageValue: resource.NewMilliQuantity(int64(1000*c.Target), resource.DecimalSI),
	}
	spec := autoscaling.MetricSpec{
		Type:     autoscaling.ExternalMetricSourceType,
		External: &autoscaling.ExternalMetricSource{Metric: metric, Target: target},
	}
	if c.Policy == "hpa" {
		target.AverageValue.SetMilli(int64(1000 * percent * c.Target))
		spec = autoscaling.MetricSpec{
			Type: autoscaling.PodsMetricSourceType,
			Pods: &autoscaling.PodsMetricSource{Metric: metric, Target: target},
		}
	}
	h := &autoscaling.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "model"},
		Spec: autoscaling.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscaling.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "model"},
			MinReplicas:    &least, MaxReplicas: int32(c.Max),
			Metrics: []autoscaling.MetricSpec{spec},
		},
	}
	if c.Behavior {
		h.Spec.Behavior = new(autoscaling.HorizontalPodAutoscalerBehavior)
	}
	defaults.SetDefaults_HorizontalPodAutoscaler(h)
	return h
}

// start runs the controller with kube-controller-manager's defaults.
func start(ctx context.Context, c *ticks.Case) (*cluster, error) {
	pods, hpas := newInformer(), newInformer()
	if err := hpas.store.Add(object(c)); err != nil {
		return nil, err
	}
	k := &cluster{spec: int32(c.Start), pods: pods.store}
	apps := schema.GroupVersion{Group: "apps", Version: "v1"}
	kinds := meta.NewDefaultRESTMapper([]schema.GroupVersion{apps})
	kinds.Add(apps.WithKind("Deployment"), meta.RESTScopeNamespace)
	controller := podautoscaler.NewHorizontalController(ctx, events{}, k, statuses{}, kinds, metricsAPI{cluster: k},
		hpaInformer{hpas}, podInformer{pods},
		15*time.Second,  // sync period
		300*time.Second, // downscale stabilisation
		0.1,             // tolerance
		5*time.Minute,   // CPU initialisation period
		30*time.Second,  // initial readiness delay
	)
	go controller.Run(ctx, 1)
	return k, nil
}

// kubernetes shows the cluster of each tick to the running controller a second
// before its sync, and reads what it made of it a second after.
func kubernetes(k *cluster, begin time.Time) ticks.Original {
	return func(r ticks.Row) (int, error) {
		time.Sleep(time.Until(begin.Add(r.At - time.Second)))
		if err := k.show(r); err != nil {
			return 0, err
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		return int(k.spec), nil
	}
}

// run lets the original live for the length of body.
func run(t *testing.T, c *ticks.Case, body func(ticks.Original)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(klog.NewContext(context.Background(), klog.Logger{}))
		defer func() {
			stop()
			time.Sleep(time.Second) // its work queue sees every half second that it is shut
		}()
		k, err := start(ctx, c)
		if err != nil {
			t.Fatal(err)
		}
		body(kubernetes(k, time.Now()))
	})
}

func TestHPADecidesAsKubernetes(t *testing.T) {
	ticks.Hold(t, "hpa", "../../..", 15*time.Second, *update, run)
}

func TestHPADecidesAsKubernetesWhateverComes(t *testing.T) {
	for seed := range uint64(100) {
		for _, policy := range []string{"hpa", "hpa-queue", "hpa-concurrency"} {
			ticks.Walk(t, policy, seed, 15*time.Second, run)
		}
	}
}

// An object without spec.behavior is given none: its defaults are for those
// who write part of it.
func TestDefaultsDoNotAddABehavior(t *testing.T) {
	c := &ticks.Case{Target: 1, Max: 1}
	if h := object(c); h.Spec.Behavior != nil {
		t.Errorf("behavior %v, want none", h.Spec.Behavior)
	}
	c.Behavior = true
	if h := object(c); h.Spec.Behavior.ScaleUp == nil || h.Spec.Behavior.ScaleDown == nil {
		t.Errorf("behavior %v, want it filled in", h.Spec.Behavior)
	}
}
