package front

import (
	"bytes"
	"net/textproto"
	"strconv"
	"strings"
)

// field is a line of a head.
type field struct {
	raw         string
	name, value string // name is in canonical form
	kind        fieldKind
	length      int64
}

type fieldKind uint8

const (
	anyField fieldKind = iota
	contentLength
	transferEncoding
	hostField
	connectionClose
	expectContinue
	expectOther
)

// field takes one line of a head, whose effect on the request it notes.
func (c *Conn) field(line []byte) error {
	h := &c.head
	if h.n == len(h.fields) {
		if h.n == maxFields {
			return &Fault{Kind: TooLarge}
		}
		h.fields = append(h.fields, field{})
	}
	f := &h.fields[h.n]
	if f.raw == "" || string(line) != f.raw {
		parsed, err := parseField(line)
		if err != nil {
			return err
		}
		*f = parsed
	}
	h.n++
	switch f.kind {
	case contentLength:
		if h.sized {
			return misframed("Content-Length must appear once and be a number")
		}
		h.sized, c.Size = true, f.length
	case transferEncoding:
		if h.chunked || h.old {
			return misframed(notChunked)
		}
		h.chunked = true
	case hostField:
		h.hosts++
	case connectionClose:
		c.Close = true
	case expectContinue:
		h.expects = true
	case expectOther:
		return malformed("Expect may only be 100-continue")
	}
	return nil
}

const notChunked = "Transfer-Encoding must appear once, be chunked, and needs HTTP/1.1"

// parseField reads a line "name: value".
func parseField(line []byte) (f field, err error) {
	colon := bytes.IndexByte(line, ':')
	switch {
	case bytes.IndexByte(line, '\r') >= 0:
		return f, misframed("a line does not end with CR LF")
	case line[0] == ' ' || line[0] == '\t':
		return f, misframed("a header line is continued on the next")
	case colon <= 0 || bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0:
		return f, misframed("a header line does not start with a name and a colon")
	}
	f.raw = string(line)
	name := f.raw[:colon]
	f.value = strings.Trim(f.raw[colon+1:], " \t")
	switch {
	case !isToken(name):
		return f, malformed("invalid header name")
	case !isFieldText(f.value):
		return f, malformed("invalid header value")
	}
	f.name = textproto.CanonicalMIMEHeaderKey(name)
	return f, f.understand()
}

// understand finds what a line means for the connection.
func (f *field) understand() error {
	switch f.name {
	case "Content-Length":
		n, err := strconv.ParseUint(f.value, 10, 62)
		if err != nil {
			return misframed("Content-Length must appear once and be a number")
		}
		f.kind, f.length = contentLength, int64(n)
	case "Transfer-Encoding":
		// EqualFold alone takes the sign for Kelvin, of three bytes, for a k.
		if len(f.value) != len("chunked") || !strings.EqualFold(f.value, "chunked") {
			return misframed(notChunked)
		}
		f.kind = transferEncoding
	case "Host":
		if !isHost(f.value) {
			return malformed("malformed Host header")
		}
		f.kind = hostField
	case "Connection":
		for item := range strings.SplitSeq(f.value, ",") {
			if strings.EqualFold(strings.TrimSpace(item), "close") {
				f.kind = connectionClose
			}
		}
	case "Expect":
		f.kind = expectOther
		if strings.EqualFold(f.value, "100-continue") {
			f.kind = expectContinue
		}
	}
	return nil
}

// isToken says whether s is a token of HTTP: a method, a header's name.
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// isFieldText says whether s has no control character but tabs.
func isFieldText(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// isHost says whether s has only what hosts and ports are written with; it may be empty.
func isHost(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && strings.IndexByte("!$%&()*+,-.:;=[]'_~", c) < 0 {
			return false
		}
	}
	return true
}
