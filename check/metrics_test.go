package check

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCheckSaysWhatMetricsLack(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }))
		defer s.Close()
		if have := metricsNote(t.Context(), s.URL, "/metrics"); have != want {
			t.Errorf("have %q, want %q", have, want)
		}
	}
	f("llamacpp:requests_processing 1\nllamacpp:requests_deferred 0\n", "; its metrics are llama.cpp's")
	f("vllm:num_requests_running 1\nvllm:kv_cache_usage_perc 0\n", "; its metrics are vLLM's but lack vllm:num_requests_waiting")
	f("up 1\n", "; its metrics are of an unknown engine")
	if have := metricsNote(t.Context(), "http://127.0.0.1:1", ""); have != "" {
		t.Errorf("have %q", have)
	}
}
