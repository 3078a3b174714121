package upstream

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"weir"
)

// requestStart is what every HTTP/1.1 request of an operation to an address
// starts with. Answers are wanted as they are: usage is read from them.
func (o *Options) requestStart(b base, op weir.Op) string {
	return startOf("POST", o.target(b.prefix, op), b)
}

func startOf(method, target string, b base) string {
	return method + " " + target + " HTTP/1.1\r\nHost: " + b.host + "\r\nUser-Agent: weir\r\nAccept-Encoding: identity\r\n"
}

// startBelow is requestStart for what hangs below an operation.
func (o *Options) startBelow(b base, call *Call) string {
	return startOf(call.method(), o.targetBelow(b.prefix, call), b)
}

// anthropicVersion is sent when the caller named none; the only one there is
// (docs.anthropic.com, "Versions").
const anthropicVersion = "2023-06-01"

// fields calls f for every header that is not the same for all calls.
func (c *Call) fields(p Protocol, key Field, f func(name, value string)) {
	contentType, accept := c.ContentType, "application/json"
	if contentType == "" {
		contentType = "application/json"
	}
	if c.Stream {
		accept = "text/event-stream"
	}
	f("Content-Type", contentType)
	f("Accept", accept)
	if c.RequestID != "" {
		f("X-Request-Id", c.RequestID)
	}
	if key.Name != "" {
		f(key.Name, key.Value)
	}
	versioned := p != Anthropic
	for _, h := range c.Header {
		versioned = versioned || strings.EqualFold(h.Name, "anthropic-version")
		f(h.Name, h.Value)
	}
	if !versioned {
		f("anthropic-version", anthropicVersion)
	}
}

// check refuses headers that would be read as more than they are.
func (c *Call) check(key Field) error {
	for _, s := range [...]string{c.Method, c.Below, c.Query} {
		if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return faultf("what is asked for below the operation holds a space or a character beyond ASCII")
		}
	}
	for _, s := range [...]string{c.ContentType, c.RequestID, key.Value} {
		if !isFieldText(s) {
			return faultf("a header of the request holds a control character")
		}
	}
	if key.Name != "" && !isToken(key.Name) {
		return faultf("the credential's header %q is not a header name", clip(key.Name))
	}
	for _, h := range c.Header {
		if !isToken(h.Name) || !isFieldText(h.Value) {
			return faultf("request header %q holds a control character, or is not a header name", clip(h.Name))
		}
	}
	return nil
}

func (c *Call) size() int64 {
	n := int64(0)
	for _, s := range c.Body {
		n += int64(len(s))
	}
	return n
}

// patience is how long the writing of a large body may make no progress before
// it is asked whether the upstream has answered already.
const (
	largeBody = 64 << 10
	patience  = 250 * time.Millisecond
)

// send writes a request: in one system call where it is small or the
// connection is plain. sent is true as soon as a byte may be on its way.
func (c *conn) send(h *host, call *Call, key Field, by, limit time.Time) (sent bool, err error) {
	size := call.size()
	pooled := getBuffer()
	defer putBuffer(pooled)
	start := h.heads[call.Op]
	if !call.isPlain() {
		start = h.client.o.startBelow(h.base, call)
	}
	out := append(pooled[:0], start...)
	out = append(out, "Content-Length: "...)
	out = strconv.AppendInt(out, size, 10)
	out = append(out, "\r\n"...)
	call.fields(h.client.o.Protocol, key, func(name, value string) {
		out = append(append(append(append(out, name...), ": "...), value...), "\r\n"...)
	})
	out = append(out, "\r\n"...)

	rest := call.Body
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

// writeVec writes all segments with writev. An upstream that answers and no
// longer reads would block it: a large body is written in steps, and between
// them the answer is looked for. (Over TLS a write that timed out cannot be
// continued; there the header's timeout alone bounds it.)
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

// answered says whether something of a reply is there.
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
