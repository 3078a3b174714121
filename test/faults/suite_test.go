// Package faults holds a gateway against everything an inference server, a
// network, a disk or an operator can do to it.
//
// Every scenario says what goes wrong and what each side must see: the caller,
// the upstream, the ledger, and the gauges, which must return to zero. The upstreams are raw TCP servers, so that they can misbehave on the
// wire; the gateway is a process, found by its address.
//
//	go test -count=1 .                      against Weir (WEIR_BIN, or ../../bin/weir)
//	go test -count=1 . -update              and write ../../docs/benchmarks/faults.md
//	go test -v . -list-models -port 19000   the models and upstreams another gateway must be given
//	go test . -gateway URL -key KEY -port 19000    against that gateway: callers and upstreams only; see README.md
package faults

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	update     = flag.Bool("update", false, "write docs/benchmarks/faults.md")
	foreign    = flag.String("gateway", "", "base `URL` of a gateway that runs already, without /v1")
	foreignKey = flag.String("key", "", "`key` it wants")
	firstPort  = flag.Int("port", 0, "first `port` of the upstreams; 0: any free ones")
	listModels = flag.Bool("list-models", false, "print the models a gateway must serve, and where, and end")
	listYAML   = flag.Bool("list-yaml", false, "the same as the models of a weir.yaml")
	lacks      = flag.String("lacks", "hedges,mirrors,canaries,http2", "what the gateway at -gateway does not have: the scenarios of these `names` are skipped")
	out        = flag.String("out", "faults-against.md", "`file` for the table of the gateway at -gateway")
)

// shared is the gateway of every scenario that does not need its own.
var shared *gateway

// world is a scenario with its upstreams; b may be nil.
type world struct {
	*scenario
	a, b *upstream
}

func TestMain(m *testing.M) {
	// Scenarios mostly wait: there may be more at once than processors.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	flag.Parse()
	scenarios = append(scenarios, routes...)
	code, err := runAll(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runAll(m *testing.M) (code int, err error) {
	if *listModels || *listYAML {
		return 0, list()
	}
	code = m.Run()
	switch {
	case *foreign != "":
		err = against.write(*out)
	case code == 0 && *update:
		err = writeReport()
	}
	return code, err
}

// list prints what a gateway must be given, and starts nothing that lasts.
func list() error {
	ws, err := newWorlds()
	defer ws.stop()
	if err != nil {
		return err
	}
	for _, w := range ws {
		if *listYAML {
			fmt.Print(w.yaml())
		} else {
			fmt.Println(w.line())
		}
	}
	return nil
}

// worlds are the scenarios with upstreams of their own. Every run of the suite
// makes new ones, which have seen no request.
type worlds []*world

func newWorlds() (ws worlds, err error) {
	port := *firstPort
	for i := range scenarios {
		w := &world{scenario: &scenarios[i]}
		if slices.ContainsFunc(ws, func(o *world) bool { return o.name == w.name }) {
			return ws, fmt.Errorf("two scenarios are called %q", w.name)
		}
		ws = append(ws, w)
		if w.a, err = newUpstream(nextAddr(&port), w.scenario.a); err != nil {
			return ws, err
		}
		if w.scenario.second {
			if w.b, err = newUpstream(nextAddr(&port), w.scenario.b.or(good)); err != nil {
				return ws, err
			}
		}
	}
	return ws, nil
}

func (ws worlds) stop() {
	for _, w := range ws {
		for _, u := range []*upstream{w.a, w.b} {
			if u != nil {
				u.stop()
			}
		}
	}
}

// setUp starts upstreams and gateway; both end with the test.
func setUp(t *testing.T) worlds {
	t.Helper()
	ws, err := newWorlds()
	t.Cleanup(ws.stop)
	if err != nil {
		t.Fatal(err)
	}
	if *foreign != "" {
		shared = &gateway{url: strings.TrimSuffix(*foreign, "/"), key: *foreignKey, client: newClient()}
		return ws
	}
	var models strings.Builder
	for _, w := range ws {
		models.WriteString(w.yaml())
	}
	if shared, err = startWeir(t.TempDir(), "  write_timeout: 5s", models.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shared.stop)
	return ws
}

// nextAddr is the address of the next upstream.
func nextAddr(port *int) string {
	addr := fmt.Sprintf("127.0.0.1:%d", *port)
	if *port != 0 {
		*port++
	}
	return addr
}

// yaml is the scenario's model in weir.yaml.
func (w *world) yaml() string {
	capacity := ""
	if w.slots > 0 {
		capacity = fmt.Sprintf("\n        capacity:\n          max_requests: %d", w.slots)
	}
	model := fmt.Sprintf("  - name: %s\n%s    attempts: %d\n    queue:\n      max_wait: 20s\n    health:\n      base: 100ms\n      max: 200ms\n    deployments:\n", w.name, w.model, cmp.Or(w.attempts, 3))
	for tier, u := range []*upstream{w.a, w.b} {
		if u == nil {
			continue
		}
		letter := 'a' + tier
		more := ""
		if u == w.b && w.beside != "" {
			tier = 0
			if w.beside != "{}" {
				more = "\n        " + w.beside
			}
		}
		timeouts := patient
		if u == w.a {
			timeouts = w.limits()
		}
		model += fmt.Sprintf(`      - name: %s/%c
        tier: %d%s%s
        http2: %v
        price:
          prompt: $1.00/1M tokens
          completion: $2.00/1M tokens
        timeouts:
          connect: %v
          header: %v
          stall: %v
          total: %v
        external:
          urls: ["http://%s"]
          model: up
          metrics: ""
`, w.name, letter, tier, capacity, more, w.http2 && u == w.a, timeouts.connect, timeouts.header, timeouts.stall, timeouts.total, u.addr)
	}
	return model
}

// timeouts of a deployment.
type timeouts struct{ connect, header, stall, total time.Duration }

// patient are the timeouts of deployments whose timeouts are not the subject.
var patient = timeouts{connect: 5 * time.Second, header: 30 * time.Second, stall: 30 * time.Second, total: 30 * time.Second}

// limits are the first deployment's: what the scenario says, none above total.
func (w *world) limits() timeouts {
	l := w.timeouts
	l.total = cmp.Or(l.total, patient.total)
	l.connect = min(cmp.Or(l.connect, patient.connect), l.total)
	l.header = min(cmp.Or(l.header, patient.header), l.total)
	l.stall = min(cmp.Or(l.stall, patient.stall), l.total)
	return l
}

// line tells another gateway's operator what to configure.
func (w *world) line() string {
	s := fmt.Sprintf("%s\tfirst http://%s/v1", w.name, w.a.addr)
	if w.b != nil {
		s += fmt.Sprintf("\tthen http://%s/v1", w.b.addr)
	}
	if l := w.limits(); l != patient {
		s += fmt.Sprintf("\theader within %v, between parts of a stream %v, in all %v", l.header, l.stall, l.total)
	}
	if w.http2 {
		s += "\tthe first in HTTP/2"
	}
	if w.slots > 0 {
		s += fmt.Sprintf("\tat most %d at once", w.slots)
	}
	return s
}
