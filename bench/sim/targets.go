package main

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
)

// days are the day-long traces.
var days = []string{"azure24_code_tue", "azure24_conv_tue", "servegen_mlarge_day1", "servegen_r1_day"}

// targets compares Weir with its targets, at 90 s and the trace's load.
func (s settings) targets(w io.Writer, b *book, cells []cell) {
	fmt.Fprint(w, "## Against the targets (cold start 90 s, 1x)\n\n")
	fmt.Fprint(w, "Cost is that at 99 % attainment. Weir at its defaults, where they attain 99 %; else swept, marked *. Brought to 99 % is \"weir, swept\", as the others are.\n\n")
	fmt.Fprint(w, "| trace | weir, GPU-h | attained at defaults | regret, at most 15 % | brought to 99 % | foreseeing | under HPA, 20 % on days | under the best of KPA, APA, WVA, Dynamo, 10 % on days | over best fixed, at most 3 % if smooth | reversals, at most a third of HPA's |\n")
	fmt.Fprint(w, "|---|---|---|---|---|---|---|---|---|---|\n")
	for _, c := range cells {
		if c.Cold != 90 || c.Load != 1 {
			continue
		}
		line, ok := b.target(c)
		if ok {
			fmt.Fprintln(w, line)
		}
	}
	fmt.Fprintln(w)
	fmt.Fprintln(w, strings.TrimSpace(notes))
	fmt.Fprintln(w)
}

// notes say what was run and why a target is missed: written by hand, for the
// figures beside them.
//
//go:embed notes.md
var notes string

func (b *book) target(c cell) (string, bool) {
	own, ok := b.one(c, weirName)
	if !ok {
		return "", false
	}
	cost, mark, known := own.GPUHours, "", true
	if own.Attainment < attainment {
		cost, known = costAt(append(b.sweep(c, "weir, swept"), own))
		mark = "*"
	}
	line := fmt.Sprintf("| %s | not reached | %.2f %% ", c.Trace, 100*own.Attainment)
	if known {
		line = fmt.Sprintf("| %s | %.1f%s | %.2f %% ", c.Trace, cost, mark, 100*own.Attainment)
	}
	against := func(name string) (string, float64) {
		other, ok := costAt(b.sweep(c, name))
		if !ok || !known {
			return "?", 0
		}
		return fmt.Sprintf("%+.0f %%", 100*(cost/other-1)), other
	}
	oracle, _ := against(oracleName)
	seen, _ := b.one(c, "weir, foreseeing")
	foreseeing := "?"
	if o, _ := b.one(c, oracleName); o.GPUHours > 0 && seen.GPUHours > 0 {
		foreseeing = fmt.Sprintf("%+.0f %% at %.2f %%", 100*(seen.GPUHours/o.GPUHours-1), 100*seen.Attainment)
	}
	brought := "?"
	if at, ok := costAt(b.sweep(c, "weir, swept")); ok {
		if o, _ := b.one(c, oracleName); o.GPUHours > 0 {
			brought = fmt.Sprintf("%.1f, %+.0f %%", at, 100*(at/o.GPUHours-1))
		}
	}
	hpa, _ := against("hpa")
	fixed, _ := against("static")
	line += fmt.Sprintf("| %s | %s | %s | %s | %s | %s ", oracle, brought, foreseeing, hpa, b.bestOf(c, against), fixed)
	if h, ok := b.best(c, "hpa"); ok {
		line += fmt.Sprintf("| %d of %d ", own.Reversals, h.Reversals)
	} else {
		line += "| ? "
	}
	return line + "|", true
}

// bestOf is the comparison with the cheapest of the policies made for serving.
func (b *book) bestOf(c cell, against func(string) (string, float64)) string {
	best, name := 0.0, ""
	text := "?"
	for _, n := range []string{"kpa", "apa", "wva", "dynamo"} {
		if t, cost := against(n); cost > 0 && (name == "" || cost < best) {
			best, name, text = cost, n, t+" ("+n+")"
		}
	}
	if name != "" && !slices.Contains(days, c.Trace) {
		text += ", no day"
	}
	return text
}
