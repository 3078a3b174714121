package cache

import (
	"bytes"
	"encoding/binary"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// appendNormal appends a text with its white space and its Unicode form made one (NFC):
// without space at both ends, with one space for a run of them, one empty line for
// several, and no space at the end of a line.
//
// What may be code or a quotation stays as it is: fenced blocks (``` and ~~~), lines that
// are indented by four columns or a tab, spans in backticks and in double quotes, and the
// indentation of every line after the first.
func appendNormal(dst, text []byte) []byte {
	start, blank := len(dst), false
	fence := []byte(nil)
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, newline)
		text = rest
		bare := bytes.TrimRightFunc(line, unicode.IsSpace)
		inside := fence != nil
		if mark := fenceOf(line); inside && closes(line, fence) {
			fence = nil
		} else if !inside && mark != nil {
			fence, inside = mark, true
		}
		if len(bare) == 0 && !inside {
			blank = len(dst) > start
			continue
		}
		if len(dst) > start {
			dst = append(dst, '\n')
			if blank {
				dst = append(dst, '\n')
			}
		}
		blank = false
		if inside {
			dst = append(dst, line...)
		} else {
			dst = appendLine(dst, bare, len(dst) == start)
		}
	}
	return dst
}

var newline = []byte{'\n'}

// codeIndent is the indentation that makes a line code in Markdown.
const codeIndent = 4

// fenceOf is the mark that opens a fenced block: at least three of ` or ~; nil if the line
// opens none.
func fenceOf(line []byte) []byte {
	line = bytes.TrimLeft(line, " ")
	if len(line) < 3 || line[0] != '`' && line[0] != '~' {
		return nil
	}
	n := 1
	for n < len(line) && line[n] == line[0] {
		n++
	}
	if n < 3 || line[0] == '`' && bytes.IndexByte(line[n:], '`') >= 0 { // a span on one line
		return nil
	}
	return line[:n]
}

// closes says whether a line ends the block that fence has opened.
func closes(line, fence []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) >= len(fence) && len(bytes.Trim(line, string(fence[:1]))) == 0
}

// appendLine appends a line that is not blank.
func appendLine(dst, line []byte, first bool) []byte {
	body := bytes.TrimLeftFunc(line, unicode.IsSpace)
	indent := line[:len(line)-len(body)]
	if len(indent) >= codeIndent || bytes.IndexByte(indent, '\t') >= 0 {
		return append(dst, line...)
	}
	if !first {
		dst = append(dst, indent...)
	}
	for len(body) > 0 {
		if n := verbatim(body); n > 0 {
			dst, body = append(dst, body[:n]...), body[n:]
			continue
		}
		n := 1
		for n < len(body) && body[n] != '`' && body[n] != '"' {
			n++
		}
		dst, body = appendPlain(dst, body[:n]), body[n:]
	}
	return dst
}

// verbatim is the length of the span in backticks or double quotes that a text begins
// with; 0 if there is none on its line.
func verbatim(text []byte) int {
	switch text[0] {
	case '"':
		if end := bytes.IndexByte(text[1:], '"'); end >= 0 {
			return end + 2
		}
	case '`':
		n := 1
		for n < len(text) && text[n] == '`' {
			n++
		}
		if end := bytes.Index(text[n:], text[:n]); end >= 0 {
			return end + 2*n
		}
	}
	return 0
}

// appendPlain appends a text without code, in NFC and with one space for a run of white
// space.
func appendPlain(dst, text []byte) []byte {
	if ascii(text) {
		return appendASCII(dst, text)
	}
	if !norm.NFC.IsNormal(text) {
		text = norm.NFC.Bytes(text)
	}
	space := false
	for len(text) > 0 {
		c, n := rune(text[0]), 1
		if c >= utf8.RuneSelf {
			c, n = utf8.DecodeRune(text)
		}
		if unicode.IsSpace(c) {
			if !space {
				dst = append(dst, ' ')
			}
			space = true
		} else {
			dst, space = append(dst, text[:n]...), false
		}
		text = text[n:]
	}
	return dst
}

// appendASCII is appendPlain for most texts: all between two runs is copied at once.
func appendASCII(dst, text []byte) []byte {
	from := 0
	for i := 0; i < len(text); i++ {
		if !spaces[text[i]] {
			continue
		}
		end := i + 1
		for end < len(text) && spaces[text[end]] {
			end++
		}
		if end > i+1 || text[i] != ' ' {
			dst = append(append(dst, text[from:i]...), ' ')
			from = end
		}
		i = end - 1
	}
	return append(dst, text[from:]...)
}

// spaces are the ASCII bytes that unicode.IsSpace has.
var spaces = [256]bool{'\t': true, '\n': true, '\v': true, '\f': true, '\r': true, ' ': true}

func ascii(text []byte) bool {
	for ; len(text) >= 8; text = text[8:] {
		if binary.LittleEndian.Uint64(text)&0x8080808080808080 != 0 {
			return false
		}
	}
	for _, c := range text {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
