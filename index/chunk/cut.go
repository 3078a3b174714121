package chunk

import (
	"strings"
	"unicode/utf8"
)

// span is a part of a text.
type span struct{ from, to int }

// section is a part of a document that no chunk crosses the ends of.
type section struct {
	span
	heading string
}

// sections cuts Markdown at its headings. Other documents are one section.
func sections(kind Kind, text string) []section {
	if kind != Markdown {
		return []section{{span: span{0, len(text)}}}
	}
	var out []section
	var path [6]string
	now := section{}
	fence := ""
	for from := 0; from < len(text); {
		to := lineEnd(text, from)
		line := strings.TrimRight(text[from:to], " \t\r\n")
		fence = fenced(fence, line)
		if level, title := heading(line); fence == "" && level > 0 {
			now.to = from
			out = append(out, now)
			path[level-1] = title
			clear(path[level:])
			now = section{span: span{from: to}, heading: joined(path[:level])}
		}
		from = to
	}
	now.to = len(text)
	return append(out, now)
}

// fenced is the fence of code that is open after a line.
func fenced(open, line string) string {
	line = strings.TrimLeft(line, " ")
	for _, mark := range []string{"```", "~~~"} {
		if strings.HasPrefix(line, mark) {
			switch open {
			case "":
				return mark
			case mark:
				return ""
			}
		}
	}
	return open
}

func heading(line string) (level int, title string) {
	for level < len(line) && line[level] == '#' {
		level++
	}
	if level == 0 || level > 6 || level < len(line) && line[level] != ' ' {
		return 0, ""
	}
	return level, strings.TrimSpace(strings.TrimRight(strings.TrimSpace(line[level:]), "#"))
}

func joined(path []string) string {
	var parts []string
	for _, p := range path {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " > ")
}

// pieces cuts a section into parts of at most so many tokens, which cover it.
func pieces(text string, s section, kind Kind, most int) (out []span) {
	fence, from, at := "", s.from, s.from
	for at < s.to {
		to := min(lineEnd(text, at), s.to)
		line := text[at:to]
		wasIn := fence != ""
		if kind == Markdown {
			fence = fenced(fence, strings.TrimSpace(line))
		}
		if at > from && !wasIn && begins(kind, text[from:at], line) {
			out = smaller(out, text, span{from, at}, most)
			from = at
		}
		at = to
	}
	if from < s.to {
		out = smaller(out, text, span{from, s.to}, most)
	}
	return out
}

// begins says whether a line begins a new part after those before it.
func begins(kind Kind, before, line string) bool {
	if strings.TrimSpace(line) == "" || !strings.HasSuffix(strings.TrimRight(before, " \t\r"), "\n") {
		return false
	}
	body := strings.TrimRight(before, " \t\r\n")
	empty := strings.Count(before[len(body):], "\n") > 1
	if kind == Code {
		return empty && line[0] != ' ' && line[0] != '\t' && line[0] != '}' && line[0] != ')'
	}
	return empty
}

// smaller appends a part, cut further if it is too large: at lines, then after sentences
// and words, at last anywhere between letters.
func smaller(out []span, text string, s span, most int) []span {
	if tokens(s.to-s.from) <= most {
		return append(out, s)
	}
	for s.from < s.to {
		end := min(s.from+most*bytesPerToken, s.to)
		if end < s.to {
			end = s.from + cutAt(text[s.from:end])
		}
		out = append(out, span{s.from, end})
		s.from = end
	}
	return out
}

// cutAt finds the best place to end a text that goes on. It is at least 1, and beyond the
// middle where that is possible.
func cutAt(text string) int {
	half := len(text) / 2
	for _, mark := range []string{"\n", ". ", "。", "? ", "! ", "; ", " "} {
		if at := strings.LastIndex(text, mark); at >= half {
			return at + len(mark)
		}
	}
	end := len(text)
	for back := 1; back < utf8.UTFMax && back < end; back++ {
		if r, size := utf8.DecodeRuneInString(text[end-back:]); utf8.RuneStart(text[end-back]) {
			if r == utf8.RuneError && size <= 1 { // the letter goes on
				return end - back
			}
			break
		}
	}
	return end
}

func lineEnd(text string, from int) int {
	if n := strings.IndexByte(text[from:], '\n'); n >= 0 {
		return from + n + 1
	}
	return len(text)
}
