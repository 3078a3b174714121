package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"weir/config"
)

// painter shows faults of a configuration with the line they are in.
type painter struct {
	w      io.Writer
	colour bool
}

const (
	red    = "31;1"
	yellow = "33;1"
	bold   = "1"
	dim    = "2"
)

// faults prints each as file:line:column: severity: message, which editors and
// terminals can jump to, and below it the line with a mark.
func (p painter) faults(severity string, faults config.Faults) {
	shade := red
	if severity == "warning" {
		shade = yellow
	}
	for _, f := range faults {
		at := f.Place()
		fmt.Fprintf(p.w, "%s %s %s\n", p.paint(bold, at), p.paint(shade, severity+":"), f.Message())
		if f.Excerpt == "" {
			continue
		}
		fmt.Fprintf(p.w, "%s%s\n", p.paint(dim, fmt.Sprintf("%6d | ", f.Line)), f.Excerpt)
		fmt.Fprintf(p.w, "%s%s%s\n", p.paint(dim, "       | "), indent(f.Excerpt, f.Mark), p.paint(shade, "^"))
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

func (p painter) paint(code, text string) string {
	if !p.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// colourful says whether w is a terminal whose user wants colours
// (https://no-color.org).
func colourful(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
