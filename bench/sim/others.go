package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// others is a line for each cell in which Weir was run and that was not swept
// whole: other cold starts and loads, beside those that came nearest.
func others(w io.Writer, b *book) {
	swept := b.cells()
	names := []string{"static", "hpa", "kpa", "dynamo"}
	begun := false
	for _, c := range b.cellsOf(weirName) {
		own, ok := b.one(c, weirName)
		if !ok || slices.Contains(swept, c) || len(b.sweep(c, "hpa")) == 0 {
			continue
		}
		if !begun {
			begun = true
			fmt.Fprint(w, "## Other cold starts and loads\n\n",
				"GPU-hours at 99 % attainment, Weir's at its defaults; of the others fewer values of the knob were run. No clairvoyant schedule was searched for.\n\n",
				"| trace | load | cold start | weir, GPU-h | attained | worst 5 min | reversals | best fixed | hpa | kpa | dynamo |\n",
				"|---|---|---|---|---|---|---|---|---|---|---|\n")
		}
		fmt.Fprintf(w, "| %s | %gx | %v | %.1f | %.2f %% | %.1f %% | %d ", c.Trace, c.Load, time.Duration(c.Cold*float64(time.Second)),
			own.GPUHours, 100*own.Attainment, 100*own.Worst, own.Reversals)
		for _, name := range names {
			if cost, ok := costAt(b.sweep(c, name)); ok && own.Attainment < attainment {
				fmt.Fprintf(w, "| %.1f ", cost)
			} else if ok {
				fmt.Fprintf(w, "| %.1f (%+.0f %%) ", cost, 100*(own.GPUHours/cost-1))
			} else {
				fmt.Fprint(w, "| not reached ")
			}
		}
		fmt.Fprintln(w, "|")
	}
	if begun {
		fmt.Fprint(w, "\nIn brackets, where Weir attains 99 %: its cost against that of the other.\n\n")
	}
}
