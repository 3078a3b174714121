package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"weir"
	"weir/cache/operate"
)

// A file of prompts fills a running Weir, a second run asks for nothing, a purge ends it; and
// what was spent and saved adds up in the ledger.
func TestWarmingFillsARunningWeir(t *testing.T) {
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.Method == http.MethodPost { // and is no probe
			asked.Add(1)
		}
		w.Header().Set("content-type", "application/json")
		io.WriteString(w, `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":50}}`)
	}))
	defer srv.Close()
	dir := t.TempDir()
	file := writeConfig(t, dir, srv.URL, "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cached := strings.Replace(string(text), "  - name: m\n", "  - name: m\n    cache: {ttl: 1h}\n", 1)
	prompts := filepath.Join(dir, "prompts.jsonl")
	lines := `{"model":"m","temperature":0,"messages":[{"role":"user","content":"one"}]}
{"path":"/v1/chat/completions","body":{"model":"m","temperature":0,"stream":true,"messages":[{"role":"user","content":"two"}]}}
{"model":"m","messages":[{"role":"user","content":"three"}]}
`
	for name, text := range map[string]string{file: cached, prompts: lines} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n := startNode(t, file)
	eventually(t, "ready", func() bool { s, _ := n.operate(t, "GET", "/readyz"); return s == 200 })
	t.Setenv(operate.KeyVariable, testKey)
	weirCache := func(want string, args ...string) {
		t.Helper()
		var out bytes.Buffer
		cmd := newRoot()
		cmd.SetOut(&out)
		cmd.SetArgs(append([]string{"cache"}, args...))
		if err := cmd.ExecuteContext(t.Context()); err != nil || out.String() != want {
			t.Errorf("%v: %q, %v\nwant %q", args, out.String(), err, want)
		}
	}
	warm := []string{"warm", prompts, "--url", "http://" + n.Callers().String(), "--rate", "1000", "--tags", "faq"}
	const skipped = "not stored: 1 for the reason \"temperature\" (docs/guide/cache.md)\n"
	weirCache("3 sent: 2 answers new, 0 there already, 1 not stored, 0 failed\n"+skipped, warm...)
	weirCache("3 sent: 0 answers new, 2 there already, 1 not stored, 0 failed\n"+skipped, warm...)
	weirCache("2 stored answers purged\n", "purge", "--tag", "faq", "--admin", n.Operators().String())
	weirCache("3 sent: 2 answers new, 0 there already, 1 not stored, 0 failed\n"+skipped, warm...)
	if n := asked.Load(); n != 3+1+3 {
		t.Errorf("the model was asked %d times", n)
	}
	eventually(t, "the ledger adds up", func() bool {
		_, body := n.operate(t, "GET", "/admin/usage?since=1h&step=day&tenant=t")
		type row struct {
			Requests, Completed, Stored int64
			Tokens                      int64      `json:"saved_tokens"`
			Saved                       weir.Money `json:"saved_dollars"`
			Cost                        weir.Money `json:"cost_dollars"`
		}
		var rows []row
		if err := json.Unmarshal([]byte(body), &rows); err != nil {
			t.Fatal(err, body)
		}
		var sum row
		for _, r := range rows {
			sum.Requests, sum.Completed, sum.Stored, sum.Tokens = sum.Requests+r.Requests, sum.Completed+r.Completed, sum.Stored+r.Stored, sum.Tokens+r.Tokens
			sum.Saved, sum.Cost = sum.Saved+r.Saved, sum.Cost+r.Cost
		}
		// Each answer is 100 x $10 + 50 x $20 per million tokens: 2,000 micro-dollars.
		return sum.Requests == 9 && sum.Completed == 9 && sum.Stored == 2 && sum.Tokens == 300 && sum.Saved == 2*2000 && sum.Cost == 7*2000
	})
}
