package gateway

import (
	"bytes"
	"strconv"
)

// frame follows where the messages of a caller's HTTP/1 connection begin and end. It
// faults everything that two readers could frame differently (RFC 9112, 11.2): a length
// with chunks, two lengths, chunks in HTTP/1.0, continued lines, and lines that do not
// end with CRLF. net/http accepts some of these. Package http1 refuses the same from
// upstreams.
//
// It looks only at the lines of heads, chunks and trailers, never into bodies. Its zero
// value is ready for the first request.
type frame struct {
	state   frameState
	begun   bool   // a request has begun, so this is HTTP/1
	part    []byte // of the current line, from earlier reads
	left    int64  // bytes left of the body or chunk
	length  int64
	sized   bool // it has a Content-Length
	chunked bool
	old     bool // HTTP/1.0
	target  [64]byte
	named   int // bytes of target
}

type frameState uint8

const (
	atRequest frameState = iota
	atField
	inBody
	atChunk
	inChunk
	afterChunk
	atTrailer
	unframed // HTTP/2
)

// frameError describes a fault in the framing of a request.
type frameError struct{ why string }

func (e *frameError) Error() string { return "the request violates HTTP/1.1 framing: " + e.why }

// see follows p and returns how much of it is valid: all, or the part before the faulty
// line.
func (f *frame) see(p []byte) (int, error) {
	at := 0
	for at < len(p) {
		switch f.state {
		case unframed:
			return len(p), nil
		case inBody, inChunk:
			n := min(f.left, int64(len(p)-at))
			f.left -= n
			at += int(n)
			switch {
			case f.left > 0:
			case f.state == inChunk:
				f.state = afterChunk
			default:
				f.state = atRequest
			}
		default:
			end := bytes.IndexByte(p[at:], '\n')
			if end < 0 {
				f.part = append(f.part, p[at:]...)
				return len(p), nil
			}
			line := p[at : at+end+1]
			if len(f.part) > 0 {
				f.part = append(f.part, line...)
				line = f.part
			}
			if err := f.line(line); err != nil {
				return at, err
			}
			f.part = f.part[:0]
			at += end + 1
		}
	}
	return at, nil
}

func misframed(why string) error { return &frameError{why} }

// line takes one line with its line ending.
func (f *frame) line(line []byte) error {
	if n := len(line); n < 2 || bytes.IndexByte(line, '\r') != n-2 {
		return misframed("a line does not end with CR LF")
	}
	line = line[:len(line)-2]
	switch f.state {
	case atRequest:
		return f.request(line)
	case atField:
		if len(line) == 0 {
			return f.headEnd()
		}
		return f.field(line)
	case atTrailer:
		if len(line) == 0 {
			f.state = atRequest
			return nil
		}
		return fieldShape(line)
	case atChunk:
		return f.chunk(line)
	case afterChunk:
		if len(line) > 0 {
			return misframed("a chunk is longer than its stated size")
		}
		f.state = atChunk
	}
	return nil
}

func (f *frame) request(line []byte) error {
	if string(line) == "PRI * HTTP/2.0" && !f.begun {
		f.state = unframed
		return nil
	}
	*f = frame{state: atField, begun: true, part: f.part}
	if _, after, ok := bytes.Cut(line, []byte{' '}); ok {
		target, _, _ := bytes.Cut(after, []byte{' '})
		f.named = copy(f.target[:], target)
	}
	f.old = bytes.HasSuffix(line, []byte(" HTTP/1.0"))
	if !f.old && !bytes.HasSuffix(line, []byte(" HTTP/1.1")) {
		return misframed("it does not start with a request line that ends with HTTP/1.1")
	}
	return nil
}

// fieldShape faults a field line that continues the one before it, or whose name is not
// followed directly by a colon.
func fieldShape(line []byte) error {
	switch colon := bytes.IndexByte(line, ':'); {
	case line[0] == ' ' || line[0] == '\t':
		return misframed("a header line is continued on the next")
	case colon <= 0 || bytes.IndexByte(line[:colon], ' ') >= 0 || bytes.IndexByte(line[:colon], '\t') >= 0:
		return misframed("a header line does not start with a name and a colon")
	}
	return nil
}

func (f *frame) field(line []byte) error {
	if err := fieldShape(line); err != nil {
		return err
	}
	name, value, _ := bytes.Cut(line, []byte{':'})
	switch {
	case len(name) == len("content-length") && bytes.EqualFold(name, []byte("content-length")):
		n, err := strconv.ParseUint(string(bytes.Trim(value, " \t")), 10, 62)
		if err != nil || f.sized {
			return misframed("Content-Length must appear once and be a number")
		}
		f.sized, f.length = true, int64(n)
	case len(name) == len("transfer-encoding") && bytes.EqualFold(name, []byte("transfer-encoding")):
		value = bytes.Trim(value, " \t")
		// EqualFold alone takes the sign for Kelvin, of three bytes, for a k.
		if f.chunked || f.old || len(value) != len("chunked") || !bytes.EqualFold(value, []byte("chunked")) {
			return misframed("Transfer-Encoding must appear once, be chunked, and needs HTTP/1.1")
		}
		f.chunked = true
	}
	return nil
}

func (f *frame) headEnd() error {
	switch {
	case f.sized && f.chunked:
		return misframed("it has both Content-Length and Transfer-Encoding")
	case f.chunked:
		f.state = atChunk
	case f.length > 0:
		f.state, f.left = inBody, f.length
	default:
		f.state = atRequest
	}
	return nil
}

// chunk takes the line before a chunk: its size and its extensions, which are ignored.
func (f *frame) chunk(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte{';'})
	n, err := strconv.ParseUint(string(size), 16, 62)
	if err != nil {
		return misframed("the size of a chunk is not a number")
	}
	f.state, f.left = inChunk, int64(n)
	if n == 0 {
		f.state = atTrailer
	}
	return nil
}
