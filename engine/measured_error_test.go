package engine

import (
	"cmp"
	"fmt"
	"go/format"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"weir/internal/story"
)

// sameErrors keeps the embedded table the one of docs/benchmarks/engine.md, of
// the same rows: -update writes both.
func sameErrors(t *testing.T, published []judged) {
	t.Helper()
	const path = "measured_errors.go"
	have := errorSource(t, published)
	if *story.Update {
		if err := os.WriteFile(path, have, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != string(want) {
		t.Errorf("%s is not what the engine's errors are now: run go test ./engine -run TestErrorTable -update, and read the difference", path)
	}
}

func errorSource(t *testing.T, list []judged) []byte {
	t.Helper()
	groups := map[Measured][]judged{}
	for _, j := range list {
		if j.err != nil || fixedBatch(j) {
			continue
		}
		for _, kind := range []Measured{{}, {GPU: j.gpu}, {GPU: j.gpu, TP: j.tp}, {GPU: j.gpu, TP: j.tp, Engine: j.engine}} {
			groups[kind] = append(groups[kind], j)
		}
	}
	kinds := make([]Measured, 0, len(groups))
	for kind := range groups { // sorted below
		kinds = append(kinds, kind)
	}
	slices.SortFunc(kinds, func(a, b Measured) int {
		return cmp.Or(cmp.Compare(a.GPU, b.GPU), cmp.Compare(a.TP, b.TP), cmp.Compare(a.Engine, b.Engine))
	})
	var b strings.Builder
	b.WriteString("package engine\n\n// measuredErrors is written by go test ./engine -run TestErrorTable -update:\n// the rows of docs/benchmarks/engine.md, of current engines. The first is all.\nvar measuredErrors = []Measured{\n")
	for _, kind := range kinds {
		rows := groups[kind]
		if n := max(len(errorsOf(rows, everyRow, judged.tpot)), len(errorsOf(rows, everyRow, judged.rate))); kind != (Measured{}) && n < fewRows {
			continue // never chosen
		}
		fmt.Fprintf(&b, "{GPU: %q, TP: %d, Engine: %q, TTFT: %s, TPOT: %s, Rate: %s},\n", kind.GPU, kind.TP, kind.Engine,
			spreadSource(rows, judged.first), spreadSource(rows, judged.tpot), spreadSource(rows, judged.rate))
	}
	b.WriteString("}\n")
	text, err := format.Source([]byte(strings.NewReplacer(`GPU: "", TP: 0, Engine: "", `, "", `TP: 0, Engine: "", `, "", `Engine: "", `, "").Replace(b.String())))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func spreadSource(rows []judged, of func(judged) float64) string {
	x := errorsOf(rows, everyRow, of)
	for i := range x {
		x[i] = math.Abs(x[i])
	}
	if len(x) == 0 {
		return "Spread{}"
	}
	return fmt.Sprintf("Spread{%d, %.2f, %.2f}", len(x), quantileOf(x, 0.5), quantileOf(x, 0.9))
}

func TestTheErrorOfTheNarrowestKindIsTold(t *testing.T) {
	f := func(gpu string, n int, want string) {
		t.Helper()
		if have := MeasuredError(gpu, n).For(gpu); !strings.Contains(have, want) {
			t.Errorf("%d x %s: %q, want %q", n, gpu, have, want)
		}
	}
	f("A100-SXM-80GB", 1, "for this kind, 1 x A100-SXM-80GB under vLLM: TPOT ±")
	f("H200-SXM-141GB", 1, "for this kind, 1 x H200-SXM-141GB under any engine: TPOT ±")
	f("H200-SXM-141GB", 2, "for this kind, H200-SXM-141GB under any engine: TPOT ±")
	f("A100-PCIe-80GB", 2, "for the nearest kind, A100-SXM-80GB under any engine: TPOT ±")
	f("T4", 1, "of every kind measured, of which none is this one: TPOT ±")
}
