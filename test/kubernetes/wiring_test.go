package kubernetes_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir/config"
	"weir/node"
	"weir/price"
	"weir/wire"
)

const wiredKey = "weir_a_key_for_tests_and_nothing_else"

// wired runs a whole Weir with a weir.yaml, until the test ends or stop is
// called. The rest of the file is models, indented by nothing.
func (w *world) wired(name, models string) (n *node.Node, stop func()) {
	w.Helper()
	dir := w.TempDir()
	file := filepath.Join(dir, "weir.yaml")
	w.wiredConfig(file, dir, models)
	load := func() (*config.Config, error) { return config.Load(file) }
	c, err := load()
	if err != nil {
		w.Fatal(err)
	}
	o, err := wire.Node(c, load, price.Default, filepath.Join(dir, name))
	if err != nil {
		w.Fatal(err)
	}
	o.LogTo = testWriter{w}
	if n, err = node.New(o); err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx, nil) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("weir: %v", err)
		}
	})
	w.Cleanup(stop)
	return n, stop
}

func (w *world) wiredConfig(file, dir, models string) {
	w.Helper()
	text := fmt.Sprintf(`
server: {listen: "127.0.0.1:0", drain_timeout: 1s}
admin: {listen: "127.0.0.1:0"}
store: {path: %[1]s/weir.db}
journal: {path: %[1]s/weir.journal}
kubernetes: {kubeconfig: %[2]s, namespace: weir, lease: %[3]s}
tenants: [{name: t, keys: [{name: k, hash: %[4]s}]}]
models:
%[5]s`, dir, w.config, w.namespace, config.HashKey(wiredKey), strings.ReplaceAll(models, "NAMESPACE", w.namespace))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

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

// askNode sends one request and returns its status, route and body.
func askNode(t *testing.T, n *node.Node) (status int, header http.Header, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+n.Callers().String()+"/v1/chat/completions",
		strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("authorization", "Bearer "+wiredKey)
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// page reads a page of the operators' address.
func page(t *testing.T, n *node.Node, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + n.Operators().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
	n, _ := w.wired("a", oneWorkload)
	began := time.Now()
	status, header, body := askNode(t, n)
	if status != 200 || !strings.Contains(body, "hello") {
		t.Fatalf("%d %s", status, body)
	}
	t.Logf("answered after %v, route %s", time.Since(began).Round(10*time.Millisecond), header.Get("x-weir-route"))
	if have := w.replicas("deployments"); have != 1 {
		t.Errorf("%d replicas, want 1", have)
	}
	w.until("the pod goes again", func() (bool, string) {
		return w.replicas("deployments") == 0, page(t, n, "/admin/decisions")
	})
}
