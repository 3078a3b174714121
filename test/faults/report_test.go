package faults

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// results are what was seen, for the report.
var results resultList

type resultList struct {
	mu   sync.Mutex
	rows map[string][]string // by scenario
}

func (r *resultList) add(s *scenario, have want) {
	verdict := "holds"
	if s.flaw != "" {
		verdict = "**fails**: " + s.flaw
	}
	r.put(s.name, s.fault, have.caller, upstreams(have), have.metered, verdict)
}

func upstreams(h want) string {
	if h.b == "" {
		return h.a
	}
	return "first: " + h.a + "; second: " + h.b
}

func (r *resultList) put(name string, cells ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.rows == nil {
		r.rows = map[string][]string{}
	}
	r.rows[name] = append([]string{name}, cells...)
}

func writeReport() error {
	var b strings.Builder
	b.WriteString(reportHead)
	for _, name := range order() {
		row, ok := results.rows[name]
		if !ok {
			return fmt.Errorf("the report needs every scenario: %q did not run", name)
		}
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "|", "\\|")
		}
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	return os.WriteFile(filepath.Join("..", "..", "docs", "benchmarks", "faults.md"), []byte(b.String()), 0o644)
}

// order is that of the table.
func order() []string {
	var names []string
	for _, s := range scenarios {
		names = append(names, s.name)
	}
	return names
}

const reportHead = `# Faults

Written by ` + "`go test -count=1 . -update`" + ` in test/faults.

| scenario | what goes wrong | what the caller saw | what the upstreams saw | what was metered | verdict |
|---|---|---|---|---|---|
`
