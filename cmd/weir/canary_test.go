package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/canary"
	"weir/config"
)

// trialView is a trial as operators see it.
type trialView struct {
	Phase    canary.Phase `json:"phase"`
	Because  string       `json:"because"`
	Share    float64      `json:"share_percent"`
	Since    time.Time    `json:"since"`
	Measures []struct {
		Canary float64 `json:"canary"`
	} `json:"measures"`
}

// A canary that was stepped back stays so across a restart, until an operator
// restarts it.
func TestACanaryGoesOnAfterARestart(t *testing.T) {
	good := upstreamServer(t, "v1")
	bad := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }))
	t.Cleanup(bad.Close)
	dir, state := t.TempDir(), t.TempDir()
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
    health: {failures: 1000}
    deployments:
      - {name: m/v1, external: {urls: [%q]}}
      - {name: m/v2, canary: {of: m/v1, steps: [50%%]}, external: {urls: [%q]}}
`, filepath.Join(dir, "weir.db"), filepath.Join(dir, "journal"), config.HashKey(testKey), good, bad.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n, stop := serveFile(t, file, state, t.Output())
	for range 60 {
		if status, body := n.ask(t); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
	}
	view := func(n served) trialView {
		t.Helper()
		status, body := n.operate(t, http.MethodGet, "/admin/canaries")
		var all []trialView
		if err := json.Unmarshal([]byte(body), &all); err != nil || status != 200 || len(all) != 1 {
			t.Fatalf("%d %s %v", status, body, err)
		}
		return all[0]
	}
	before := view(n)
	if before.Phase != canary.SteppedBack || before.Because != "errors" || before.Share != 0 || before.Measures[0].Canary != 1 {
		t.Errorf("%+v", before)
	}
	if _, metrics := n.operate(t, http.MethodGet, "/metrics"); !strings.Contains(metrics, `weir_canary_steps_total{deployment="m/v2",phase="stepped_back"} 1`) {
		t.Error("the step is in no metric")
	}
	stop()
	n, stop = serveFile(t, file, state, t.Output())
	defer stop()
	if after := view(n); after.Phase != before.Phase || !after.Since.Equal(before.Since) {
		t.Errorf("%+v", after)
	}
	if status, body := n.operate(t, http.MethodPost, "/admin/canaries/restart?deployment=m/v1"); status != 422 || !strings.Contains(body, "not a canary") {
		t.Errorf("%d %s", status, body)
	}
	if status, body := n.operate(t, http.MethodPost, "/admin/canaries/restart?deployment=m/v2"); status != 200 {
		t.Errorf("%d %s", status, body)
	}
	if again := view(n); again.Phase != canary.Stepping || again.Share != 50 {
		t.Errorf("%+v", again)
	}
}
