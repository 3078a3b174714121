package kubernetes_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"weir/config"
)

const (
	manyTargets = 50
	podsEach    = 10
)

// manyYAML has fifty models, each with a workload of its own. Their pods run nothing,
// so their engines have no metrics to read.
func (w *world) manyYAML(dir string, s settings) string {
	text := fmt.Sprintf(`
log: {access: false}
store: {path: %q, flush_every: 100ms}
journal: {path: %q}
kubernetes: {lease: %s}
tenants:
  - name: t
    keys: [{name: k, hash: %q}]
models:
`, filepath.Join(dir, "ledger.db"), filepath.Join(dir, "journal"), w.namespace, config.HashKey(callerKey))
	for i := range manyTargets {
		text += fmt.Sprintf(`
  - name: m%02d
    deployments: [{name: m%02d, kubernetes: {namespace: %s, name: m%02d, metrics: ""}, scaling: {%s}}]`, i, i, w.namespace, i, s.scaling)
	}
	return text
}

// TestFiftyTargetsAndFiveHundredPods: what one Weir takes for them, alone on the
// machine. docs/benchmarks/kubernetes.md has the figures; the bounds are counts.
func TestFiftyTargetsAndFiveHundredPods(t *testing.T) {
	w := newWorld(t, 100)
	for _, name := range []string{"b", "c", "d", "e"} {
		w.node(name, 100)
	}
	for i := range manyTargets {
		w.workloadNamed(fmt.Sprintf("m%02d", i), "Deployment")
	}
	began := time.Now()
	g := w.serveWith("a", settings{scaling: "min: 10, max: 10, scale_in_after: 1s"}, w.manyYAML)
	w.many(g, manyTargets*podsEach)
	cpu, memory := g.used()
	// The lease is renewed every two seconds, whatever else is asked.
	if n, due := w.renewals(), int(time.Since(began)/(4*time.Second)); n < due {
		t.Errorf("the lease was renewed %d times in %v, want at least %d", n, time.Since(began), due)
	}
	t.Logf("%d pods of %d targets are ready after %v; weir took %v of processor time and has %d MiB", manyTargets*podsEach, manyTargets, time.Since(began).Round(time.Second), cpu, memory>>20)
	ups := len(w.writes())

	before := w.asked()
	const idle = 10 * time.Second
	pause(t.Context(), idle)
	later, memory := g.used()
	after := w.asked()
	requests := 0
	for what, n := range after {
		if n -= before[what]; n > 0 {
			requests += n
			t.Logf("in %v without a change: %d x %s", idle, n, what)
		}
	}
	t.Logf("without a change weir takes %.1f %% of a core, %.1f requests to the API server per second, and has %d MiB", 100*(later-cpu).Seconds()/idle.Seconds(), float64(requests)/idle.Seconds(), memory>>20)

	began = time.Now()
	g.reload(settings{scaling: "min: 9, max: 10, scale_in_after: 1s"})
	w.many(g, manyTargets*(podsEach-1))
	last, memory := g.used()
	t.Logf("one pod less each after %v and %v of processor time; it has %d MiB", time.Since(began).Round(time.Second), last-later, memory>>20)
	if n := len(w.deleted()); n != manyTargets {
		t.Errorf("%d pods were deleted, want %d", n, manyTargets)
	}
	if down := len(w.writes()) - ups; down != manyTargets || ups > 2*manyTargets {
		t.Errorf("%d numbers were written for more pods and %d for fewer, want at most %d and %d", ups, down, 2*manyTargets, manyTargets)
	}
	if requests > 10*manyTargets {
		t.Errorf("%d requests in %v without a change, want at most %d", requests, idle, 10*manyTargets)
	}
	if memory > 256<<20 {
		t.Errorf("it has %d MiB, want at most 256", memory>>20)
	}
}

// renewals counts the writes of the world's lease.
func (w *world) renewals() (n int) {
	for _, e := range w.auditOf("weir") {
		if e.ObjectRef.Resource == "leases" && e.ObjectRef.Name == w.namespace && e.Verb == "update" {
			n++
		}
	}
	return n
}

// many waits until that many replicas are ready and no other is left.
func (w *world) many(g *gateway, n int) {
	w.Helper()
	w.until(fmt.Sprintf("%d replicas are ready and no other is left", n), func() (bool, string) {
		time.Sleep(200 * time.Millisecond)
		rs := g.replicas()
		ready := 0
		for _, r := range rs {
			ready += strings.Count(r.State, "ready")
		}
		return ready == n && len(rs) == n, fmt.Sprintf("%d of %d are ready", ready, len(rs))
	})
}
