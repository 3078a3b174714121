package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// manyTenants is a file of n tenants with keys, limits and budgets, and as many
// limits of them on a model.
func manyTenants(n int) []byte {
	var b strings.Builder
	b.WriteString("tenants:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - name: tenant-%d\n    share: 2\n    keys:\n      - name: k\n        hash: %s\n    limits:\n      requests: 600/min\n      tokens: 200k/min\n    budget:\n      tokens_per_day: 50M\n    models: [m]\n", i, HashKey(fmt.Sprint(i)))
	}
	b.WriteString("models:\n  - name: m\n    deployments:\n      - name: m/a\n        external:\n          urls: [http://127.0.0.1:1]\nlimits:\n")
	for i := range n {
		fmt.Fprintf(&b, "  - tenant: tenant-%d\n    key: k\n    model: m\n    limits: {concurrent: 5}\n", i)
	}
	return []byte(b.String())
}

// The time grows with the number of tenants, not with its square: see go test
// ./config -bench Tenants.
func BenchmarkTenants(b *testing.B) {
	for _, n := range []int{1000, 10_000} {
		src := manyTenants(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			for b.Loop() {
				if _, err := Parse("large.yaml", src); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*n), "us/tenant")
		})
	}
}

func TestAFileMayBeLargerThanAMegabyte(t *testing.T) {
	src := manyTenants(4000)
	c, err := Parse("large.yaml", src)
	if err != nil || len(c.Tenants) != 4000 || len(c.Limits) != 4000 || len(src) < 1<<20 {
		t.Fatalf("%d bytes: %.300v", len(src), err)
	}
}

// folder writes a folder of files.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const modelFile = "models: [{name: m, deployments: [{name: m/a, external: {urls: [http://127.0.0.1:1]}}]}]\n"

func TestAFolderIsOneConfiguration(t *testing.T) {
	dir := folder(t, map[string]string{
		"10-server.yaml": "server: {listen: 8090}\n", "20-models.yml": modelFile,
		"30-a.yaml": "tenants:\n  - name: a\n    models: [m]\n", "40-b.yaml": "# b\ntenants:\n  - name: b\n  - name: c\nlimits: [{tenant: a, limits: {concurrent: 1}}]\n",
		"50-empty.yaml": "# nothing yet\n", "README.md": "x: [", ".hidden.yaml": "x: [",
	})
	c, err := Load(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Tenants) != 3 || c.Tenants[2].Name != "c" || len(c.Models) != 1 || c.Server.Listen != "127.0.0.1:8090" || c.Limits[0].Tenant != "a" {
		t.Errorf("have %+v", c)
	}
	if len(c.Warnings) != 3 || c.Warnings[1].Place() != filepath.Join(dir, "40-b.yaml")+":3:5:" {
		t.Errorf("have %v", c.Warnings)
	}
}

// Faults of a folder name the file; a key in two files is named with both
// positions.
func TestFaultsOfAFolderNameTheFile(t *testing.T) {
	f := func(want string, files map[string]string) {
		t.Helper()
		dir := folder(t, files)
		_, err := Load(dir)
		have := strings.ReplaceAll(fmt.Sprint(err), dir+string(filepath.Separator), "")
		if have != want {
			t.Errorf("have\n%s\nwant\n%s", have, want)
		}
		var faults Faults
		if errors.As(err, &faults) && faults[0].Excerpt == "" {
			t.Errorf("%s: without its line", faults[0])
		}
	}
	f(`b.yaml:3:11: tenants[1].name: tenant "a" is already used by tenants[0].name; use different ones: the first is on line 2 of a.yaml`,
		map[string]string{"a.yaml": "tenants:\n  - name: a\n" + modelFile, "b.yaml": "\ntenants:\n  - name: a\n"})
	f(`b.yaml:1:1: server: is given twice; the first is on line 1 of a.yaml: keep one`,
		map[string]string{"a.yaml": "server: {listen: 1}\n" + modelFile, "b.yaml": "server: {listen: 2}\ntenants: [{name: a}]\n"})
	f("a.yaml:2:6: invalid YAML: a string cannot start with @; put the string in quotes\nc.yaml:1:5: invalid YAML: could not find flow map content; check indentation, quotes and brackets here and on the line above",
		map[string]string{"a.yaml": "#\nx: [ @]\n", "b.yaml": modelFile, "c.yaml": "a: {b\n"})
	f(`b.yaml:1:21: tenants[0].models[0]: there is no model "n"; models in this file: m`,
		map[string]string{"a.yaml": modelFile, "b.yaml": "tenants: [{models: [n], name: a}]\n"})
	f(`b.yaml:2:1: tenants: is given twice; the first is on line 1 of b.yaml: keep one`,
		map[string]string{"a.yaml": modelFile, "b.yaml": "tenants: [{name: a}]\ntenants: [{name: b}]\n"})
	f(`a.yaml:1:1: models: is missing; add it`, map[string]string{"a.yaml": "tenants: [{name: a}]\n", "b.yaml": "#\n"})
}
