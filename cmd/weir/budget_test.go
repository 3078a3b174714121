package main

import (
	"os"
	"strings"
	"testing"
)

func TestABudgetIsNotGivenTwiceByANewStart(t *testing.T) {
	file := writeConfig(t, t.TempDir(), upstreamServer(t, "hello"), "")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	bounded := strings.Replace(string(text), "    keys:", "    budget: {tokens_per_month: 200}\n    keys:", 1)
	if err := os.WriteFile(file, []byte(bounded), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("first", func(t *testing.T) { // it uses 150 tokens
		n := startNode(t, file)
		if status, body := n.ask(t); status != 200 {
			t.Fatal(status, body)
		}
		refused(t, n)
	})
	t.Run("again", func(t *testing.T) { refused(t, startNode(t, file)) })
}

func refused(t *testing.T, n *node) {
	t.Helper()
	status, body := n.ask(t)
	if status != 429 || !strings.Contains(body, "tokens_per_month of tenant t allows 200 tokens, of which 150 are used") {
		t.Error(status, body)
	}
}
