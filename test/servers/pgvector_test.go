package servers

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An index in PostgreSQL with pgvector, embedded by llama.cpp behind Weir, follows its folder.
func TestAnIndexInPgvectorFollowsItsFolder(t *testing.T) {
	into := pgvector(t)
	docs := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(docs, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := func(want map[string]float64, flags ...string) {
		t.Helper()
		var got map[string]any
		out := weirIndex(t, append([]string{"build", docs, "--into", into, "--model", "embed", "--json"}, flags...)...)
		if err := json.Unmarshal([]byte(out), &got); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for name, n := range want {
			if got[name] != n {
				t.Errorf("%s is %v, want %v: %s", name, got[name], n, out)
			}
		}
	}
	write("a.md", "# Alpha\n\nThe first text.\n")
	write("b.md", "# Beta\n\nThe second text, 'quoted'.\n")
	f(map[string]float64{"embedded": 2, "changed": 2, "tokens": 0}, "--dry-run")
	f(map[string]float64{"embedded": 2, "changed": 2})
	f(map[string]float64{"embedded": 0, "changed": 0})
	write("a.md", "# Alpha\n\nThe first text has changed.\n")
	if err := os.Remove(filepath.Join(docs, "b.md")); err != nil {
		t.Fatal(err)
	}
	write("c.md", "The third.\n")
	f(map[string]float64{"embedded": 2, "changed": 2, "deleted": 1})
	first := func(flags ...string) (hit struct {
		Document string
		Score    float64
	}) {
		t.Helper()
		out := weirIndex(t, append([]string{"query", "Alpha\n\nThe first text has changed.", "--into", into, "--json"}, flags...)...)
		line, _, _ := strings.Cut(out, "\n")
		if err := json.Unmarshal([]byte(line), &hit); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return hit
	}
	if hit := first(); hit.Document != "a.md" || hit.Score < 0.9 {
		t.Errorf("%+v", hit)
	}
	if hit := first("--filter", `{"type":"ne","key":"path","value":"a.md"}`); hit.Document != "c.md" {
		t.Errorf("%+v", hit)
	}
	f(map[string]float64{"embedded": 2}, "--model-version", "2") // beside the old one, and in its place
	if hit := first(); hit.Document != "a.md" {
		t.Errorf("%+v", hit)
	}
}

// pgvector starts a server, and returns its URL.
func pgvector(t *testing.T) string {
	t.Helper()
	c := exec.Command(filepath.Join(llamaDir(), "bin", "python"), "pgvector_server.py", filepath.Join(t.TempDir(), "pg"))
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); c.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "postgresql://") {
			return lines.Text()
		}
	}
	t.Fatal("PostgreSQL did not start")
	return ""
}

// weirIndex runs weir index with the first tenant's key, and returns its output.
func weirIndex(t *testing.T, args ...string) string {
	t.Helper()
	c := exec.Command(weirBinary(), append(append([]string{"index"}, args...), "--url", world.url)...)
	c.Env = append(os.Environ(), "WEIR_KEY="+world.key)
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("weir index %s: %v", strings.Join(args, " "), err)
	}
	return string(out)
}
