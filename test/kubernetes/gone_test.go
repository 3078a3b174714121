package kubernetes_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"weir"
)

// TestThePodsOfADeletedWorkloadAreSeenToGo: a workload is deleted, and its pods
// after it. No address of theirs is left, since another program's pod may get it.
// One of the same name that comes later is scaled.
func TestThePodsOfADeletedWorkloadAreSeenToGo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	f, _ := w.start(w.options("Deployment"), 4)
	w.scale(f, 2)
	w.ready(f, 2)
	in := metav1.DeletePropagationBackground
	if err := w.resource("apps/v1", "deployments", w.namespace).Delete(soon(t), "m", metav1.DeleteOptions{PropagationPolicy: &in}); err != nil {
		t.Fatal(err)
	}
	w.until("no replica is left", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		return err == nil && len(rs) == 0, fmt.Sprint(err, list(rs))
	})
	if err := f.Scale(soon(t), "m", 1, nil); err == nil || !strings.Contains(err.Error(), w.namespace+"/m has been deleted") {
		t.Errorf("a deleted workload: %v", err)
	}
	w.workload("Deployment", "")
	w.until("the new one is scaled", func() (bool, string) {
		err := f.Scale(soon(t), "m", 1, nil)
		rs, _ := f.Status(t.Context(), "m")
		return err == nil && len(rs) == 1 && count(rs, weir.Ready) == 1, fmt.Sprint(err, list(rs))
	})
	if held := f.Held("m"); held != "" {
		t.Errorf("the new one's own number is another writer's: %s", held)
	}
}

const noWorkload = `
- name: elsewhere
  deployments:
  - name: elsewhere
    external: {urls: ["http://127.0.0.1:1"]}
`

// TestAReloadAddsMovesAndRemovesAWorkload: two gateways without a common store
// begin with no workload. Once a reload has added one, the holder of the Lease
// alone writes it. Another reload names another workload, and a last one none: what
// runs stays as it is.
func TestAReloadAddsMovesAndRemovesAWorkload(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	w.workloadNamed("m2", "Deployment")
	var asked atomic.Value // where the last request came
	w.annotated(func(rw http.ResponseWriter, r *http.Request) {
		asked.Store(r.Host)
		answerChat(rw, r)
	})
	stays := strings.Replace(oneWorkload, "zero_after: 1s", "zero_after: 1h", 1)
	first := w.serve("a", settings{models: noWorkload})
	second := w.serve("b", settings{models: noWorkload})
	reload := func(g *gateway, models string) {
		t.Helper()
		g.reload(settings{models: noWorkload + models})
	}
	answers := func(g *gateway, status int) {
		t.Helper()
		if have, _, body := g.ask(); have != status {
			t.Fatalf("%d, want %d: %s", have, status, body)
		}
	}
	number := func(name string) int64 {
		t.Helper()
		o, err := w.resource("apps/v1", "deployments", w.namespace).Get(soon(t), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		return n
	}
	lease := w.resource("coordination.k8s.io/v1", "leases", "weir")
	if _, err := lease.Get(soon(t), w.namespace, metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("with nothing to write there is a Lease: %v", err)
	}
	reload(first, stays)
	reload(second, stays)
	answers(first, 200)
	answers(second, 200)
	o, err := lease.Get(soon(t), w.namespace, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("two gateways write, and no Lease says which: %v", err)
	}
	if holder, _, _ := unstructured.NestedString(o.Object, "spec", "holderIdentity"); holder == "" {
		t.Error("no gateway holds the Lease")
	}
	if n := number("m"); n != 1 {
		t.Errorf("m has %d replicas, want 1", n)
	}
	second.stop()
	reload(first, strings.Replace(stays, "name: m, address", "name: m2, address", 1))
	w.until("requests start a pod of m2, and none goes to those of m", func() (bool, string) {
		answers(first, 200)
		pods, err := w.resource("v1", "pods", w.namespace).List(soon(t), metav1.ListOptions{LabelSelector: "app=m2"})
		if err != nil {
			t.Fatal(err)
		}
		at, _ := asked.Load().(string)
		return len(pods.Items) == 1 && pods.Items[0].GetAnnotations()["weir/address"] == at, at
	})
	if n := number("m"); n != 1 {
		t.Errorf("m, which is in no file any more, has %d replicas; want what it had", n)
	}
	reload(first, "")
	answers(first, 404)
	if a, b := number("m"), number("m2"); a != 1 || b != 1 {
		t.Errorf("m has %d replicas and m2 %d after both are gone from the file; want 1 and 1", a, b)
	}
}
