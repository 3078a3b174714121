package http1

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"time"
)

// Field is one header.
type Field struct{ Name, Value string }

// Request is one request. Do itself sends Host, User-Agent, Accept-Encoding (identity:
// answers must not be encoded), Content-Length and the credential's header; they must
// not be among the headers here.
type Request struct {
	Method string      // "": POST
	Path   string      // appended to the path of the base URL, escaped: "/chat/completions"
	Query  string      // without the question mark; "": none
	Body   net.Buffers // written in order, never modified

	Own    [5]Field // headers of the calling package; one without a name is not sent
	Header []Field  // further ones
}

func (q *Request) method() string {
	if q.Method == "" {
		return "POST"
	}
	return q.Method
}

// appendTarget appends path and query to the path of a base URL.
func (q *Request) appendTarget(dst []byte, prefix string) []byte {
	dst = append(append(dst, prefix...), q.Path...)
	if q.Query != "" {
		dst = append(append(dst, '?'), q.Query...)
	}
	return dst
}

// fields calls f for every header that is specific to this request.
func (q *Request) fields(key Field, f func(name, value string)) {
	for _, h := range q.Own {
		if h.Name != "" {
			f(h.Name, h.Value)
		}
	}
	if key.Name != "" {
		f(key.Name, key.Value)
	}
	for _, h := range q.Header {
		f(h.Name, h.Value)
	}
}

// check refuses headers that could be read as more than one.
func (q *Request) check(key Field) error {
	for _, s := range [...]string{q.Method, q.Path, q.Query} {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return faultf("what is asked for below the operation holds a space or a character beyond ASCII")
		}
	}
	for _, h := range q.Own {
		if !isFieldText(h.Value) || h.Name != "" && !isToken(h.Name) {
			return faultf("a header of the request holds a control character")
		}
	}
	if !isFieldText(key.Value) {
		return faultf("a header of the request holds a control character")
	}
	if key.Name != "" && !isToken(key.Name) {
		return faultf("the credential's header %q is not a header name", clip(key.Name))
	}
	for _, h := range q.Header {
		if !isToken(h.Name) || !isFieldText(h.Value) {
			return faultf("request header %q holds a control character, or is not a header name", clip(h.Name))
		}
	}
	return nil
}

func (q *Request) size() int64 {
	n := int64(0)
	for _, s := range q.Body {
		n += int64(len(s))
	}
	return n
}

// patience is how long the writing of a large body may make no progress before checking
// for an early answer.
const (
	largeBody = 64 << 10
	patience  = 250 * time.Millisecond
)

// send writes a request: in one system call if it is small or the connection is plain.
// sent is true as soon as a byte may have been sent.
func (c *conn) send(h *host, q *Request, key Field, by, limit time.Time) (sent bool, err error) {
	size := q.size()
	pooled := getBuffer()
	defer putBuffer(pooled)
	out := append(append(pooled[:0], q.method()...), ' ')
	out = q.appendTarget(out, h.prefix)
	out = append(append(append(out, " HTTP/1.1\r\nHost: "...), h.base.host...), "\r\nUser-Agent: weir\r\nAccept-Encoding: identity\r\nContent-Length: "...)
	out = strconv.AppendInt(out, size, 10)
	out = append(out, "\r\n"...)
	q.fields(key, func(name, value string) {
		out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
	})
	out = append(out, "\r\n"...)

	rest := q.Body
	for len(rest) > 0 && len(out)+len(rest[0]) <= bufSize {
		out = append(out, rest[0]...)
		rest = rest[1:]
	}
	c.writeBefore(time.Until(by), limit)
	if len(rest) == 0 {
		n, err := c.nc.Write(out)
		return n > 0, err
	}
	c.vec = append(append(c.room[:0], out), rest...)
	defer func() { c.vec = nil; clear(c.room[:]) }()
	if c.nc != c.tcp {
		return c.writeAll()
	}
	return c.writeVec(size, by)
}

// writeAll writes one segment after the other.
func (c *conn) writeAll() (sent bool, err error) {
	for _, s := range c.vec {
		n, err := c.nc.Write(s)
		if sent = sent || n > 0; err != nil {
			return sent, err
		}
	}
	return true, nil
}

// errAnswered: the upstream answered while the request was being written.
var errAnswered = errors.New("the upstream answered before it had read the request")

// writeVec writes all segments with writev. An upstream that answers and stops reading
// would block it: a large body is written in steps, with a check for the answer between
// them. (Over TLS a write that timed out cannot be continued; only the header's timeout
// bounds it.)
func (c *conn) writeVec(size int64, by time.Time) (sent bool, err error) {
	if size <= largeBody {
		n, err := c.vec.WriteTo(c.nc)
		return n > 0, err
	}
	defer func() { c.writeBy = time.Time{} }()
	for {
		c.tcp.SetWriteDeadline(earlier(by, time.Now().Add(patience)))
		n, err := c.vec.WriteTo(c.nc)
		sent = sent || n > 0
		if err == nil || !isTimeout(err) || !time.Now().Before(by) {
			return sent, err
		}
		if n == 0 && c.answered() {
			return sent, errAnswered
		}
	}
}

// answered says whether bytes of a reply have arrived.
func (c *conn) answered() bool {
	c.readBy = time.Now().Add(time.Millisecond)
	c.tcp.SetReadDeadline(c.readBy)
	return c.fill() == nil
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
