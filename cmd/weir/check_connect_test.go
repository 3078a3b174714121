package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"weir/emulate"
)

// started serves an emulator until the test's end.
func started(t *testing.T, h http.Handler, run func(context.Context) error) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	return srv.URL
}

// Everything that makes an upstream unusable is found, and no token is spent.
func TestEveryUpstreamIsReachedWithoutATokenSpent(t *testing.T) {
	azure, err := emulate.NewAzure(emulate.AzureOptions{Keys: []string{"right"}, Deployments: []emulate.AzureDeployment{
		{Name: "std", Model: "gpt-4o", SKU: "GlobalStandard", TPM: 1000},
		{Name: "emb", Model: "text-embedding-3-small", SKU: "GlobalStandard", TPM: 1000},
	}})
	if err != nil {
		t.Fatal(err)
	}
	server, err := emulate.New(emulate.Options{Model: "llama-3.1-8b", GPU: "H100-80GB", Kind: emulate.AsOpenAI, Served: "there", Key: "right", Load: 1})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := emulate.New(emulate.Options{Model: "llama-3.1-8b", GPU: "H100-80GB", Kind: emulate.AsAnthropic, Served: "there", Key: "right", Load: 1})
	if err != nil {
		t.Fatal(err)
	}
	at := started(t, azure.Handler(), azure.Run)
	here, say := started(t, server.Handler(), server.Run), started(t, messages.Handler(), messages.Run)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") }))
	gone := httptest.NewServer(nil)
	gone.Close()
	t.Cleanup(web.Close)
	t.Setenv("RIGHT", "right")
	t.Setenv("WRONG", "wrong")

	file := filepath.Join(t.TempDir(), "weir.yaml")
	text := "tenants: [{name: t, keys: [{name: k, hash: sha256:" + strings.Repeat("ab", 32) + "}]}]\nmodels:\n  - name: m\n    deployments:\n"
	for i, place := range []string{
		"azureopenai: {endpoint: %q, api_key: env:RIGHT, deployment: std}",
		"azureopenai: {endpoint: %q, api_key: env:RIGHT, deployment: std, api_version: 2024-10-21}",
		"azureopenai: {endpoint: %q, api_key: env:RIGHT, deployment: emb, api_version: 2024-10-21}",
		"azureopenai: {endpoint: %q, api_key: env:RIGHT, deployment: nope}",
		"azureopenai: {endpoint: %q, api_key: env:WRONG, deployment: std}",
		"azureopenai: {endpoint: %q, api_key: env:NOWHERE, deployment: std}",
	} {
		text += fmt.Sprintf("      - {name: azure/%d, "+place+"}\n", i, at)
	}
	for i, place := range []string{
		"external: {urls: [%q], api_key: env:RIGHT, model: there}", "external: {urls: [%q], api_key: env:RIGHT, model: other}",
		"external: {urls: [%q], api_key: env:WRONG, model: there}", "external: {urls: [%q], model: there}",
	} {
		text += fmt.Sprintf("      - {name: server/%d, "+place+"}\n", i, here)
	}
	text += fmt.Sprintf("      - {name: messages, external: {urls: [%q], protocol: anthropic, api_key: env:RIGHT, model: there}}\n", say)
	text += fmt.Sprintf("      - {name: web, external: {urls: [%q]}}\n      - {name: gone, external: {urls: [%q]}}\n", web.URL, gone.URL)
	text += "      - {name: own, process: {command: [sh, \"{port}\"]}}\n      - {name: none, process: {command: [no-such-program-here, \"{port}\"]}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	code := run(context.Background(), []string{"check", "-c", file, "--connect"}, nil, &out, &errs)
	for _, want := range []string{
		"ok azure/0 reached; it has the deployment std", "ok azure/1 reached; it has the deployment std", "ok azure/2 reached; it has the deployment emb",
		"FAILS azure/3 reached; it has no deployment nope", "FAILS azure/4 401: the key or identity is refused", "FAILS azure/5 its key cannot be resolved: env:NOWHERE",
		"ok server/0 reached; it has the model there", "FAILS server/1 reached; it has no model other, but there", "FAILS server/2 401: the key is refused",
		"FAILS server/3 401: it needs a key, but api_key is missing",
		"ok messages reached; it has the model there", "FAILS web answers, but not like an inference server", "FAILS gone ", "connection refused",
		"ok own the program is there", "FAILS none the program is not on this machine",
	} {
		if !has(out.String(), want) {
			t.Errorf("without %q", want)
		}
	}
	if code != exitFailed || !strings.Contains(errs.String(), "9 upstreams cannot be used") {
		t.Errorf("exit code %d, %s", code, errs.String())
	}
	if t.Failed() {
		t.Log(out.String())
	}
	counts := httptest.NewRecorder()
	azure.Handler().ServeHTTP(counts, httptest.NewRequest(http.MethodGet, "/admin/deployments", nil))
	if strings.Contains(counts.Body.String(), `"requests":1`) || !strings.Contains(counts.Body.String(), `"tokens_booked":0`) {
		t.Errorf("tokens were spent: %s", counts.Body.String())
	}
}

// has says whether a line has the verdict, the deployment and the text.
func has(table, want string) bool {
	words := strings.SplitN(want, " ", 3)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if strings.Contains(line, want) || len(words) == 3 && len(f) > 2 && f[0] == words[0] && f[1] == words[1] && strings.Contains(line, words[2]) {
			return true
		}
	}
	return false
}
