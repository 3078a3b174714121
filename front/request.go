package front

import (
	"bytes"
	"net/url"
	"strings"
	"time"
)

// Request is the head of a request.
type Request struct {
	Method string
	Path   string // decoded
	Query  string // without the question mark
	Size   int64  // of the body; -1 if not stated
	Close  bool   // the caller, or the handler, wants no further request on the connection
}

// head reads heads. Callers send nearly the same head again and again over one
// connection: a line that equals the one at its place in the head before is not read
// again, and its strings are used again.
type head struct {
	line    string  // the request line
	fields  []field // those of this request are fields[:n]; further ones are of earlier requests
	n       int
	values  []string // what Header has returned for this request
	size    int      // bytes so far
	scanned int      // of the buffer, without an end of line
	old     bool     // HTTP/1.0

	sized, chunked bool
	hosts          int
	expects        bool
}

// maxFields bounds the lines of one head, and keptFields and keptHead what a connection
// keeps of it for the next.
const (
	maxFields  = 1000
	keptFields = 64
	keptHead   = 8 << 10
)

// next reads the head of the next request. Its error is a *Fault for one that is to be
// answered.
func (c *Conn) next() error {
	h := &c.head
	if len(h.fields) > keptFields || h.size > keptHead {
		h.fields, h.line = nil, ""
	}
	clear(h.values)
	*h = head{line: h.line, fields: h.fields, values: h.values[:0]}
	c.Close = false
	if c.r == c.w {
		if err := c.rest(); err != nil {
			return errEnd
		}
	}
	if !c.phase.CompareAndSwap(idle, busy) {
		return errEnd
	}
	timed := false
	for first := true; ; first = false {
		line, err := c.nextLine(&timed)
		if err != nil {
			return err
		}
		switch {
		case first:
			err = c.requestLine(line)
		case len(line) == 0:
			return c.headEnd()
		default:
			err = c.field(line)
		}
		if err != nil {
			return err
		}
	}
}

// rest waits for the first byte of a request.
func (c *Conn) rest() error {
	now, within := time.Now(), c.server.o.IdleTimeout
	if !c.begun {
		within = c.server.o.HeaderTimeout
	}
	if left := c.readBy.Sub(now); left < within || left > within+within/8 {
		c.readBefore(now.Add(within + within/8))
	}
	return c.fill()
}

// nextLine returns the next line of a head, without its end. It is valid until the
// connection is read again.
func (c *Conn) nextLine(timed *bool) ([]byte, error) {
	h := &c.head
	for {
		in := c.buf[c.r:c.w]
		if n := bytes.IndexByte(in[h.scanned:], '\n'); n >= 0 {
			n += h.scanned
			h.scanned = 0
			if h.size += n + 1; h.size > c.server.o.MaxHeaderBytes {
				return nil, &Fault{Kind: TooLarge}
			}
			if n == 0 || in[n-1] != '\r' {
				return nil, misframed("a line does not end with CR LF")
			}
			c.r += n + 1
			return in[:n-1], nil
		}
		if h.size+len(in) > c.server.o.MaxHeaderBytes {
			return nil, &Fault{Kind: TooLarge}
		}
		h.scanned = len(in)
		if !*timed {
			*timed = true
			c.readBefore(time.Now().Add(c.server.o.HeaderTimeout))
		}
		if err := c.fill(); err != nil {
			return nil, errEnd
		}
	}
}

func (c *Conn) requestLine(line []byte) error {
	h := &c.head
	first := !c.begun
	c.begun = true
	if h.line != "" && string(line) == h.line {
		h.old = strings.HasSuffix(h.line, "0")
		return nil
	}
	h.line, c.Method, c.Path, c.Query = "", "", "", ""
	if first && string(line) == "PRI * HTTP/2.0" {
		return errHTTP2
	}
	text := string(line)
	method, rest, _ := strings.Cut(text, " ")
	target, version, _ := strings.Cut(rest, " ")
	c.Path, _, _ = strings.Cut(target, "?") // where the refusal's form is found
	h.old = strings.HasSuffix(text, " HTTP/1.0")
	switch {
	case strings.IndexByte(text, '\r') >= 0:
		return misframed("a line does not end with CR LF")
	case !h.old && !strings.HasSuffix(text, " HTTP/1.1"):
		return misframed("it does not start with a request line that ends with HTTP/1.1")
	case version != "HTTP/1.1" && version != "HTTP/1.0":
		return malformed("malformed request line")
	case !isToken(method):
		return malformed("invalid method")
	case method == "CONNECT": // its targets have a form of their own
		return malformed("CONNECT is not served")
	}
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return malformed("invalid URL")
	}
	h.line, c.Method, c.Path, c.Query = text, method, u.Path, u.RawQuery
	return nil
}

// headEnd judges a whole head and begins its body.
func (c *Conn) headEnd() error {
	h := &c.head
	switch {
	case h.sized && h.chunked:
		return misframed("it has both Content-Length and Transfer-Encoding")
	case h.hosts > 1:
		return malformed("too many Host headers")
	case h.hosts == 0 && !h.old:
		return malformed("missing required Host header")
	case h.chunked:
		c.Size = -1
	case !h.sized:
		c.Size = 0
	}
	c.Close = c.Close || h.old
	c.body = body{left: max(c.Size, 0), chunked: h.chunked, over: c.Size == 0, expected: h.expects && !h.old && c.Size != 0}
	c.answer.begin()
	return nil
}

// Header returns every value of a header; name is in canonical form. The slice is valid
// during the request.
func (c *Conn) Header(name string) []string {
	h := &c.head
	from := len(h.values)
	for i := range h.fields[:h.n] {
		if f := &h.fields[i]; f.name == name {
			h.values = append(h.values, f.value)
		}
	}
	n := len(h.values)
	return h.values[from:n:n]
}
