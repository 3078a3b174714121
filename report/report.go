// Package report writes answers for people: tables, HTML pages and the
// weir.yaml of a plan's recommendation. It knows the values of sim, plan, fit,
// price, bill and control, and nothing of their source: no file, no flag, no
// configuration, no terminal. Its functions write to an io.Writer and return
// that writer's error.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// JSON writes a value with the given indent.
func JSON(w io.Writer, v any, indent string) error {
	e := json.NewEncoder(w)
	e.SetIndent("", indent)
	return e.Encode(v)
}

// text is a page of lines under construction.
type text struct {
	strings.Builder
}

// to writes the gathered text.
func (t *text) to(w io.Writer) error {
	_, err := io.WriteString(w, t.String())
	return err
}

func (t *text) linef(format string, args ...any) { fmt.Fprintf(t, format+"\n", args...) }

// title begins a section.
func (t *text) title(text string) {
	if t.Len() > 0 {
		t.linef("")
	}
	t.linef("%s", text)
}

// table aligns columns, indented by two; cells are separated by tabs.
func (t *text) table(rows ...string) {
	var aligned strings.Builder
	w := columns(&aligned)
	for _, r := range rows {
		fmt.Fprintln(w, "  "+r)
	}
	_ = w.Flush() // to a strings.Builder: cannot fail
	for line := range strings.Lines(aligned.String()) {
		t.linef("%s", strings.TrimRight(line, " \n"))
	}
}

// wrapped breaks a paragraph into lines, indented by two.
func (t *text) wrapped(text string) {
	const width = 96
	line := " "
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > width {
			t.linef("%s", line)
			line = " "
		}
		line += " " + word
	}
	t.linef("%s", line)
}

// columns aligns cells that are separated by tabs, two spaces apart.
func columns(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }
