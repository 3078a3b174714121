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
	if have != s.want {
		verdict = "fails"
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
	for _, l := range lives {
		names = append(names, l.name)
	}
	return names
}

const reportHead = `# What goes wrong, and what Weir makes of it

Written by ` + "`go test -count=1 . -update`" + ` in test/faults. Every scenario runs against ` + "`weir serve`" + ` as a
process of its own; the upstreams are TCP servers that misbehave on the wire. After each one the
gauges of requests and tokens, in flight and waiting, must be back at zero, and the ledger must add
up (requests = completed + refused + failed); the test fails otherwise.

Callers: *answered* is a complete answer with its finish_reason; *refused* an error status; *broken* an
answer that began and ended with an error event or a cut connection; *unfinished* an incomplete one
that ended without any error. Upstreams: *left* means that Weir closed the connection, *broke* that the upstream did. Metered:
prompt + completion tokens; a good answer reports 7+5.

Not here: a jump of the wall clock, which cannot be made for one process without privileges (a static
Go binary takes no libfaketime, and a time namespace shifts only the monotonic clock, at its start);
*stopped* covers the part that is possible, a jump of the monotonic clock.
GOAWAY to callers is in *sigterm*, half of whose streams are HTTP/2.

The same scenarios can be played against any gateway, by its address: test/faults/README.md says how.

| scenario | what goes wrong | what the caller saw | what the upstreams saw | what was metered | verdict |
|---|---|---|---|---|---|
`
