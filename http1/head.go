package http1

import (
	"bytes"
	"strings"
)

// head is the status line and headers of a reply. All parts are slices of one string.
type head struct {
	text   string
	fields []span
	room   [24]span
}

// span is one header within head.text.
type span struct{ name, nameEnd, value, valueEnd uint16 } // MaxHeaderBytes fits into uint16

// framing is what a head determines about the body.
type framing struct {
	status    int
	length    int64 // Content-Length, -1 if there is none
	chunked   bool
	bodyless  bool // 204, 304: no body whatever the headers say
	keepAlive bool // HTTP/1.1 without Connection: close
}

// get returns the first value of a header, "" when it is absent.
func (h *head) get(name string) string {
	for _, f := range h.fields {
		if int(f.nameEnd-f.name) == len(name) && strings.EqualFold(h.text[f.name:f.nameEnd], name) {
			return h.text[f.value:f.valueEnd]
		}
	}
	return ""
}

func (h *head) each(f func(name, value string)) {
	for _, s := range h.fields {
		f(h.text[s.name:s.nameEnd], h.text[s.value:s.valueEnd])
	}
}

// headScan looks for the end of a head as it arrives. It refuses at once bytes that can
// no longer become one: a peer that speaks another protocol, or ends its lines with a
// bare LF, is not waited for.
type headScan struct {
	seen int // bytes scanned
	line int // where the current line starts
}

const httpPrefix = "HTTP/1."

// end returns the length of the head at the start of b, 0 if more is needed. b grows
// from call to call.
func (s *headScan) end(b []byte) (int, error) {
	if n := min(len(b), len(httpPrefix)); string(b[:n]) != httpPrefix[:n] {
		return 0, faultf("the reply starts with %q: want %q", b[:n], httpPrefix)
	}
	for {
		i := bytes.IndexByte(b[s.seen:], '\n')
		if i < 0 {
			s.seen = len(b)
			if len(b) > MaxHeaderBytes {
				return 0, faultf("the reply's header is larger than %d bytes", MaxHeaderBytes)
			}
			return 0, nil
		}
		at := s.seen + i
		if at == s.line || b[at-1] != '\r' {
			return 0, faultf("a line of the reply's header ends with a bare LF")
		}
		s.seen = at + 1
		if at-1 == s.line {
			if s.seen > MaxHeaderBytes {
				return 0, faultf("the reply's header is larger than %d bytes", MaxHeaderBytes)
			}
			return s.seen, nil
		}
		s.line = s.seen
	}
}

// parse reads a whole head, including its empty line (RFC 9112, without the leniency it
// allows).
func (h *head) parse(b []byte) (framing, error) {
	h.text = string(b)
	h.fields = h.room[:0]
	f := framing{length: -1}
	line, at := nextLine(h.text, 0)
	minor, err := parseStatusLine(line, &f)
	if err != nil {
		return f, err
	}
	for {
		start := at
		line, at = nextLine(h.text, start)
		if line == "" {
			break
		}
		s, err := parseField(line)
		if err != nil {
			return f, err
		}
		off := uint16(start)
		h.fields = append(h.fields, span{off + s.name, off + s.nameEnd, off + s.value, off + s.valueEnd})
	}
	f.keepAlive = minor == 1
	return f, h.frame(&f, minor)
}

// nextLine returns the line at i without its CRLF, and where the next starts.
func nextLine(s string, i int) (string, int) {
	n := strings.IndexByte(s[i:], '\n')
	return s[i : i+n-1], i + n + 1
}

// parseStatusLine reads "HTTP/1.1 200 OK". The reason may be missing, and its space
// too, as with many servers.
func parseStatusLine(line string, f *framing) (minor int, err error) {
	bad := func() (int, error) { return 0, faultf("status line %q: want HTTP/1.1 and three digits", clip(line)) }
	if len(line) < len("HTTP/1.1 200") || line[8] != ' ' || line[7] != '0' && line[7] != '1' {
		return bad()
	}
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return bad()
		}
		f.status = f.status*10 + int(c-'0')
	}
	if f.status < 100 || f.status > 599 || len(line) > 12 && line[12] != ' ' || !isFieldText(line) {
		return bad()
	}
	return int(line[7] - '0'), nil
}

// parseField reads "Name: value". Offsets are relative to the line.
func parseField(line string) (span, error) {
	if line[0] == ' ' || line[0] == '\t' {
		return span{}, faultf("header line %q continues the one before: obsolete folding is refused", clip(line))
	}
	colon := strings.IndexByte(line, ':')
	if colon <= 0 || !isToken(line[:colon]) || !isFieldText(line[colon+1:]) {
		return span{}, faultf("header line %q: want name: value", clip(line))
	}
	from, to := colon+1, len(line)
	for from < to && (line[from] == ' ' || line[from] == '\t') {
		from++
	}
	for to > from && (line[to-1] == ' ' || line[to-1] == '\t') {
		to--
	}
	return span{0, uint16(colon), uint16(from), uint16(to)}, nil
}

// frame finds how the body is delimited. Anything that two readers could read
// differently is refused: both lengths, a length twice, an encoding other than chunked.
func (h *head) frame(f *framing, minor int) error {
	encoded := false
	for _, s := range h.fields {
		name, value := h.text[s.name:s.nameEnd], h.text[s.value:s.valueEnd]
		switch {
		case strings.EqualFold(name, "Content-Length"):
			if f.length >= 0 {
				return faultf("the reply has two Content-Length headers")
			}
			n, ok := parseLength(value)
			if !ok {
				return faultf("Content-Length %q: want a number", clip(value))
			}
			f.length = n
		case strings.EqualFold(name, "Transfer-Encoding"):
			// EqualFold alone takes the sign for Kelvin, of three bytes, for a k.
			if encoded || minor == 0 || len(value) != len("chunked") || !strings.EqualFold(value, "chunked") {
				return faultf("Transfer-Encoding %q: want chunked, once, with HTTP/1.1", clip(value))
			}
			encoded = true
		case strings.EqualFold(name, "Connection"):
			f.keepAlive = f.keepAlive && !hasItem(value, "close")
		}
	}
	if encoded && f.length >= 0 {
		return faultf("the reply has both Content-Length and Transfer-Encoding")
	}
	f.chunked = encoded
	f.bodyless = f.status < 200 || f.status == 204 || f.status == 304
	return nil
}

// parseLength reads a Content-Length: digits only, at most 18 of them.
func parseLength(s string) (int64, bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	n := int64(0)
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}

// hasItem says whether a comma-separated list has an item, ignoring case.
func hasItem(list, item string) bool {
	if len(list) == len(item) {
		return strings.EqualFold(list, item)
	}
	for part := range strings.SplitSeq(list, ",") {
		if strings.EqualFold(strings.Trim(part, " \t"), item) {
			return true
		}
	}
	return false
}

// isToken says whether s is a token (RFC 9110, 5.6.2); an empty one is not.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; c >= 0x80 || !tokenBytes[c] {
			return false
		}
	}
	return s != ""
}

var tokenBytes = func() (t [128]bool) {
	for c := range t {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		t[c] = letter || strings.IndexByte("!#$%&'*+-.^_`|~", byte(c)) >= 0
	}
	return t
}()

// isFieldText says whether s may be a header's value: without control characters except
// tab.
func isFieldText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// clip shortens an upstream's text for a message.
func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "..."
	}
	return s
}
