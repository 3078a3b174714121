package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong with a file.
type Fault struct {
	File   string // or the flag that stands over the file
	Line   int    // from 1; within the file; 0: of no file
	Column int    // in characters, from 1; at most one past the end of its line; 0: of no file
	Path   string // "models[0].deployments[1].weight"; "" for the file as a whole

	Problem string // what is wrong, with the value where it is no secret
	Remedy  string // what is allowed, or what to write instead

	line int // among those of all files

	Excerpt string // the line, or the part of it around Column, without what may be a secret
	Mark    int    // characters of Excerpt before Column
}

// Error is one line: file:line:column: path: problem; remedy.
func (f Fault) Error() string { return f.Place() + " " + f.Message() }

// Place is where it is: "file:line:column:", or "--flag:".
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

// Faults are all that is wrong with a file, in order of position.
type Faults []Fault

// Error is one line per fault.
func (fs Faults) Error() string {
	lines := make([]string, len(fs))
	for i, f := range fs {
		lines[i] = f.Error()
	}
	return strings.Join(lines, "\n")
}

// InOrder sorts by position, in place, and returns fs. Faults at one position keep the order in which
// they were found.
func (fs Faults) InOrder() Faults {
	slices.SortStableFunc(fs, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return fs
}

// position is a place in a file: line and column in characters, from 1.
type position struct{ line, column int }

// positions holds where the value at each path stands.
type positions map[string]position

// of returns where path stands, or the nearest thing around it that the file
// does mention.
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

// Fault is one that somebody else found in what the file describes, at a path
// of it: "models[0].deployments[1].process.runs_on".
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
