package kubernetes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"weir/keda/scalerpb"
)

// annotated stands a server behind every pod of the namespace: the pod's
// annotation weir/address names it.
func (w *world) annotated(answer http.HandlerFunc) {
	w.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	w.Cleanup(func() { cancel(); all.Wait() })
	all.Go(func() {
		behind := map[string]bool{}
		for ctx.Err() == nil {
			pods, err := w.resource("v1", "pods", w.namespace).List(ctx, metav1.ListOptions{})
			if err != nil {
				continue
			}
			for _, p := range pods.Items {
				if behind[p.GetName()] {
					continue
				}
				behind[p.GetName()] = true
				s := httptest.NewServer(answer)
				w.Cleanup(s.Close)
				w.patch("v1", "pods", p.GetName(), `{"metadata":{"annotations":{"weir/address":"`+strings.TrimPrefix(s.URL, "http://")+`"}}}`)
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
}

func answerChat(rw http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	rw.Header().Set("content-type", "application/json")
	fmt.Fprint(rw, `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5}}`)
}

const oneWorkload = `
- name: m
  deployments:
  - name: m
    kubernetes: {namespace: NAMESPACE, name: m, address: annotation, pending_timeout: 2s}
    scaling: {min: 0, max: 4, target_concurrency: 4, cold_start: 10s, scale_in_after: 1s, zero_after: 1s}
`

// TestTheFirstRequestStartsThePod: with no pod, the first request is held until
// one is ready, and answered by it. Idle for long enough, the pod goes again.
func TestTheFirstRequestStartsThePod(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	w.annotated(answerChat)
	g := w.serve("a", settings{models: oneWorkload})
	began := time.Now()
	status, header, body := g.ask()
	if status != 200 || !strings.Contains(body, "hello") {
		t.Fatalf("%d %s", status, body)
	}
	t.Logf("answered after %v, route %s", time.Since(began).Round(10*time.Millisecond), header.Get("x-weir-route"))
	if have := w.replicas("deployments"); have != 1 {
		t.Errorf("%d replicas, want 1", have)
	}
	w.until("the pod goes again", func() (bool, string) {
		return w.replicas("deployments") == 0, g.text("/admin/decisions")
	})
}

const twoWorkloads = `
- name: m
  deployments:
  - name: m/gpus
    kubernetes: {namespace: NAMESPACE, name: m, address: annotation, pending_timeout: 2s}
    scaling: {min: 0, max: 4, target_concurrency: 4, cold_start: 10s, scale_in_after: 1s, zero_after: 1s}
  - name: m/cpus
    tier: 1
    kubernetes: {namespace: NAMESPACE, name: spare, address: annotation, pending_timeout: 2s}
    scaling: {min: 0, max: 2, target_concurrency: 4, cold_start: 10s, scale_in_after: 1m, zero_after: 1m}
`

// spare creates a Deployment spare without replicas, whose pods need no GPU.
func (w *world) spare() {
	w.Helper()
	w.apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: spare, namespace: models}
spec:
  replicas: 0
  selector: {matchLabels: {app: spare}}
  template:
    metadata: {labels: {app: spare}}
    spec:
      nodeSelector: {pool: %s}
      tolerations: [{key: sku, operator: Exists}]
      terminationGracePeriodSeconds: 1
      containers: [{name: engine, image: "engine:1", ports: [{containerPort: 8000}]}]
`, w.namespace))
}

// TestTheNextDeploymentRestsWhileTheFirstCanGrow: both see the queue of one
// model, and one of them starts a pod for it.
func TestTheNextDeploymentRestsWhileTheFirstCanGrow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.workload("Deployment", "")
	w.spare()
	w.annotated(answerChat)
	g := w.serve("a", settings{models: twoWorkloads})
	for range 5 {
		if status, header, body := g.ask(); status != 200 || !strings.Contains(header.Get("x-weir-route"), "m/gpus=") {
			t.Fatalf("%d %s %s", status, header.Get("x-weir-route"), body)
		}
	}
	o, err := w.resource("apps/v1", "deployments", w.namespace).Get(soon(t), "spare", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if have, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas"); have != 0 {
		t.Errorf("%d replicas of the next deployment, decisions %s", have, g.text("/admin/decisions"))
	}
}

// TestTheNextDeploymentServesWhatFindsNoGPU: the preferred workload finds no
// GPU, so the first request is served by the first pod of the next one, and the
// route says why.
func TestTheNextDeploymentServesWhatFindsNoGPU(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.workload("Deployment", "")
	w.spare()
	w.annotated(answerChat)
	g := w.serve("a", settings{models: twoWorkloads})
	w.until("the shortage is known", func() (bool, string) {
		status, header, body := g.ask()
		route := header.Get("x-weir-route")
		return status == 200 && strings.Contains(route, "m/gpus=no_capacity") && strings.Contains(route, "m/cpus=spill_no_capacity"), fmt.Sprint(status, " ", route, " ", body)
	})
	if have := w.replicas("deployments"); have != 0 {
		t.Errorf("%d replicas of the workload that finds no GPU, want 0", have)
	}
}

// TestWithoutAnyGPUTheRefusalSaysSo: nothing else serves the model: callers are
// refused at once with the place's words.
func TestWithoutAnyGPUTheRefusalSaysSo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.workload("Deployment", "")
	g := w.serve("a", settings{models: oneWorkload})
	status, header, body := 0, http.Header{}, ""
	w.until("the refusal", func() (bool, string) {
		status, header, body = g.ask()
		return status == 503, fmt.Sprint(status, " ", body)
	})
	for _, want := range []string{`"code":"no_capacity"`, "unschedulable", gpu} {
		if !strings.Contains(body, want) {
			t.Errorf("%s does not say %q", body, want)
		}
	}
	if header.Get("Retry-After") == "" || header.Get("x-weir-route") != "m=no_capacity" {
		t.Errorf("header %v", header)
	}
	shortages, metrics := g.text("/admin/shortages"), g.text("/metrics")
	if !strings.Contains(shortages, `"why": "unschedulable"`) || !strings.Contains(metrics, `weir_replicas_short{deployment="m",why="unschedulable"} 1`) {
		t.Errorf("%s\n%s", shortages, metrics)
	}
}

// TestAStartIsRefusedAsCheckWould: what weir check --cluster says, a start says too.
func TestAStartIsRefusedAsCheckWould(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.workload("Deployment", "")
	g := w.gateway("a")
	refused := func(models, why string) {
		t.Helper()
		g.configure(settings{models: models})
		for _, args := range [][]string{{"check", "--cluster", "-c", g.file()}, {"serve", "-c", g.file()}} {
			if out, err := g.command(args...).CombinedOutput(); err == nil || !strings.Contains(string(out), why) {
				t.Errorf("weir %s: %v, want it refused with %q:\n%s", args[0], err, why, out)
			}
		}
	}
	refused(strings.Replace(oneWorkload, "name: m, address", "name: absent, address", 1), `deployments.apps "absent" not found`)
	refused(strings.Replace(oneWorkload, "namespace: NAMESPACE", "namespace: kube-system", 1),
		"Weir may not get, list and watch deployments.apps in kube-system, get and update deployments/scale.apps in kube-system and watch and patch pods in kube-system")
	refused(strings.Replace(oneWorkload, "name: m, address", "name: m, kind: ConfigMap, api_version: v1, address", 1), "no scale subresource")
	w.apply(autoscaler)
	refused(oneWorkload, "HorizontalPodAutoscaler other scales apps/v1 Deployment")
}

// TestKEDAIsToldOfTheFirstRequest: KEDA scales, Weir writes nothing. KEDA holds
// the stream and is told within 200 ms of the first request that waits; the
// number it then asks for is one.
func TestKEDAIsToldOfTheFirstRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.workload("Deployment", "")
	w.annotated(answerChat)
	at, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	g := w.serve("a", settings{top: "keda: {listen: \"" + at + "\"}", models: strings.Replace(oneWorkload, "address: annotation", "address: annotation, scaled_by: keda", 1)})
	c, err := grpc.NewClient(at, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const service = "/externalscaler.ExternalScaler/"
	ref := &scalerpb.ScaledObjectRef{Name: "m", Namespace: w.namespace}
	var active scalerpb.IsActiveResponse
	w.until("Weir knows the pods", func() (bool, string) {
		err := c.Invoke(soon(t), service+"IsActive", ref, &active)
		return err == nil && !active.GetResult(), fmt.Sprint(err, active.GetResult())
	})
	stream, err := c.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, service+"StreamIsActive")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.SendMsg(ref), stream.CloseSend(), stream.RecvMsg(&active)); err != nil || active.GetResult() {
		t.Fatalf("at first %v, %v", active.GetResult(), err)
	}
	began := time.Now()
	answered := make(chan string, 1)
	go func() {
		status, _, body := g.ask()
		answered <- fmt.Sprint(status, " ", body)
	}()
	if err := stream.RecvMsg(&active); err != nil || !active.GetResult() {
		t.Fatalf("pushed %v, %v", active.GetResult(), err)
	}
	t.Logf("pushed %v after the request was sent", time.Since(began))
	var values scalerpb.GetMetricsResponse
	if err := c.Invoke(soon(t), service+"GetMetrics", &scalerpb.GetMetricsRequest{ScaledObjectRef: ref}, &values); err != nil || values.GetMetricValues()[0].GetMetricValueFloat() != 1 {
		t.Fatalf("metrics %v, %v", &values, err)
	}
	if have := w.replicas("deployments"); have != 0 {
		t.Errorf("Weir wrote %d", have)
	}
	w.patch("apps/v1", "deployments", "m", `{"spec":{"replicas":1}}`, "scale") // as KEDA does
	if said := <-answered; !strings.HasPrefix(said, "200") {
		t.Error(said)
	}
	if err := stream.RecvMsg(&active); err != nil || active.GetResult() {
		t.Errorf("idle again: pushed %v, %v", active.GetResult(), err)
	}
	if have := w.replicas("deployments"); have != 1 {
		t.Errorf("Weir wrote %d", have)
	}
}

// TestOneOfTwoWithoutACommonStoreWrites: the holder of the Lease. Requests of
// the other are served by the same pods; when the holder ends, the other scales.
func TestOneOfTwoWithoutACommonStoreWrites(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	w.annotated(answerChat)
	stays := strings.Replace(oneWorkload, "zero_after: 1s", "zero_after: 1h", 1)
	first := w.serve("a", settings{models: stays})
	if status, _, body := first.ask(); status != 200 {
		t.Fatal(body)
	}
	holder := func() string {
		o, err := w.resource("coordination.k8s.io/v1", "leases", "weir").Get(soon(t), w.namespace, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		id, _, _ := unstructured.NestedString(o.Object, "spec", "holderIdentity")
		return id
	}
	had := holder()
	second := w.serve("b", settings{models: stays})
	if status, _, body := second.ask(); status != 200 {
		t.Fatal(body)
	}
	if have := holder(); had == "" || have != had {
		t.Errorf("held by %q, then by %q", had, have)
	}
	first.stop()
	w.until("the other holds the lease", func() (bool, string) { have := holder(); return have != "" && have != had, have })
	if status, _, body := second.ask(); status != 200 || w.replicas("deployments") != 1 {
		t.Errorf("%d %s with %d replicas", status, body, w.replicas("deployments"))
	}
}
