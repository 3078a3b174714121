package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"weir/control"
	"weir/report/words"
	"weir/scale"
)

// Replay writes the result of replaying a journal: how many decisions are the
// same, the replicas wanted over time if another policy decided, and the first
// decisions that differ, at most list of them. name is the journal's.
func Replay(w io.Writer, name string, r control.Report, list int) error {
	var t text
	fmt.Fprintf(&t, "%s: %s replayed", name, words.Count(r.Decisions, "step"))
	if r.Skipped > 0 {
		fmt.Fprintf(&t, ", %s skipped (before the first complete state, or torn)", words.Count(r.Skipped, "line"))
	}
	if r.Different == 0 {
		t.linef(": identical")
		return t.to(w)
	}
	t.linef(": %s", words.Count(r.Different, "difference"))
	if slices.ContainsFunc(r.Sums, func(s control.Sum) bool { return s.Other }) {
		showSums(&t, r.Sums)
	}
	showDifferences(&t, r, list)
	return t.to(w)
}

// showSums writes the replicas wanted over time, by deployment.
func showSums(w io.Writer, sums []control.Sum) {
	width := len("replica-hours wanted")
	for _, s := range sums {
		width = max(width, len(s.Deployment))
	}
	fmt.Fprintf(w, "\n%-*s %9s %9s\n", width, "replica-hours wanted", "journal", "now")
	for _, s := range sums {
		note := ""
		if !s.Other {
			note = "   not in the file: as before"
		}
		fmt.Fprintf(w, "%-*s %9.3f %9.3f%s\n", width, s.Deployment, s.Wrote.Hours(), s.Now.Hours(), note)
	}
}

func showDifferences(w io.Writer, r control.Report, list int) {
	shown := r.Differences[:min(list, len(r.Differences))]
	for _, d := range shown {
		fmt.Fprintf(w, "\nline %d, %s, %s:\n", d.Line, d.At.Time().UTC().Format("2006-01-02 15:04:05Z"), d.Deployment)
		showDecision(w, "journal", d.Wrote)
		showDecision(w, "now", d.Now)
	}
	if more := r.Different - len(shown); more > 0 {
		fmt.Fprintf(w, "\n%d more; --list shows them\n", more)
	}
}

func showDecision(w io.Writer, who string, d scale.Decision) {
	fmt.Fprintf(w, "  %-8s have %d, want %d: %s\n", who, d.Have, d.Want, d.Reasons)
	if len(d.Victims) > 0 {
		victims, err := json.Marshal(d.Victims)
		if err == nil {
			fmt.Fprintf(w, "  %-8s drains first: %s\n", "", victims)
		}
	}
}
