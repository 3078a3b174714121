package main

import (
	"fmt"
	"io"
	"strings"

	"weir/config"
	"weir/internal/term"
	"weir/report"
)

// newPainter paints if w is a terminal with colours.
func newPainter(w io.Writer) painter { return painter{w, report.Ink(term.Colourful(w))} }

// painter shows a configuration's faults with their lines.
type painter struct {
	w   io.Writer
	ink report.Ink
}

// faults prints each fault as file:line:column: severity: message, a form
// editors and terminals can jump to, and below it the line with a mark.
func (p painter) faults(severity string, faults config.Faults) {
	shade := report.Red
	if severity == "warning" {
		shade = report.Yellow
	}
	for _, f := range faults {
		at := f.Place()
		fmt.Fprintf(p.w, "%s %s %s\n", p.ink.Paint(report.Bold, at), p.ink.Paint(shade, severity+":"), f.Message())
		if f.Excerpt == "" {
			continue
		}
		fmt.Fprintf(p.w, "%s%s\n", p.ink.Paint(report.Dim, fmt.Sprintf("%6d | ", f.Line)), f.Excerpt)
		fmt.Fprintf(p.w, "%s%s%s\n", p.ink.Paint(report.Dim, "       | "), indent(f.Excerpt, f.Mark), p.ink.Paint(shade, "^"))
	}
}

// indent is as wide as the first n characters of line: tabs stay tabs.
func indent(line string, n int) string {
	var b strings.Builder
	for _, r := range line {
		if n == 0 {
			break
		}
		if r != '\t' {
			r = ' '
		}
		b.WriteRune(r)
		n--
	}
	return b.String() + strings.Repeat(" ", n)
}
