package kubernetes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/cache"

	"weir/emulate"
)

// engine is the label of pods with an engine behind them.
const engine = `"labels":{"start":"engine"}`

// kubelet is the kubelet of a world's nodes, for pods with the label start: engine:
// each has an emulated engine of its own (package emulate), in this process. The
// address of the pod is the engine's own, one of 127.0.0.0/8, so what Weir reads
// from the API server is where it sends requests: nothing is mapped. It does what a
// kubelet does: starts the engine when the pod has a node, asks its /health until it
// has loaded, tells it to end when the pod is deleted, and then lets the pod go.
type kubelet struct {
	*world
	pods dynamic.ResourceInterface
	load time.Duration // of an engine's weights
	all  sync.WaitGroup
	ctx  context.Context

	mu   sync.Mutex
	runs map[types.UID]*running
	dead map[string]bool // nodes that are lost
}

// running is one engine.
type running struct {
	node     string
	server   *http.Server
	end      context.CancelFunc // SIGTERM
	inFlight atomic.Int64       // answers that have begun or are waited for
}

// kubelet starts one for the world; load is how long an engine loads.
func (w *world) kubelet(load time.Duration) *kubelet {
	ctx, cancel := context.WithCancel(context.Background())
	pods := w.plane.client(w.T, kubeletToken).Resource(corev1.SchemeGroupVersion.WithResource("pods")).Namespace(w.namespace)
	k := &kubelet{world: w, pods: pods, load: load, ctx: ctx, runs: map[types.UID]*running{}, dead: map[string]bool{}}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.LabelSelector = "start=engine"
			return pods.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.LabelSelector = "start=engine"
			return pods.Watch(ctx, o)
		},
	}
	k.all.Go(func() {
		cache.NewReflectorWithOptions(lw, &unstructured.Unstructured{}, k, cache.ReflectorOptions{}).RunWithContext(ctx)
	})
	w.Cleanup(func() { cancel(); k.all.Wait() })
	return k
}

func (k *kubelet) Add(o any) error    { return k.see(o) }
func (k *kubelet) Update(o any) error { return k.see(o) }
func (k *kubelet) Resync() error      { return nil }

func (k *kubelet) Delete(o any) error {
	if u, ok := o.(*unstructured.Unstructured); ok {
		k.kill(func(uid types.UID, _ *running) bool { return uid == u.GetUID() }) // deleted by force
	}
	return nil
}

func (k *kubelet) Replace(all []any, _ string) error {
	there := map[types.UID]bool{}
	for _, o := range all {
		if err := k.see(o); err != nil {
			return err
		}
		if u, ok := o.(*unstructured.Unstructured); ok {
			there[u.GetUID()] = true
		}
	}
	k.kill(func(uid types.UID, _ *running) bool { return !there[uid] })
	return nil
}

// see takes the API server's version of a pod.
func (k *kubelet) see(o any) error {
	u, ok := o.(*unstructured.Unstructured)
	if !ok {
		return fmt.Errorf("not an object: %T", o)
	}
	var p corev1.Pod
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, &p); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r, known := k.runs[p.UID]
	switch {
	case p.Spec.NodeName == "" || k.dead[p.Spec.NodeName]:
	case known && p.DeletionTimestamp != nil:
		r.end()
	case !known:
		ctx, end := context.WithCancel(k.ctx)
		r = &running{node: p.Spec.NodeName, end: end}
		k.runs[p.UID] = r
		k.all.Go(func() { k.run(ctx, &p, r) })
	}
	return nil
}

// run is the life of a pod on its node.
func (k *kubelet) run(ctx context.Context, p *corev1.Pod, r *running) {
	l, err := listen()
	if err != nil {
		k.Errorf("an engine's address: %v", err)
		return
	}
	e, err := emulate.New(engineOf(k.load))
	if err != nil {
		k.Error(err)
		return
	}
	ip, _, _ := net.SplitHostPort(l.Addr().String())
	k.mu.Lock()
	r.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(rw http.ResponseWriter, q *http.Request) {
		r.inFlight.Add(1)
		defer r.inFlight.Add(-1)
		e.Handler().ServeHTTP(rw, q)
	})}
	k.mu.Unlock()
	moving, stop := context.WithCancel(context.Background())
	var inside sync.WaitGroup
	inside.Go(func() { _ = e.Run(moving) })     // it has no listener that could fail
	inside.Go(func() { _ = r.server.Serve(l) }) // until it is shut down or killed
	defer func() { stop(); inside.Wait() }()

	began := time.Now()
	k.says(p, ip, began, false)
	if k.healthy(ctx, l.Addr().String()) {
		k.says(p, ip, began, true)
	}
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.Background(), time.Duration(*p.Spec.TerminationGracePeriodSeconds)*time.Second)
	defer cancel()
	if r.server.Shutdown(grace) != nil {
		_ = r.server.Close() // SIGKILL
	}
	k.mu.Lock()
	lost := k.dead[r.node]
	k.mu.Unlock()
	if k.ctx.Err() == nil && !lost {
		k.gone(p)
	}
}

// speed is how fast an engine is, of a real one: at this, an answer of 40 tokens
// takes over a second, so that few requests keep many replicas busy.
const speed = 0.2

