package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestABudgetIsNotGivenTwiceByANewStart(t *testing.T) {
	const budget, bound = "{tokens_per_month: 150}", "tokens_per_month of %s allows 150 tokens, of which 150 are used"
	for _, c := range []struct{ at, with, of string }{
		{"    keys:", "    budget: " + budget + "\n    keys:", "tenant t"},
		{"keys: [{name: k, ", "keys: [{name: k, budget: " + budget + ", ", "key t/k"},
		{"    deployments:", "    budget: " + budget + "\n    deployments:", "model m"},
		{"tenants:", "limits: [{tenant: t, model: m, budget: " + budget + "}]\ntenants:", "tenant t on model m"},
		{"tenants:", "limits: [{budget: " + budget + "}]\ntenants:", "all requests"},
	} {
		file := writeConfig(t, t.TempDir(), upstreamServer(t, "hello"), "")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(strings.Replace(string(text), c.at, c.with, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
		refused := func(t *testing.T, n served) {
			t.Helper()
			if status, body := n.ask(t); status != 429 || !strings.Contains(body, fmt.Sprintf(bound, c.of)) {
				t.Error(status, body)
			}
		}
		t.Run(c.of, func(t *testing.T) { // it uses 150 tokens
			n := startNode(t, file)
			if status, body := n.ask(t); status != 200 {
				t.Fatal(status, body)
			}
			refused(t, n)
		})
		t.Run(c.of+" again", func(t *testing.T) { refused(t, startNode(t, file)) })
	}
}
