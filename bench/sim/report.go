package main

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// report writes the tables, whole: a cell that was not run is not in it.
func (s settings) report(b *book) error {
	var text strings.Builder
	text.WriteString(preface)
	cells := b.cells()
	s.targets(&text, b, cells)
	others(&text, b)
	for _, c := range cells {
		table(&text, b, c)
	}
	if s.out == "-" {
		_, err := io.WriteString(os.Stdout, text.String())
		return err
	}
	return os.WriteFile(s.out, []byte(text.String()), 0o644)
}

const preface = `# Scaling policies on recorded traffic

Every policy decides for the same fleet: Llama-3.3-70B on 4 x A100 (package
engine, by roofline), at least 1 and at most 64 replicas of at most 64 requests,
the same dispatch, one virtual time. A request attains when its first token comes
within 2 s (and 1 ms more per prompt token above 4,096; 30 s on Mooncake's long
contexts) and its tokens within 200 ms each; refused, failed and unfinished ones
do not. GPU-hours are counted from the start of a cold start to the release.

- **at 99 %**: what the policy costs at 99 % attainment: each baseline is swept
  over its one main knob, and the two points around 99 % are joined. Weir is not
  swept: it runs at its defaults, the same for every trace. "weir, swept" is the
  same with the attainment it aims at as the knob.
- Dynamo and yesterday plan by a profile of one replica, from hindsight: what the engine
  does on requests of the trace's mean lengths.
- **regret**: over the clairvoyant schedule, which knows every arrival and is
  played through the same simulator. The search for it starts from the offered load,
  from Weir's schedule and from the best constant number, so it costs no more than
  those. **fluid bound**: the offered work divided by a replica's maximum, ignoring
  whole replicas, cold starts and the SLO.
- **knob** and the columns after it describe the cheapest point that attains 99 %,
  or else the one that attains most. The interval comes from other phases of the
  control loop and other draws of cold starts (log-normal, sigma 0.3); a point
  without one was run once.
- "weir, foreseeing" sees the arrivals of the next cold start in advance: its
  distance from weir is the error of the forecast, its distance from the
  clairvoyant schedule is the cost of control.

Baselines that scrape see figures up to 15 s old; Knative's and Weir's are
pushed. azure24 and servegen days are derived from published rates (their minute
shape is real, their seconds are drawn); the others are recorded requests.

    cd bench/sim && go run . -traces DIR -out ../../docs/benchmarks/policies.md

`

// cells that were swept whole, in the order of the protocol.
func (b *book) cells() []cell {
	return b.cellsOf(oracleName)
}

// cellsOf are those in which a policy was run, in the order of the protocol.
func (b *book) cellsOf(policy string) []cell {
	b.mu.Lock()
	defer b.mu.Unlock()
	seen := map[cell]bool{}
	var cells []cell
	for t := range b.rows {
		if t.Policy == policy && !seen[t.cell] {
			seen[t.cell] = true
			cells = append(cells, t.cell)
		}
	}
	rank := func(c cell) int {
		for i, w := range workloads {
			if w.name == c.Trace {
				return i
			}
		}
		return len(workloads)
	}
	slices.SortFunc(cells, func(a, b cell) int {
		switch {
		case a.Trace != b.Trace:
			return rank(a) - rank(b)
		case a.Load != b.Load:
			return sign(a.Load - b.Load)
		}
		return sign(a.Cold - b.Cold)
	})
	return cells
}

func sign(x float64) int {
	switch {
	case x < 0:
		return -1
	case x > 0:
		return 1
	}
	return 0
}

// one is the single row of something that is not swept.
func (b *book) one(c cell, policy string) (row, bool) {
	rows := b.sweep(c, policy)
	if len(rows) == 0 {
		return row{}, false
	}
	return rows[0], true
}

func policyNames(b *book, c cell) []string {
	var names []string
	for _, con := range contenders(&workload{}, 0) {
		if len(b.sweep(c, con.name)) > 0 {
			names = append(names, con.name)
		}
	}
	return names
}

func table(w io.Writer, b *book, c cell) {
	fmt.Fprintf(w, "## %s, %gx, cold start %v\n\n", c.Trace, c.Load, time.Duration(c.Cold*float64(time.Second)))
	bound, _ := b.one(c, boundName)
	oracle, known := b.one(c, oracleName)
	fmt.Fprintf(w, "Fluid bound %.1f GPU-h", bound.GPUHours)
	known = known && oracle.GPUHours > 0
	if !known {
		fmt.Fprint(w, ", no schedule that was tried attains 99 %")
	} else {
		fmt.Fprintf(w, ", clairvoyant schedule %.1f GPU-h at %.2f %% (worst 5 minutes %.1f %%)", oracle.GPUHours, 100*oracle.Attainment, 100*oracle.Worst)
	}
	fmt.Fprint(w, ".\n\n| policy | GPU-h at 99 % | regret | knob | GPU-h | attained | worst 5 min | below 99 %, min | changes | reversals | idle | cold |\n")
	fmt.Fprint(w, "|---|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range policyNames(b, c) {
		best, _ := b.best(c, name)
		at, regret := "not reached", ""
		if cost, ok := costAt(b.sweep(c, name)); ok {
			at = fmt.Sprintf("%.1f", cost)
			if known {
				regret = fmt.Sprintf("%+.0f %%", 100*(cost/oracle.GPUHours-1))
			}
		}
		low, high := interval(b.repeats(best))
		fmt.Fprintf(w, "| %s | %s | %s | %s | %s | %.2f %% | %.1f %% | %.0f | %d | %d | %.1f | %.1f |\n", name, at, regret, knobText(best.Knob),
			span(best.GPUHours, low, high), 100*best.Attainment, 100*best.Worst, best.Violated, best.Changes, best.Reversals, best.Idle, best.Starting)
	}
	fmt.Fprintln(w)
}

func knobText(k float64) string {
	if k == 0 {
		return "default"
	}
	return fmt.Sprintf("%g", k)
}

// interval holds nine tenths of the rows' cost.
func interval(rows []row) (low, high float64) {
	n := len(rows)
	return rows[n/20].GPUHours, rows[n-1-n/20].GPUHours
}

func span(at, low, high float64) string {
	if low == high {
		return fmt.Sprintf("%.1f", at)
	}
	return fmt.Sprintf("%.1f (%.1f to %.1f)", at, low, high)
}
