package config

import (
	"slices"
	"testing"
)

// A colon without a blank after it is part of a text, also in brackets within
// braces. (The editor's validator is left out: its parser has this bug.)
func TestAColonInsideOfATextIsPartOfIt(t *testing.T) {
	c, err := Parse("flow.yaml", []byte(`tenants: [{name: demo, models: [team:chat, b]}]
models:
  - name: team:chat
    deployments:
      - {name: chat/a, external: {urls: [http://127.0.0.1:31501, http://10.0.0.5:8000/prefix, "http://[::1]:8000"]}}
  - {name: b, aliases: [a:1, a:b:2, 1:x], deployments: [{name: b/a, process: {command: [serve, "{port}"], env: {A: x:1}}}]}
`))
	if err != nil {
		t.Fatal(err)
	}
	f := func(have []string, want ...string) {
		t.Helper()
		if !slices.Equal(have, want) {
			t.Errorf("have %q, want %q", have, want)
		}
	}
	f(c.Tenants[0].Models, "team:chat", "b")
	f(c.Models[0].Deployments[0].External.URLs, "http://127.0.0.1:31501", "http://10.0.0.5:8000/prefix", "http://[::1]:8000")
	f(c.Models[1].Aliases, "a:1", "a:b:2", "1:x")
	f([]string{c.Models[1].Deployments[0].Process.Env["A"]}, "x:1")
}
