package main

import (
	"context"
	"encoding/json"
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

	"weir"
	"weir/config"
	"weir/node"
)

const testKey = "weir_a_key_for_tests_and_nothing_else"

// upstreamServer answers any chat with a fixed one, and metrics as vLLM does.
func upstreamServer(t *testing.T, text string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			fmt.Fprint(w, "vllm:num_requests_running{model_name=\"m\"} 3\nvllm:num_requests_waiting{model_name=\"m\"} 1\n")
			return
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("content-type", "application/json")
		fmt.Fprintf(w, `{"choices":[{"message":{"content":%q},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":50}}`, text)
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func writeConfig(t *testing.T, dir, upstream, extra string) string {
	t.Helper()
	file := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf(`server: {listen: "127.0.0.1:0"%s}
admin: {listen: "127.0.0.1:0"}
log: {access: false}
store: {path: %q, flush_every: 100ms}
journal: {path: %q}
tenants:
  - name: t
    keys: [{name: k, hash: %q}]
models:
  - name: m
    deployments:
      - name: m/there
        price: {prompt: $10/1M tokens, completion: $20/1M tokens}
        external: {urls: [%q]}
`, extra, filepath.Join(dir, "weir.db"), filepath.Join(dir, "journal"), config.HashKey(testKey), upstream)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// startNode runs a node of the file until the test's end.
func startNode(t *testing.T, file string) served {
	t.Helper()
	n, _ := serveFile(t, file, t.TempDir(), t.Output())
	return n
}

// served is a node that runs.
type served struct{ *node.Node }

// serveFile runs a node of the file, with the state of a folder, until the test's
// end, or until stop is called.
func serveFile(t *testing.T, file, state string, log io.Writer) (n served, stop func()) {
	t.Helper()
	f := serveFlags{file: file, state: state}
	load, _, _, err := f.loader()
	if err != nil {
		t.Fatal(err)
	}
	c, err := load()
	if err != nil {
		t.Fatal(err)
	}
	made, err := f.node(c, load, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- made.Run(ctx, nil) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the node stopped with %v", err)
		}
	})
	t.Cleanup(stop)
	return served{made}, stop
}

func (n served) ask(t *testing.T) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+n.Callers().String()+"/v1/chat/completions",
		strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("authorization", "Bearer "+testKey)
	return do(t, req)
}

func (n served) operate(t *testing.T, method, path string) (status int, body string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+n.Operators().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return do(t, req)
}

func do(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// eventually polls for the effect of other goroutines; only a failed test
// reaches the limit.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestARequestIsServedCountedPricedAndShownToOperators(t *testing.T) {
	dir := t.TempDir()
	n := startNode(t, writeConfig(t, dir, upstreamServer(t, "hi"), ""))
	eventually(t, "ready", func() bool { s, _ := n.operate(t, "GET", "/readyz"); return s == 200 })
	if status, body := n.ask(t); status != 200 || !strings.Contains(body, `"hi"`) {
		t.Fatalf("%d %s", status, body)
	}
	eventually(t, "the ledger has it", func() bool {
		status, body := n.operate(t, "GET", "/admin/usage?since=1h&step=minute&tenant=t")
		var rows []struct {
			Completed  int64
			Prompt     int64      `json:"prompt_tokens"`
			Completion int64      `json:"completion_tokens"`
			Cost       weir.Money `json:"cost_dollars"`
		}
		if err := json.Unmarshal([]byte(body), &rows); err != nil || status != 200 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		// 100 x $10 + 50 x $20 per million tokens are 2,000 micro-dollars.
		return len(rows) == 1 && rows[0].Completed == 1 && rows[0].Prompt == 100 && rows[0].Completion == 50 && rows[0].Cost == 2000
	})
	eventually(t, "metrics count it, and the engine's own are read", func() bool {
		_, body := n.operate(t, "GET", "/metrics")
		return strings.Contains(body, `weir_requests_total{code="none",deployment="m/there",fault="none",model="m",outcome="completed",tenant="t"} 1`) &&
			strings.Contains(body, `weir_engine_requests_running{deployment="m/there"} 3`)
	})
	for _, bad := range []string{"since=x", "since=-1h", "since=99999h", "step=year"} {
		if status, _ := n.operate(t, "GET", "/admin/usage?"+bad); status != 400 {
			t.Errorf("%s: %d", bad, status)
		}
	}
}

func TestAReloadSwapsTheUpstreamAndABadOneChangesNothing(t *testing.T) {
	dir := t.TempDir()
	first, second := upstreamServer(t, "first"), upstreamServer(t, "second")
	n := startNode(t, writeConfig(t, dir, first, ""))
	says := func(want string) {
		t.Helper()
		if status, body := n.ask(t); status != 200 || !strings.Contains(body, want) {
			t.Fatalf("have %d %s, want %s", status, body, want)
		}
	}
	eventually(t, "ready", func() bool { s, _ := n.operate(t, "GET", "/readyz"); return s == 200 })
	says("first")

	writeConfig(t, dir, second, ", max_body: nonsense")
	if status, body := n.operate(t, "POST", "/admin/reload"); status != 422 || !strings.Contains(body, "max_body") {
		t.Errorf("an invalid file: %d %s", status, body)
	}
	says("first")

	writeConfig(t, dir, second, ", max_header: 32KiB")
	if status, body := n.operate(t, "POST", "/admin/reload"); status != 422 || !strings.Contains(body, "a reload cannot change server.max_header") {
		t.Errorf("what only a start can change: %d %s", status, body)
	}
	says("first")

	writeConfig(t, dir, second, "")
	if status, body := n.operate(t, "POST", "/admin/reload"); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	says("second")
}
