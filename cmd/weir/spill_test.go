package main

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

	"weir/config"
	"weir/emulate"
)

// Sixty requests at once to a provisioned deployment with room for about a
// dozen, and for some more within their wait: the rest spills, and no caller
// gets a 429.
func TestABurstAtEmulatedAzureSpillsWhatDoesNotFit(t *testing.T) {
	azure, err := emulate.NewAzure(emulate.AzureOptions{Deployments: []emulate.AzureDeployment{
		{Name: "ptu", Model: "gpt-4o", SKU: "ProvisionedManaged", PTU: 15, InputTPM: 2500, OutputWeight: 4, Window: time.Second},
		{Name: "std", Model: "gpt-4o", SKU: "GlobalStandard", TPM: 10_000_000, RPM: 60_000},
	}})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(azure.Handler())
	t.Cleanup(srv.Close)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- azure.Run(ctx) }()
	t.Cleanup(func() { stop(); <-done })
	t.Setenv("WEIR_TEST_AZURE_KEY", "any")
	dir := t.TempDir()
	file := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf(`server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
log: {access: false}
store: {path: %q}
journal: {path: %q}
tenants:
  - {name: t, keys: [{name: k, hash: %q}]}
models:
  - name: m
    spill_after: 300ms
    deployments:
      - {name: m/ptu, azureopenai: {endpoint: %[4]q, api_key: "env:WEIR_TEST_AZURE_KEY", deployment: ptu, ptu: 15, ptu_model: gpt-4o, burst: 1s}}
      - name: m/std
        tier: 1
        price: {prompt: $2.50/1M tokens, completion: $10/1M tokens}
        azureopenai: {endpoint: %[4]q, api_key: "env:WEIR_TEST_AZURE_KEY", deployment: std, tokens_per_minute: 10000000, requests_per_minute: 60000}
`, filepath.Join(dir, "weir.db"), filepath.Join(dir, "journal"), config.HashKey(testKey), srv.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n := startNode(t, file)
	routes := make([]string, 60)
	var all sync.WaitGroup
	for i := range routes {
		all.Go(func() { routes[i] = n.route(t) })
	}
	all.Wait()
	count := func(word string) (k int) {
		for _, r := range routes {
			if strings.Contains(r, word) {
				k++
			}
		}
		return k
	}
	if count("m/ptu=room") == 0 || count("m/std=spill_quota")+count("m/std=spill_throttled") == 0 {
		t.Errorf("%q", routes)
	}
	status, metrics := n.operate(t, http.MethodGet, "/metrics")
	for _, want := range []string{`weir_routes_total{deployment="m/ptu",model="m",reason="room"}`, `weir_spill_cost_dollars_total{deployment="m/std",model="m"}`} {
		if status != 200 || !strings.Contains(metrics, want) {
			t.Errorf("%d, without %s", status, want)
		}
	}
}

// route sends one request and returns its trail.
func (n served) route(t *testing.T) string {
	req, err := http.NewRequest(http.MethodPost, "http://"+n.Callers().String()+"/v1/chat/completions",
		strings.NewReader(`{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"say something that is short"}]}`))
	if err != nil {
		t.Error(err)
		return ""
	}
	req.Header.Set("authorization", "Bearer "+testKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
	return resp.Header.Get("X-Weir-Route")
}
