package kubernetes_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir/fleet/fleettest"
)

func TestADeploymentKeepsTheContract(t *testing.T)  { t.Parallel(); contract(t, "Deployment") }
func TestAStatefulSetKeepsTheContract(t *testing.T) { t.Parallel(); contract(t, "StatefulSet") }

func contract(t *testing.T, kind string) {
	fleettest.Run(t, func(t *testing.T) fleettest.Harness {
		w := newWorld(t, 4*podsOf(kind))
		w.workload(kind, "")
		o := w.options(kind)
		o.Deployments[0].PendingTimeout = time.Hour // pods have a node here; on a busy machine the scheduler may not know it for a while
		f, _ := w.start(o, 4)
		return fleettest.Harness{
			Actuator: f, Deployment: "m", Capacity: 4, NewestFirst: kind != "Deployment",
			Settle: func(done func() bool) bool {
				for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
					if done() {
						return true
					}
				}
				t.Log("the cluster has", w.dump())
				return false
			},
			Hold: w.hold,
			Fail: func(replica string) { w.fail(replica) },
		}
	})
}

// podsOf is how many pods one replica has.
func podsOf(kind string) int {
	if kind == "LeaderWorkerSet" {
		return 2
	}
	return 1
}

// fail makes a replica's pod vanish, as the loss of its machine does in the end.
func (w *world) fail(replica string) {
	w.Helper()
	now := int64(0)
	if err := w.resource("v1", "pods", w.namespace).Delete(soon(w.T), w.pod(replica), metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		w.Fatal(err)
	}
}

// pod is the name of a replica's pod.
func (w *world) pod(replica string) string {
	w.Helper()
	pods, err := w.resource("v1", "pods", w.namespace).List(soon(w.T), metav1.ListOptions{})
	if err != nil {
		w.Fatal(err)
	}
	for _, p := range pods.Items {
		if p.GetName() == replica || strings.HasPrefix(replica, p.GetName()+"-") {
			return p.GetName()
		}
	}
	w.Fatalf("no pod of %s", replica)
	return ""
}
