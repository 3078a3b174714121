package engine

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"weir/internal/story"
	"weir/price"
)

const tablePath = "../docs/benchmarks/engine.md"

// TestErrorTable compares docs/benchmarks/engine.md with the engine's present
// predictions of every measured row: run it with -update after a change, and
// read the difference.
func TestErrorTable(t *testing.T) {
	c := catalogue(t)
	published := judge(t, c)
	sameErrors(t, published)
	have := tableHead + replayedTable(t, c) + publishedSummary(published) + plainSummary(t, c) + otherBoard(t, c) + tablePhysics + groupTable(published) + missingTable(published)
	if *story.Update {
		if err := os.WriteFile(tablePath, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s is not what the engine says now: run go test ./engine -run TestErrorTable -update, and read the difference", tablePath)
	}
	f := func(part func(judged) bool, limit float64, of func(judged) float64, what string) {
		t.Helper()
		if m := medianAbs(published, part, of); !(m <= limit) {
			t.Errorf("%s: median error %.0f %%, want at most %.0f %%", what, 100*m, 100*limit)
		}
	}
	f(steady, 0.15, judged.tpot, "TPOT under a steady load")
	f(steady, 0.20, judged.rate, "throughput under a steady load")
	f(everyRow, 0.15, judged.tpot, "TPOT of every row of a current engine")
	f(everyRow, 0.20, judged.rate, "throughput of every row of a current engine")
	f(burst, 0.22, judged.tpot, "TPOT of bursts")
}

// judged is a published row with the engine's prediction.
type judged struct {
	benchRow
	prediction
	err error
}

func (j judged) first() float64 { return j.prediction.ttft/j.benchRow.ttft - 1 }
func (j judged) tpot() float64  { return j.prediction.itl/j.benchRow.itl - 1 }
func (j judged) whole() float64 { return j.prediction.e2e/j.benchRow.e2e - 1 }
func (j judged) rate() float64  { return j.prediction.tokens/j.benchRow.tokens - 1 }

func judge(t testing.TB, c *price.Catalogue) []judged {
	var list []judged
	for _, b := range readBench(t) {
		p, err := predict(c, b)
		list = append(list, judged{b, p, err})
	}
	return list
}

// fixedBatch rows are of an engine of 2023, about half as fast as today's.
func fixedBatch(j judged) bool { return j.kind == "fixed batch" }
func everyRow(j judged) bool   { return !fixedBatch(j) }

// steady rows were measured under a sustained load.
func steady(j judged) bool {
	return everyRow(j) && (j.arrival == "closed loop" || j.scenario == "maximum load" ||
		strings.HasPrefix(j.scenario, "fixed batch") || strings.HasPrefix(j.scenario, "MLPerf"))
}
func burst(j judged) bool { return everyRow(j) && !steady(j) }

func medianAbs(list []judged, part func(judged) bool, of func(judged) float64) float64 {
	x := errorsOf(list, part, of)
	for i := range x {
		x[i] = math.Abs(x[i])
	}
	if len(x) == 0 {
		return math.NaN()
	}
	return quantileOf(x, 0.5)
}

func errorsOf(list []judged, part func(judged) bool, of func(judged) float64) []float64 {
	var x []float64
	for _, j := range list {
		if e := of(j); j.err == nil && part(j) && !math.IsNaN(e) {
			x = append(x, e)
		}
	}
	return x
}

func replayedTable(t testing.TB, c *price.Catalogue) string {
	var b strings.Builder
	b.WriteString("| server | mean TTFT | TPOT | end to end | p99 TTFT | TPOT | end to end |\n|---|---|---|---|---|---|---|\n")
	for _, r := range replayedTraces {
		have, want := r.run(t, c)
		fmt.Fprintf(&b, "| %s, %d x %s |", r.model, r.layout.GPUs(), r.gpu)
		for _, l := range latencies {
			fmt.Fprintf(&b, " %+.1f %% |", 100*(mean(have, l.of)/mean(want, l.of)-1))
		}
		for _, l := range latencies {
			fmt.Fprintf(&b, " %+.1f %% |", 100*(quantile(have, l.of, 0.99)/quantile(want, l.of, 0.99)-1))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func publishedSummary(list []judged) string {
	var b strings.Builder
	b.WriteString(summaryHead)
	for _, g := range []struct {
		name string
		part func(judged) bool
	}{
		{"steady load (closed loop, maximum load, fixed batch, MLPerf)", steady},
		{"a burst: everything sent at once, run to its end", burst},
		{"all current engines", everyRow},
		{"fixed batches, engine of 2023", fixedBatch},
	} {
		fmt.Fprintf(&b, "| %s |", g.name)
		for _, of := range []func(judged) float64{judged.first, judged.tpot, judged.whole, judged.rate} {
			b.WriteString(cell(errorsOf(list, g.part, of), medianAbs(list, g.part, of)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// plainSummary is the summary of all current engines without version-specific
// kernels.
func plainSummary(t testing.TB, c *price.Catalogue) string {
	var list []judged
	for _, row := range readBench(t) {
		row.plain = true
		p, err := predict(c, row)
		list = append(list, judged{row, p, err})
	}
	var b strings.Builder
	b.WriteString("| all current engines, without ofOneVersion (`engine/server_test.go`) |")
	for _, of := range []func(judged) float64{judged.first, judged.tpot, judged.whole, judged.rate} {
		b.WriteString(cell(errorsOf(list, everyRow, of), medianAbs(list, everyRow, of)))
	}
	return b.String() + "\n"
}

// otherBoard plays the bursts of two models that one laboratory ran on a single
// GPU named H100, on each board of that name.
func otherBoard(t testing.TB, c *price.Catalogue) string {
	var b strings.Builder
	b.WriteString(boardHead)
	for _, gpu := range []string{"H100-SXM-80GB", "H100-PCIe-80GB"} {
		var list []judged
		for _, row := range readBench(t) {
			if !strings.HasPrefix(row.gpu, "H100") || row.tp != 1 || !strings.HasPrefix(row.model, "Qwen/Qwen3-14B") && row.model != "Qwen/Qwen3-32B" {
				continue
			}
			row.gpu = gpu
			p, err := predict(c, row)
			list = append(list, judged{row, p, err})
		}
		fmt.Fprintf(&b, "| %s |%s%s\n", gpu, cell(errorsOf(list, burst, judged.tpot), medianAbs(list, burst, judged.tpot)),
			cell(errorsOf(list, burst, judged.rate), medianAbs(list, burst, judged.rate)))
	}
	return b.String()
}

func cell(x []float64, middle float64) string {
	if len(x) == 0 {
		return " |"
	}
	return fmt.Sprintf(" %.0f %% (%d) |", 100*middle, len(x))
}

func groupTable(list []judged) string {
	type key struct {
		model, dtype, gpu string
		tp                int
		engine            string
	}
	groups := map[key][]judged{}
	var keys []key
	for _, j := range list {
		if j.err != nil {
			continue
		}
		k := key{j.model, j.dtype, j.gpu, j.tp, j.engine}
		if groups[k] == nil {
			keys = append(keys, k)
		}
		groups[k] = append(groups[k], j)
	}
	slices.SortStableFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(a.model, b.model), cmp.Compare(a.gpu, b.gpu), cmp.Compare(a.tp, b.tp), cmp.Compare(a.engine, b.engine))
	})
	var b strings.Builder
	b.WriteString(groupHead)
	all := func(judged) bool { return true }
	for _, k := range keys {
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s | %d |", k.model, k.dtype, k.gpu, k.tp, k.engine, len(groups[k]))
		for _, of := range []func(judged) float64{judged.first, judged.tpot, judged.whole, judged.rate} {
			if x := errorsOf(groups[k], all, of); len(x) > 0 {
				fmt.Fprintf(&b, " %+.0f %% |", 100*quantileOf(x, 0.5))
			} else {
				b.WriteString(" |")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func missingTable(list []judged) string {
	count := map[string]int{}
	var reasons []string
	for _, j := range list {
		if j.err == nil {
			continue
		}
		reason := j.err.Error()
		if errors.Is(j.err, errNotModelled) {
			reason = strings.TrimPrefix(reason, errNotModelled.Error()+": ")
		}
		reason = j.model + ", " + j.engine + ": " + reason
		if count[reason] == 0 {
			reasons = append(reasons, reason)
		}
		count[reason]++
	}
	slices.Sort(reasons)
	var b strings.Builder
	b.WriteString(missingHead)
	for _, r := range reasons {
		fmt.Fprintf(&b, "| %d | %s |\n", count[r], r)
	}
	return b.String()
}
