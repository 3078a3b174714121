package main

import (
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"weir/config"
	"weir/wire/emulated"
)

// standing is a file in which emulated servers replace everything it describes.
func standing(t *testing.T, file string) (f serveFlags, c *config.Config, key string) {
	t.Helper()
	f = serveFlags{file: file, emulate: true, state: t.TempDir(), tried: new(emulated.Tried)}
	load, key, end, err := f.loader()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(end)
	if c, err = load(); err != nil {
		t.Fatal(err)
	}
	return f, c, key
}

// The result of --emulate needs no GPU, cloud or secret, for any configuration,
// and reaches nothing but this machine.
func TestEmulationLeavesNothingThatIsNotHere(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "..", "examples", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range files {
		f, c, key := standing(t, file)
		if keys := c.Tenants[0].Keys; keys[len(keys)-1].Hash != config.HashKey(key) {
			t.Errorf("%s: the key that is printed opens nothing", file)
		}
		if f.tried.Tenant != c.Tenants[0].Name {
			t.Errorf("%s: the key is said to be of %q", file, f.tried.Tenant)
		}
		if c.Admin.Token.Set() || !strings.HasPrefix(c.Admin.Listen, "127.0.0.1:") {
			t.Errorf("%s: operators connect at %s without a token", file, c.Admin.Listen)
		}
		if !strings.HasPrefix(c.Store.Path, f.state) || !strings.HasPrefix(c.Journal.Path, f.state) {
			t.Errorf("%s: what is tried goes to %s and %s", file, c.Store.Path, c.Journal.Path)
		}
		for _, m := range c.Models {
			for _, d := range m.Deployments {
				isHere(t, file, &d)
				if f.tried.Deployments[d.Name] == "" {
					t.Errorf("%s: it is not said what %s is", file, d.Name)
				}
			}
		}
	}
}

func isHere(t *testing.T, file string, d *config.Deployment) {
	t.Helper()
	urls := []string{}
	switch {
	case d.External != nil:
		urls = d.External.URLs
	case d.AzureOpenAI != nil:
		urls = append(urls, d.AzureOpenAI.Endpoint)
		if d.AzureOpenAI.Entra != "" || d.AzureOpenAI.APIKey.Reveal() == "" {
			t.Errorf("%s: %s asks for an identity", file, d.Name)
		}
	default:
		if p := d.Process; p.GPUs > 0 || !slices.Contains(p.Command, "emulate") || len(p.Env) > 0 {
			t.Errorf("%s: %s is not emulated: %+v", file, d.Name, p)
		}
	}
	for _, u := range urls {
		if !strings.HasPrefix(u, "http://127.0.0.1:") {
			t.Errorf("%s: %s is at %s", file, d.Name, u)
		}
	}
}

const spilling = `server: {listen: "127.0.0.1:0"}
admin: {listen: "127.0.0.1:0"}
log: {access: false}
tenants: [{name: t, keys: [{name: k, hash: sha256:abababababababababababababababababababababababababababababababab}]}]
models:
  - name: gpt-4o
    spill_after: 100ms
    deployments:
      - name: gpt-4o/ptu
        azureopenai: {endpoint: "https://one.openai.azure.com", entra: default, deployment: chat-ptu, ptu: 15, spillover: {deployment: chat-paygo}}
      - name: gpt-4o/paygo
        tier: 1
        azureopenai: {endpoint: "https://ONE.openai.azure.com/", api_key: env:NOWHERE, deployment: chat-paygo, tokens_per_minute: 450k, requests_per_minute: 60000}
      - name: gpt-4o/other
        tier: 2
        azureopenai: {endpoint: "https://two.openai.azure.com", api_key: env:NOWHERE, deployment: chat, tokens_per_minute: 1M}
`

func spillingFile(t *testing.T) string {
	file := filepath.Join(t.TempDir(), "weir.yaml")
	if err := os.WriteFile(file, []byte(spilling), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A provisioned deployment with room for some thousand tokens spills the rest
// of a burst of sixty thousand, as the real one does.
func TestABurstAtAnEmulatedFileSpills(t *testing.T) {
	f, c, key := standing(t, spillingFile(t))
	n, err := f.node(c, nil, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx, nil) }()
	t.Cleanup(func() { stop(); <-done })
	body := `{"model":"gpt-4o","max_tokens":10,"messages":[{"role":"user","content":"` + strings.Repeat("word", 1000) + `"}]}`
	routes := make([]string, 60)
	var all sync.WaitGroup
	for i := range routes {
		all.Go(func() { routes[i] = routeOf(t, "http://"+n.Callers().String(), key, body) })
	}
	all.Wait()
	stayed, spilled := 0, 0
	for _, r := range routes {
		if strings.Contains(r, "spill") {
			spilled++
		} else {
			stayed++
		}
	}
	if stayed == 0 || spilled < 30 {
		t.Errorf("%d of 60 spilled: %q", spilled, routes)
	}
}

func routeOf(t *testing.T, url, key, body string) string {
	req, err := http.NewRequest(http.MethodPost, url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return ""
	}
	req.Header.Set("authorization", "Bearer "+key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 {
		t.Errorf("%d %s %v", resp.StatusCode, answer, err)
	}
	return resp.Header.Get("X-Weir-Route")
}
