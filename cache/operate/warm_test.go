package operate

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestWarmingSendsEachLineAsACallerDoes(t *testing.T) {
	var mu sync.Mutex
	asked := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if r.Header.Get("Authorization") != "Bearer secret" {
			http.Error(w, "no key", http.StatusUnauthorized)
			return
		}
		asked[r.URL.Path+" "+string(body)+" "+r.Header.Get("X-Weir-Cache-Tags")]++
		how := "miss"
		switch {
		case strings.Contains(string(body), "again"):
			how = "hit"
		case strings.Contains(string(body), "warm"):
			how = "bypass"
			w.Header().Set("Cache-Status", "weir; fwd=bypass; detail=temperature")
		case strings.Contains(string(body), "bad"):
			http.Error(w, "is wrong", 400)
			return
		}
		w.Header().Set("X-Weir-Cache", how)
		io.WriteString(w, "{}")
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "prompts.jsonl")
	write := func(lines ...string) {
		if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	warm := func() (string, error) {
		var out bytes.Buffer
		err := Warm(t.Context(), &out, Warming{File: file, URL: s.URL + "/", Rate: 10_000, Tags: "faq"})
		return out.String(), err
	}
	t.Setenv(KeyVariable, "secret")
	write(`{"model":"m"}`, "", `{"path":"/v1/embeddings","body":{"input":"x"}}`, `{"model":"again"}`, `{"model":"warm"}`)
	out, err := warm()
	if want := "4 sent: 2 answers new, 1 there already, 1 not stored, 0 failed\nnot stored: 1 for the reason \"temperature\" (docs/guide/cache.md)\n"; out != want || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if asked[`/v1/embeddings {"input":"x"} faq`] != 1 || asked[`/v1/chat/completions {"model":"m"} faq`] != 1 {
		t.Errorf("%v", asked)
	}
	write(`{"stream":true,"stream_options":{"include_usage":true},"model":"streams"}`)
	if out, err = warm(); err != nil || asked[`/v1/chat/completions {"model":"streams"} faq`] != 1 {
		t.Errorf("%q, %v: %v", out, err, asked)
	}
	write(`{"model":"bad"}`, `hello`, `{"path":"/v1/embeddings"}`)
	if out, err = warm(); err == nil || !strings.Contains(out, "line 1: status 400: is wrong") || !strings.Contains(out, "line 2: is no JSON object") || !strings.Contains(out, "line 3: has a path or a body alone") {
		t.Errorf("%q, %v", out, err)
	}
	t.Setenv(KeyVariable, "other")
	write(strings.Repeat("{}\n", 1000))
	if out, err = warm(); err == nil || !strings.Contains(err.Error(), KeyVariable) || !strings.Contains(out, " sent: 0 answers new") {
		t.Error(out, err)
	}
	for _, w := range []Warming{{File: file, URL: "127.0.0.1", Rate: 1}, {File: file + "x", URL: s.URL, Rate: 1}} {
		if Warm(t.Context(), io.Discard, w) == nil {
			t.Errorf("%+v", w)
		}
	}
}
