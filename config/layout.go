package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file describes the YAML parser's layout errors (tabs, indentation,
// brackets, quotes) in plain words.

// bracketText finds a value that begins as a list and goes on as a text.
var bracketText = regexp.MustCompile(`^[^"'#]*:\s+\[[^\]"'#]*\][^\s,\]}]`)

// noBlank finds a key whose colon has no blank after it.
var noBlank = regexp.MustCompile(`^[\s-]*([A-Za-z_]+):\S.*$`)

// layout is the fault at p, where the parser stopped with a message: its
// position, problem and remedy.
func (d *decoder) layout(p position, message string) (position, string, string) {
	if tab := d.tab(p.line); tab > 0 {
		return position{p.line, tab}, "invalid YAML: a tab in the indentation; YAML indents with spaces only", "write spaces in its place"
	}
	if bracketText.MatchString(d.lines[p.line-1]) {
		return p, "invalid YAML: a value that starts with [ is a list, and there is more text after its ]", "put the value in quotes if it is a string such as \"[::]:8080\""
	}
	switch {
	case strings.Contains(message, "non-map value") && noBlank.MatchString(d.lines[p.line-1]):
		return p, "invalid YAML: a colon without a space after it", "write a colon and a space between key and value: write " + noBlank.ReplaceAllString(d.lines[p.line-1], "$1: ...")
	case strings.Contains(message, "non-map value"):
		return p, "invalid YAML: found a string where a key is expected", "write key: value, or join it to the line above"
	case strings.Contains(message, "mapping value is not allowed"):
		return d.secondValue(p)
	case strings.Contains(message, "value is not allowed in this context"):
		if problem, remedy := d.noBlock(p.line); problem != "" {
			return p, problem, remedy
		}
	case strings.Contains(message, "reserved character"):
		return p, "invalid YAML: a string cannot start with " + d.rune(p), "put the string in quotes"
	case strings.Contains(message, "could not find end character"):
		return p, "invalid YAML: this quote is not closed", "end the string with the same quote, on this line"
	case strings.Contains(message, "must be specified"), strings.Contains(message, "end token"):
		return p, "invalid YAML: a bracket opened here or earlier is not closed, or a comma is missing", "close each [ with ] and each { with }, and put a comma between two entries"
	}
	return p, "invalid YAML: " + message, "check indentation, quotes and brackets here and on the line above"
}

// tab is the column of the first tab in a line's indentation, dashes included;
// 0: none.
func (d *decoder) tab(line int) int {
	if line > len(d.lines) {
		return 0
	}
	text := d.lines[line-1]
	lead := text[:len(text)-len(strings.TrimLeft(text, " \t-"))]
	return strings.IndexByte(lead, '\t') + 1
}

// innerKey finds a key inside of a value: "a: b: c".
var innerKey = regexp.MustCompile(`^[^"'#]*[^"'#\s]:(\s|$)`)

// secondValue distinguishes a key inside another key's value from a line
// indented below a key that has a value.
func (d *decoder) secondValue(p position) (position, string, string) {
	line := []rune(d.lines[p.line-1])
	rest := string(line[min(p.column-1, len(line)):])
	if innerKey.MatchString(rest) {
		return p, "invalid YAML: a key inside the value of another key", "write it on the next line, indented; or put the value in quotes if it is a string with a colon"
	}
	own := d.columns(p.line)
	for next := p.line + 1; next <= len(d.lines); next++ {
		columns := d.columns(next)
		if columns == nil {
			continue
		}
		column, want := columns[0], own[len(own)-1]
		if column > want {
			return position{next, column}, fmt.Sprintf("invalid YAML: this line starts in column %d, below a key that starts in column %d and already has a value", column, want),
				fmt.Sprintf("keys of one block start in the same column: start it in column %d", want)
		}
		break
	}
	return p, "invalid YAML: a value is not allowed here", "check the indentation here and on the next line"
}

// noBlock is the fault of a line whose column starts no open block; "" if one
// does.
func (d *decoder) noBlock(line int) (problem, remedy string) {
	var open []int
	for l := d.base() + 1; l < line; l++ {
		for _, c := range d.columns(l) {
			open = append(slices.DeleteFunc(open, func(o int) bool { return o >= c }), c)
		}
	}
	own := d.columns(line)
	if own == nil || open == nil || slices.Contains(open, own[0]) {
		return "", ""
	}
	shown := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(open)), ", "), "[]")
	return fmt.Sprintf("invalid YAML: this line starts in column %d, but the open blocks start in column %s", own[0], shown),
		"keys of one block, and dashes of one list, start in the same column"
}

// columns are the column of a line's start and that after its dashes; nil
// without content.
func (d *decoder) columns(line int) []int {
	text := d.lines[line-1]
	rest := strings.TrimLeft(text, " ")
	if rest == "" || rest[0] == '#' {
		return nil
	}
	columns := []int{len(text) - len(rest) + 1}
	for strings.HasPrefix(rest, "- ") {
		rest = strings.TrimLeft(rest[1:], " ")
		columns = append(columns, utf8.RuneCountInString(text)-utf8.RuneCountInString(rest)+1)
	}
	return columns
}

// rune is the character at p.
func (d *decoder) rune(p position) string {
	if line := []rune(d.lines[p.line-1]); p.column <= len(line) {
		return string(line[p.column-1])
	}
	return "this"
}
