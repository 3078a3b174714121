// Package paint shows faults of a configuration with their lines, as a terminal or an
// editor can use them. It owns their form; it refuses to know what is wrong and where it
// is said.
package paint

import (
	"fmt"
	"io"
	"strings"

	"weir/config"
	"weir/internal/term"
	"weir/report"
)

// Faults prints each fault as file:line:column: severity: message, a form
// editors and terminals can jump to, and below it the line with a mark. It has
// colours if w is a terminal that has them.
func Faults(w io.Writer, severity string, faults config.Faults) {
	ink := report.Ink(term.Colourful(w))
	shade := report.Red
	if severity == "warning" {
		shade = report.Yellow
	}
	for _, f := range faults {
		at := f.Place()
		fmt.Fprintf(w, "%s %s %s\n", ink.Paint(report.Bold, at), ink.Paint(shade, severity+":"), f.Message())
		if f.Excerpt == "" {
			continue
		}
		fmt.Fprintf(w, "%s%s\n", ink.Paint(report.Dim, fmt.Sprintf("%6d | ", f.Line)), f.Excerpt)
		fmt.Fprintf(w, "%s%s%s\n", ink.Paint(report.Dim, "       | "), indent(f.Excerpt, f.Mark), ink.Paint(shade, "^"))
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
