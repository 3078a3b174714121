package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one fault of a file.
type Fault struct {
	File   string // or the flag that overrides the file
	Line   int    // from 1; within the file; 0: in no file
	Column int    // in characters, from 1; at most one past the end of its line; 0: in no file
	Path   string // "models[0].deployments[1].weight"; "" for the file as a whole

	Problem string // with the value, unless it is secret
	Remedy  string // the allowed values, or the text to write instead

	line int // among the lines of all files

	Excerpt string // the line, or the part of it around Column, without possible secrets
	Mark    int    // characters of Excerpt before Column
}

// Error is one line: file:line:column: path: problem; remedy.
func (f Fault) Error() string { return f.Place() + " " + f.Message() }

// Place is its position: "file:line:column:", or "--flag:".
func (f Fault) Place() string {
	if f.Line == 0 {
		return f.File + ":"
	}
	return fmt.Sprintf("%s:%d:%d:", f.File, f.Line, f.Column)
}

// Message is Error without the position.
func (f Fault) Message() string {
	s := f.Problem
	if f.Path != "" {
		s = f.Path + ": " + s
	}
	if f.Remedy != "" {
		s += "; " + f.Remedy
	}
	return s
}

// Faults are all faults of a file, in order of position.
type Faults []Fault

// Error is one line per fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// InOrder sorts by position, in place, and returns fs. Faults at one position
// keep their order.
func (fs Faults) InOrder() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return fs
}

// position is a line and column in characters, from 1.
type position struct{ line, column int }

// positions holds the position of the value at each path.
type positions map[string]position

// of returns the position of path, or of the nearest enclosing value in the
// file.
func (ps positions) of(path string) position {
	for {
		if p, ok := ps[path]; ok {
			return p
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return position{1, 1}
		}
		path = path[:cut]
	}
}

// Fault makes a fault found by another package, at a path of the file:
// "models[0].deployments[1].process.runs_on".
func (c *Config) Fault(path, problem, remedy string) Fault {
	d := c.source
	if d == nil { // made in code: it has no lines
		return Fault{Path: path, Problem: problem, Remedy: remedy}
	}
	d.faults = nil
	d.faultAt(d.at.of(path), path, problem, remedy)
	d.excerpts(d.faults)
	return d.faults[0]
}
