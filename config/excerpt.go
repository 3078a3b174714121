package config

import (
	"regexp"
	"unicode/utf8"

	"github.com/goccy/go-yaml/ast"
)

// hide keeps the rest of a line, from node n on, out of excerpts: it may be a
// secret written into the file.
func (d *decoder) hide(p position) {
	if d.hidden == nil {
		d.hidden = map[int]int{}
	}
	if from, ok := d.hidden[p.line]; !ok || p.column < from {
		d.hidden[p.line] = p.column
	}
}

// hideValueOf hides the value of a key, on any line.
func (d *decoder) hideValueOf(e *ast.MappingValueNode) {
	if e.Value != nil {
		d.hide(d.position(e.Value))
	}
}

// excerpts gives every fault its line. It is called when all hidden parts are
// known.
func (d *decoder) excerpts(faults Faults) {
	for i := range faults {
		f := &faults[i]
		f.Excerpt, f.Mark = d.excerpt(position{f.line, f.Column})
	}
}

// excerptWidth is the most characters of a line that are shown.
const excerptWidth = 120

// likeSecret finds keys whose value is kept out of excerpts unless it is a
// reference or a hash, also in a file that is not YAML. A plain "key:" is the
// file of server.tls.
var likeSecret = regexp.MustCompile(`(?i)(?:[a-z]_?key|token|secret|password|credential)["']?\s*:\s*["']?()`)

var reference = regexp.MustCompile(`^(env:|file:|sha256:)`)

// excerpt returns the part of a line around p and how many of its characters
// are before p.
func (d *decoder) excerpt(p position) (string, int) {
	if p.line < 1 || p.line > len(d.lines) {
		return "", 0
	}
	line := []rune(d.lines[p.line-1])
	end := d.visible(p.line, line)
	cut := end < len(line)
	line = line[:end]
	before := p.column - 1
	start := 0
	if len(line) > excerptWidth {
		start = max(0, min(before, len(line))-excerptWidth/2)
		if len(line)-start > excerptWidth {
			line, cut = line[:start+excerptWidth], true
		}
	}
	text := string(line[start:])
	if cut {
		text += "..."
	}
	return text, before - start
}

// visible is how many characters of a line may be shown.
func (d *decoder) visible(number int, line []rune) int {
	end := len(line)
	if from, ok := d.hidden[number]; ok {
		end = min(end, from-1)
	}
	text := string(line)
	for _, m := range likeSecret.FindAllStringSubmatchIndex(text, -1) {
		if value := text[m[2]:]; value != "" && !reference.MatchString(value) {
			end = min(end, utf8.RuneCountInString(text[:m[2]]))
			break
		}
	}
	return end
}
