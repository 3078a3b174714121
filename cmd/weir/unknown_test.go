package main

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
)

// A model's name that is wrong by one letter gets the right name in the error.
func TestAnUnknownModelsAnswerNamesTheNearest(t *testing.T) {
	dir := t.TempDir()
	file := writeConfig(t, dir, upstreamServer(t, "hello"), "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), "  - name: m\n", "  - name: gpt-4o-mini\n", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, file)
	req, err := http.NewRequest(http.MethodPost, "http://"+n.Callers().String()+"/v1/chat/completions",
		strings.NewReader(`{"model":"gpt-4o-mni","messages":[{"role":"user","content":"x"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 404 || !strings.Contains(string(body), `did you mean \"gpt-4o-mini\"?`) {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
}