func engineOf(load time.Duration) emulate.Options {
	return emulate.Options{Model: "Llama-3.1-8B", Served: "m", GPU: "H100-80GB", Speed: speed,
		Load: max(1, time.Duration(float64(load)*speed))}
}

// healthy asks the engine until it has loaded; false: it was told to end before.
func (k *kubelet) healthy(ctx context.Context, address string) bool {
	for ctx.Err() == nil {
		if resp, err := http.Get("http://" + address + "/health"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return true
			}
		}
		pause(ctx, 20*time.Millisecond)
	}
	return false
}

// says writes the pod's status: its container has run since then, and is ready or
// loads.
func (k *kubelet) says(p *corev1.Pod, ip string, began time.Time, ready bool) {
	now, since := time.Now().UTC().Format(time.RFC3339), began.UTC().Format(time.RFC3339)
	state := "False"
	if ready {
		state = "True"
	}
	condition := func(kind, status string) map[string]any {
		return map[string]any{"type": kind, "status": status, "lastTransitionTime": now}
	}
	status := map[string]any{
		"phase": "Running", "podIP": ip, "podIPs": []any{map[string]any{"ip": ip}}, "startTime": since,
		"conditions": []any{condition("Initialized", "True"), condition("ContainersReady", state), condition("Ready", state)},
		"containerStatuses": []any{map[string]any{
			"name": "engine", "image": "engine:1", "imageID": "", "ready": ready, "started": ready, "restartCount": 0,
			"state": map[string]any{"running": map[string]any{"startedAt": since}},
		}},
	}
	body, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": p.UID}, "status": status})
	if err != nil {
		k.Error(err)
		return
	}
	k.insist(func(ctx context.Context) error {
		_, err := k.pods.Patch(ctx, p.Name, types.StrategicMergePatchType, body, metav1.PatchOptions{}, "status")
		return err
	})
}

// gone lets a pod go whose engine has ended.
func (k *kubelet) gone(p *corev1.Pod) {
	k.insist(func(ctx context.Context) error {
		return k.pods.Delete(ctx, p.Name,
			metav1.DeleteOptions{GracePeriodSeconds: new(int64), Preconditions: &metav1.Preconditions{UID: &p.UID}})
	})
}

// insist repeats a call until the API server, which a scenario takes away, has
// answered it; that the pod is gone is an answer.
func (k *kubelet) insist(call func(context.Context) error) {
	for k.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(k.ctx, 5*time.Second)
		err := call(ctx)
		cancel()
		if err == nil || apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
			return
		}
		pause(k.ctx, 100*time.Millisecond)
	}
}

// kill ends engines without a word, as the loss of their machine does, and returns
// how many requests they had.
func (k *kubelet) kill(which func(types.UID, *running) bool) (cut int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for uid, r := range k.runs {
		if which(uid, r) && r.server != nil {
			cut += int(r.inFlight.Load())
			_ = r.server.Close()
			r.end()
			delete(k.runs, uid)
		}
	}
	return cut
}

// lose takes a node away with what runs on it, and returns how many requests that
// cut off. The API server hears nothing yet.
func (k *kubelet) lose(node string) (cut int) {
	full := k.namespace + "-" + node
	k.mu.Lock()
	k.dead[full] = true
	k.mu.Unlock()
	return k.kill(func(_ types.UID, r *running) bool { return r.node == full })
}

// forget is what the control plane does in the end about a lost node: its pods are
// not ready, then it and they are gone. (Of the controllers that do this, one waits
// 50 s for a heartbeat and the other runs every 20 s; the test does not wait.)
func (k *kubelet) forget(node string) {
	full := k.namespace + "-" + node
	all, err := k.pods.List(soon(k.T), metav1.ListOptions{FieldSelector: "spec.nodeName=" + full})
	if err != nil {
		k.Fatal(err)
	}
	for _, p := range all.Items {
		body := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"False","lastTransitionTime":%q}]}}`, time.Now().UTC().Format(time.RFC3339))
		if _, err := k.pods.Patch(soon(k.T), p.GetName(), types.StrategicMergePatchType, []byte(body), metav1.PatchOptions{}, "status"); err != nil {
			k.Fatal(err)
		}
	}
	if err := k.resource("v1", "nodes", "").Delete(soon(k.T), full, metav1.DeleteOptions{}); err != nil {
		k.Fatal(err)
	}
	for _, p := range all.Items {
		if err := k.pods.Delete(soon(k.T), p.GetName(), metav1.DeleteOptions{GracePeriodSeconds: new(int64)}); err != nil {
			k.Fatal(err)
		}
	}
}

var (
	addresses sync.Mutex
	nextOne   int
)

// listen makes a pod's address: port 8000 at the next of 254 addresses of this test
// run, which are named by the port of its API server, so that no two runs on one
// machine share them.
func listen() (net.Listener, error) {
	_, text, err := net.SplitHostPort(cluster.api)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return nil, err
	}
	addresses.Lock()
	defer addresses.Unlock()
	for range 254 {
		nextOne = nextOne%254 + 1
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:8000", port>>8, port&0xff, nextOne)); err == nil {
			return l, nil
		}
	}
	return nil, err
}
