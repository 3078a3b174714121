package front

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// answer writes the answer to a request.
type answer struct {
	headers []pair
	out     []byte // gathered, not written yet; nil while empty
	vec     [4][]byte
	bufs    net.Buffers // of vec: kept here to save an allocation for each write
	left    int64       // of a body of stated length; negative without one: chunks, or to the end of an HTTP/1.0 connection
	started bool
	chunked bool
	silent  bool // without a body: to HEAD, or by its status
	cut     bool
	whole   bool  // it was written to its end
	err     error // of writing: nothing more is written

	drain    int64
	drainFor time.Duration
}

type pair struct{ name, value string }

func (a *answer) begin() {
	clear(a.headers)
	*a = answer{headers: a.headers[:0]}
}

// Set sets a header of the answer; name is in canonical form. Before Start only.
func (c *Conn) Set(name, value string) {
	for i := range c.answer.headers {
		if c.answer.headers[i].name == name {
			c.answer.headers[i].value = value
			return
		}
	}
	c.Add(name, value)
}

// Add is like Set for a header that may appear several times.
func (c *Conn) Add(name, value string) {
	c.answer.headers = append(c.answer.headers, pair{name, value})
}

// Start begins the answer. size is the length of its body, -1 if unknown.
func (c *Conn) Start(status int, size int64) {
	a := &c.answer
	a.started = true
	a.silent = c.Method == "HEAD" || status == 204 || status == 304
	a.left = size
	c.Close = c.Close || c.server.stopped.Load() || c.tooMuchLeft()
	if a.out == nil {
		a.out = getBuffer()[:0]
	}
	b := strconv.AppendInt(append(a.out, "HTTP/1.1 "...), int64(status), 10)
	b = append(append(append(b, ' '), reason(status)...), "\r\n"...)
	for _, h := range a.headers {
		b = append(append(b, h.name...), ": "...)
		b = append(append(b, oneLine(h.value)...), "\r\n"...)
	}
	b = append(append(append(b, "Date: "...), date(time.Now())...), "\r\n"...)
	switch {
	case status == 204 || status == 304:
	case size >= 0:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), size, 10), "\r\n"...)
	case c.head.old || a.silent:
	default:
		a.chunked = true
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	}
	if c.Close {
		b = append(b, "Connection: close\r\n"...)
	}
	a.out = append(b, "\r\n"...)
}

// tooMuchLeft says whether the connection must close because the rest of the request's
// body will not be read.
func (c *Conn) tooMuchLeft() bool {
	b := &c.body
	return !b.over && (b.expected || b.fault != nil || !b.chunked && b.left > max(c.answer.drain, maxLinger))
}

func reason(status int) string {
	if text := http.StatusText(status); text != "" {
		return text
	}
	return "Status"
}

// oneLine is a header's value that cannot be read as two.
func oneLine(s string) string {
	if strings.IndexByte(s, '\n') < 0 && strings.IndexByte(s, '\r') < 0 {
		return s
	}
	return strings.NewReplacer("\n", " ", "\r", " ").Replace(s)
}

var errTooLong = errors.New("the answer is longer than its stated length")

// Send writes a part of the body; it may stay in memory until Flush or the end. It does
// not keep p. An error means that the caller takes no more.
func (c *Conn) Send(p []byte) error {
	a := &c.answer
	switch {
	case a.err != nil:
		return a.err
	case a.silent || len(p) == 0:
		return nil
	case a.left >= 0:
		if a.left -= int64(len(p)); a.left < 0 {
			return c.lost(errTooLong)
		}
	}
	if a.out == nil {
		a.out = getBuffer()[:0]
	}
	const frame = 20 // of a chunk
	if len(a.out)+len(p)+frame > bufSize {
		return c.sendLarge(p)
	}
	if !a.chunked {
		a.out = append(a.out, p...)
		return nil
	}
	a.out = append(strconv.AppendInt(a.out, int64(len(p)), 16), "\r\n"...)
	a.out = append(append(a.out, p...), "\r\n"...)
	return nil
}

var lineEnd = []byte("\r\n")

// sendLarge writes what was gathered and p with one call.
func (c *Conn) sendLarge(p []byte) error {
	a := &c.answer
	if a.chunked {
		if len(a.out)+20 > bufSize {
			if err := c.Flush(); err != nil {
				return err
			}
			a.out = getBuffer()[:0]
		}
		a.out = append(strconv.AppendInt(a.out, int64(len(p)), 16), lineEnd...)
	}
	a.bufs = append(a.vec[:0], a.out, p)
	if a.chunked {
		a.bufs = append(a.bufs, lineEnd)
	}
	_, err := a.bufs.WriteTo(c.nc)
	clear(a.vec[:])
	a.bufs = nil
	c.dropOut()
	if err != nil {
		return c.lost(err)
	}
	return nil
}

// Flush writes what was gathered.
func (c *Conn) Flush() error {
	a := &c.answer
	if a.err != nil || len(a.out) == 0 {
		return a.err
	}
	_, err := c.nc.Write(a.out)
	c.dropOut()
	if err != nil {
		return c.lost(err)
	}
	return nil
}

func (c *Conn) dropOut() {
	putBuffer(c.answer.out)
	c.answer.out = nil
}

// lost keeps the error of an answer that cannot be written on: its caller has left, or
// reads nothing.
func (c *Conn) lost(err error) error {
	c.answer.err = err
	c.cancel(ErrGone)
	return err
}

// Cut breaks the answer off when the handler returns, so that the caller sees that it is
// not whole.
func (c *Conn) Cut() { c.answer.cut = true }

// WriteWithin gives the caller at least the given time to read the next write, and at
// most a sixteenth more: moving the deadline costs more than an event of a stream.
func (c *Conn) WriteWithin(now time.Time, within time.Duration) {
	if c.writeBy.Sub(now) < within {
		c.writeBy = now.Add(within + within/16)
		c.tcp.SetWriteDeadline(c.writeBy)
	}
}

// finish ends the answer, and says whether the connection serves another request.
func (c *Conn) finish() bool {
	a := &c.answer
	defer c.dropOut()
	if a.err != nil || a.cut || !a.started || !a.silent && !a.chunked && a.left > 0 {
		return false
	}
	if a.chunked {
		a.out = append(a.gathered(), "0\r\n\r\n"...)
	}
	if c.Flush() != nil {
		return false
	}
	a.whole = true
	read := c.drained()
	if !read {
		c.linger()
	}
	return read && !c.Close
}

// gathered is out, which has room for the end of a chunked body.
func (a *answer) gathered() []byte {
	if a.out == nil {
		return getBuffer()[:0]
	}
	return a.out
}

var _ io.Reader = (*Conn)(nil)

// stamp is a date as HTTP writes it, and the second that it is of.
type stamp struct {
	second int64
	text   string
}

var lastStamp atomic.Pointer[stamp]

// date is made once a second.
func date(now time.Time) string {
	if s := lastStamp.Load(); s != nil && s.second == now.Unix() {
		return s.text
	}
	s := &stamp{now.Unix(), now.UTC().Format(http.TimeFormat)}
	lastStamp.Store(s)
	return s.text
}
