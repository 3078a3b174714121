package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir/config"
	"weir/emulate"
	"weir/emulate/arm"
)

// groupConfig is a model on container groups, from none to 2.
const groupConfig = `
log: {access: false}
store: {path: %[1]q}
journal: {path: %[2]q}
azure:
  subscription: 00000000-0000-0000-0000-000000000001
  resource_group: weir
  identity: secret
  tenant: 00000000-0000-0000-0000-0000000000aa
  client_id: 11111111-1111-1111-1111-111111111111
  client_secret: env:WEIR_TEST_AZURE
  endpoints: {authority: %[3]q, resource_manager: %[3]q, audience: "https://management.azure.com", ca: %[4]q}
tenants:
  - name: t
    keys: [{name: k, hash: %[5]q}]
models:
  - name: m
    queue: {max_wait: 80s, max_wait_cold: 80s}
    deployments:
      - name: m/aci
        aci:
          location: swedencentral
          image: registry.example/server:1
          address: public
          model: llama-3.1-8b
          environment: {EMULATE_RUN: 100000h}
          secret_environment: [{name: SERVER_KEY, value: env:WEIR_TEST_AZURE}]
          drain_timeout: 20s
        capacity: {max_requests: 2}
        scaling: {min: 0, max: 2, scale_in_after: 3s, zero_after: 3s, cold_start: 2s, target_concurrency: 1, forecast: {enabled: false}, price: {hour: $0.2}}
`

// containers is an emulated subscription over TCP and TLS where a group takes a while
// to come.
func containers(t *testing.T, dir string) *arm.Cloud {
	times := map[string]arm.Times{}
	for _, name := range []string{"group-create", "group-delete"} {
		times[name] = arm.Times{P50: 40 * time.Second, P90: 40 * time.Second}
	}
	cloud, err := arm.New(arm.Options{Dir: dir, Speed: 20, Times: times, WritesPerHour: 1e6, ReadsPerHour: 1e6, Server: emulate.Options{Model: "llama-3.1-8b", GPU: "H100-80GB", Served: "llama-3.1-8b"}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- cloud.Serve(ctx, l) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	comes(t, "the subscription", func() bool { return cloud.URL() != "" })
	return cloud
}

// grouped counts the container groups there are in a state; "": in any.
func grouped(t *testing.T, cloud *arm.Cloud, state string) (n int) {
	t.Helper()
	w := &recorded{header: http.Header{}}
	r, err := http.NewRequest(http.MethodGet, "/emulator/state", nil)
	if err != nil {
		t.Fatal(err)
	}
	cloud.Handler().ServeHTTP(w, r)
	var all struct {
		Resources []struct{ ID, State string }
	}
	if err := json.Unmarshal(w.body, &all); err != nil {
		t.Fatal(err)
	}
	for _, r := range all.Resources {
		if strings.Contains(r.ID, "/containerGroups/") && (state == "" || r.State == state) {
			n++
		}
	}
	return n
}

// A model on container groups goes from none to 2 and back to none. The first callers
// wait for the first group. Weir is killed while it makes that group: the next one
// waits for the same group and makes no other of its own for it. Each later caller gets
// an answer, also while groups go. Nothing that Weir says contains a secret, and its
// role allows all that it asks for.
func TestContainerGroupsComeAndGoWithTheirCallers(t *testing.T) {
	t.Setenv("WEIR_TEST_AZURE", mlSecret)
	dir := t.TempDir()
	cloud := containers(t, dir)
	file := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf(groupConfig, filepath.Join(dir, "weir.db"), filepath.Join(dir, "journal"), cloud.URL(), filepath.Join(dir, "ca.pem"), config.HashKey(testKey))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const made = "container group asked for"
	said := func(what string) int {
		all, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(all), what)
	}
	state := filepath.Join(dir, "state")
	first := weirServe(t, file, state, log)
	ctx, hangUp := context.WithCancel(t.Context())
	go func() { _, _ = first.ask(ctx, 4) }() // one caller wakes it
	comes(t, "a creation", func() bool { return cloud.Actions()["Microsoft.ContainerInstance/containerGroups/write"] > 0 })
	first.kill(t)
	hangUp()
	begun := cloud.Actions()["Microsoft.ContainerInstance/containerGroups/write"]

	second := weirServe(t, file, state, log)
	var answers atomic.Int64
	call := func() {
		if status, err := second.ask(context.Background(), 4); err != nil || status != http.StatusOK {
			t.Errorf("a caller got %d, %v", status, err)
			return
		}
		answers.Add(1)
	}
	var all sync.WaitGroup
	done := make(chan struct{})
	for range 4 { // one group takes 2
		all.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					call()
				}
			}
		})
	}
	comes(t, "2 groups that answer", func() bool { return grouped(t, cloud, "Succeeded") == 2 && answers.Load() > 20 })
	close(done)
	all.Wait()
	if n := cloud.Actions()["Microsoft.ContainerInstance/containerGroups/write"]; n > max(2, begun) {
		t.Errorf("%d creations for 2 groups", n)
	}
	comes(t, "a group goes", func() bool { return grouped(t, cloud, "Deleting") > 0 })
	call() // waits for a group that is not on its way out
	comes(t, "no group, without callers", func() bool { return grouped(t, cloud, "") == 0 })
	second.kill(t)
	if said(made) == 0 || said(mlSecret) > 0 || said("eyJ") > 0 {
		t.Errorf("a secret is in the log, or nothing about a group")
	}
	covered(t, "weir-containers.json", cloud.Actions())
}
