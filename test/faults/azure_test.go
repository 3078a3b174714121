package faults

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// azure puts Weir in front of an emulated Azure OpenAI resource with a
// provisioned and a standard deployment, which is where its own rules are
// tested; here it is what Weir makes of them.
func azure(t *testing.T, l *life) want {
	ctx, cancel := contextOf(t)
	defer cancel()
	at := startAzure(t)
	l.useAzure(t, at)
	say := func(what string, stream bool) string {
		body := strings.Replace(ask(lifeModel, stream), "say something", what, 1)
		resp, err := l.post(ctx, body)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		s := read(resp)
		words := s.words(0)
		if by := resp.Header.Get("x-weir-deployment"); s.kind() == "answered" {
			words += " by " + by
		}
		return words
	}
	saw := []string{
		say("hello", true),
		say("[[filter-prompt]]", false), // the caller's own: nowhere else
		say("[[filter-answer]]", true),
	}
	set(t, at, `[{"kind":"error","path":"/openai/deployments/ptu/","count":1}]`)
	saw = append(saw, say("an error after the start-up metadata", true))
	set(t, at, `[{"kind":"status","status":429,"retry_after_ms":60000,"path":"/openai/deployments/ptu/"}]`)
	saw = append(saw, say("the provisioned one is full", true), say("and still is", false))
	have := want{caller: strings.Join(saw, "; "), a: azureCounts(t, at), metered: l.metered(t, lifeModel, len(saw), false)}
	l.idle(t, lifeModel)
	return have
}

// startAzure runs `weir emulate --azure` and returns its URL.
func startAzure(t *testing.T) string {
	t.Helper()
	bin, err := weirBinary()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close()
	cmd := exec.Command(bin, "emulate", "--listen", addr, "--azure-key", "resource",
		"--deployment", "name=ptu,sku=ProvisionedManaged,ptu=50,model=gpt-4o",
		"--deployment", "name=std,sku=GlobalStandard,tpm=450k,model=gpt-4o")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
	})
	if err := within(patience, "weir emulate --azure", func() bool {
		resp, err := http.Get("http://" + addr + "/health")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}); err != nil {
		t.Fatal(err)
	}
	return "http://" + addr
}

// useAzure has the model served by the resource: provisioned first.
func (l *life) useAzure(t *testing.T, at string) {
	t.Helper()
	key := filepath.Join(l.dir, "azure.key")
	if err := os.WriteFile(key, []byte("resource\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	models := fmt.Sprintf("  - name: %s\n    deployments:\n", lifeModel)
	for tier, name := range []string{"ptu", "std"} {
		models += fmt.Sprintf(`      - name: %s
        tier: %d
        azureopenai:
          endpoint: %s
          deployment: %s
          api_version: 2024-10-21
          api_key: file:%s
`, name, tier, at, name, key)
	}
	l.write(t, models)
	l.reload(t, http.StatusOK)
}

// set replaces the faults the resource injects.
func set(t *testing.T, at, faults string) {
	t.Helper()
	q, err := http.NewRequestWithContext(context.Background(), http.MethodPut, at+"/admin/faults", strings.NewReader(faults))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Do(q)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("faults: %s", resp.Status)
	}
}

// azureCounts tells what reached each deployment and was booked there.
func azureCounts(t *testing.T, at string) string {
	t.Helper()
	resp, err := http.Get(at + "/admin/deployments")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var ds []struct {
		Name   string
		Served int
	}
	if err := json.NewDecoder(resp.Body).Decode(&ds); err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, d := range ds {
		parts = append(parts, fmt.Sprintf("%s worked on %d", d.Name, d.Served))
	}
	return strings.Join(parts, ", ")
}
