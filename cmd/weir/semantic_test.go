package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"weir/cache/operate"
)

// From weir.yaml to the report: the evidence of a file's semantic cache is there to read,
// and its embeddings are on Weir's own account.
func TestASemanticCacheLearnsAndReports(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("content-type", "application/json")
		if strings.HasSuffix(r.URL.Path, "/embeddings") {
			io.WriteString(w, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,0]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`)
			return
		}
		io.WriteString(w, `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":100,"completion_tokens":50}}`)
	}))
	defer srv.Close()
	file := writeConfig(t, t.TempDir(), srv.URL, "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	with := strings.Replace(string(text), "  - name: m\n", "  - name: m\n    cache: {ttl: 1h, any_temperature: true, semantic: {embed: e, max_error: 20%, within: 10s}}\n", 1)
	with += fmt.Sprintf("  - name: e\n    deployments: [{name: e/there, external: {urls: [%q]}}]\n", srv.URL)
	if err := os.WriteFile(file, []byte(with), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, file)
	eventually(t, "ready", func() bool { s, _ := n.operate(t, "GET", "/readyz"); return s == 200 })
	for i := range 40 {
		ask := fmt.Sprintf(`{"model":"m","messages":[{"role":"user","content":"reset the password %s"}]}`, string([]byte{'b' + byte(i%20), 'b' + byte(i/20)}))
		req, err := http.NewRequest(http.MethodPost, "http://"+n.Callers().String()+"/v1/chat/completions", strings.NewReader(ask))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("authorization", "Bearer "+testKey)
		if status, body := do(t, req); status != 200 {
			t.Fatal(status, body)
		}
	}
	var out bytes.Buffer
	if err := operate.Report(t.Context(), &out, n.Operators().String()); err != nil {
		t.Fatal(err)
	}
	if report := out.String(); !strings.HasPrefix(report, "m, max_error 20 %\n  served    ") || strings.Contains(report, "served    0 of") || !strings.Contains(report, "0 wrong; 0 came to nothing") {
		t.Error(report)
	}
	eventually(t, "the metrics have both accounts", func() bool {
		_, body := n.operate(t, "GET", "/metrics")
		return strings.Contains(body, `weir_cache_requests_total{model="m",result="meaning",tenant="t"}`) && strings.Contains(body, `fault="none",model="e",outcome="completed",tenant="(weir)"} 40`)
	})
}
