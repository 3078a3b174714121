package gateway

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// exchange is all the handlers see of HTTP: the bytes of a request and a way to
// ask for its headers, a writer for the answer, and a context that ends when
// the caller has gone. This file and run.go alone know net/http; another
// HTTP/1.1 server takes its place by filling the same methods.
//
// It belongs to the goroutine that serves the request.
type exchange struct {
	r     *http.Request
	w     http.ResponseWriter
	conn  *callerConn
	write time.Duration // bound for the caller to take what was written

	writeBy time.Time // where there is no conn: HTTP/2, where each stream has its own
	values  []string  // room for header values, so that each does not get a slice of its own
	clock   time.Time // when something was last about to be written
	started bool      // the answer was begun: its status line was handed over
	pulse   *pulse    // signs of life for who waits; nil: there are none
	status  int       // that it said
}

// writeBuffer is how much net/http takes before it writes to the connection.
const writeBuffer = 2 << 10

// connKey is where the connection stands in a request's context.
type connKey struct{}

// callerConn is what is remembered of a caller's HTTP/1 connection, which
// serves one request at a time.
type callerConn struct {
	net.Conn
	writeBy time.Time // the write deadline that is set
}

// ServeHTTP serves every path of the gateway.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := g.calls.Get().(*call)
	st := g.present()
	c.g, c.st = g, st
	defer c.recycle() // also after the panic of an answer that is cut short
	c.x.begin(w, r, &st.bounds)
	c.s = locate(c.x.path())
	if st.cors != nil {
		st.cors.sayOn(&c.x)
	}
	switch {
	case c.x.method() == "OPTIONS":
		c.options()
	case c.s.service == callModel:
		c.serve()
	default:
		c.other()
	}
	c.over = true
}

func (x *exchange) begin(w http.ResponseWriter, r *http.Request, b *Bounds) {
	x.r, x.w, x.write = r, w, b.WriteTimeout
	x.values = make([]string, 0, 16)
	if r.ProtoMajor == 1 {
		x.conn, _ = r.Context().Value(connKey{}).(*callerConn)
	}
	x.extend()
}

// ctx ends when the caller has gone or, with errStopping as its cause, when the
// gateway cuts what is still open.
func (x *exchange) ctx() context.Context { return x.r.Context() }

func (x *exchange) method() string { return x.r.Method }
func (x *exchange) path() string   { return x.r.URL.Path }
func (x *exchange) query() string  { return x.r.URL.RawQuery }

// get returns the first value of a header; name is in canonical form.
func (x *exchange) get(name string) string {
	if v := x.r.Header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// all returns every value of a header; name is in canonical form.
func (x *exchange) all(name string) []string { return x.r.Header[name] }

// peer is the address at the other end of the connection, without its port.
func (x *exchange) peer() string {
	addr := x.r.RemoteAddr
	if i := strings.LastIndexByte(addr, ':'); i > 0 {
		addr = addr[:i]
	}
	return strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
}

// announced is how long the body is said to be; -1 where it is not said.
func (x *exchange) announced() int64 { return x.r.ContentLength }

// readBody reads the body to its end, within limit bytes and within the time. Its
// room is counted in m.
func (x *exchange) readBody(limit int64, within time.Duration, m *bodyMemory) (*buffer, error) {
	if x.r.ContentLength > limit {
		return nil, errOverLimit
	}
	if x.r.ContentLength == 0 {
		return newBuffer(0), nil
	}
	x.readDeadline(time.Now().Add(within))
	defer x.readDeadline(time.Time{})
	b, err := readCounted(x.r.Body, x.r.ContentLength, limit, m)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = errSlowBody
	}
	return b, err
}

func (x *exchange) readDeadline(t time.Time) {
	if x.conn != nil {
		x.conn.SetReadDeadline(t)
		return
	}
	http.NewResponseController(x.w).SetReadDeadline(t)
}

// extend gives the caller at least its full time to take what is written next.
// The deadline is set a little farther ahead and moved only when that is gone:
// moving it costs more than an event of a stream.
func (x *exchange) extend() {
	by := &x.writeBy
	if x.conn != nil {
		by = &x.conn.writeBy
	}
	x.clock = time.Now()
	if by.Sub(x.clock) >= x.write {
		return
	}
	*by = x.clock.Add(x.write + x.write/moveEvery)
	if x.conn != nil {
		x.conn.SetWriteDeadline(*by)
		return
	}
	http.NewResponseController(x.w).SetWriteDeadline(*by)
}

// moveEvery is the part of its time by which a caller is cut off late at most.
const moveEvery = 16

// set sets a header of the answer; name is in canonical form. Before start only.
func (x *exchange) set(name, value string) {
	x.values = append(x.values, value)
	n := len(x.values)
	x.w.Header()[name] = x.values[n-1 : n : n]
}

// add is set for a header that may come several times.
func (x *exchange) add(name, value string) {
	h := x.w.Header()
	if v, ok := h[name]; ok {
		h[name] = append(v, value)
		return
	}
	x.set(name, value)
}

// start hands over status and headers. size is the length of the body, -1 when
// it is not known.
func (x *exchange) start(status int, size int64) {
	if size >= 0 {
		x.set("Content-Length", strconv.FormatInt(size, 10))
	}
	if p := x.pulse; p != nil {
		p.lock()
		defer p.unlock()
		p.claimed = false
		if p.opened {
			x.started, x.status = true, http.StatusOK
			return
		}
	}
	x.started, x.status = true, status
	x.extend()
	x.w.WriteHeader(status)
}

// send writes a part of the body; flush pushes what was sent to the caller. An
// error means that the caller takes no more.
func (x *exchange) send(p []byte) error {
	if x.pulse != nil {
		x.pulse.lock()
		defer x.pulse.unlock()
	}
	if len(p) > writeBuffer {
		x.extend()
	}
	_, err := x.w.Write(p)
	return err
}

func (x *exchange) flush() error {
	if x.pulse != nil {
		x.pulse.lock()
		defer x.pulse.unlock()
	}
	x.extend()
	return http.NewResponseController(x.w).Flush()
}

// beat sends a sign of life, for the pulse, which holds its lock. It says whether
// the status went out with it. That it cannot be written the handler sees by its
// context.
func (x *exchange) beat(b []byte) (opened bool) {
	if !x.started && !x.pulse.opened {
		opened = true
		x.set("Content-Type", "text/event-stream")
		x.set("Cache-Control", "no-cache")
		x.extend()
		x.w.WriteHeader(http.StatusOK)
	}
	x.extend()
	_, _ = x.w.Write(b)
	_ = http.NewResponseController(x.w).Flush()
	return opened
}

// abort ends the connection (HTTP/2: the stream) so that the caller sees that
// its answer is not whole. It does not return.
func (x *exchange) abort() { panic(http.ErrAbortHandler) }

// misframed says what is wrong with how the body came, "" where that is not known.
func (x *exchange) misframed() string {
	if x.conn != nil {
		if c, ok := x.conn.Conn.(*frontConn); ok && c.fault != nil {
			return c.fault.Error()
		}
	}
	return ""
}

// drain has a caller that was refused send its body to the end, so that it reads
// the answer it has been sent: at most limit bytes, and for drainWithin. HTTP/2
// needs none of it, nor does a caller that waits to be told to send.
func (x *exchange) drain(limit int64) {
	if x.r.ProtoMajor != 1 || x.r.ContentLength == 0 || x.get("Expect") != "" || x.flush() != nil {
		return
	}
	x.readDeadline(time.Now().Add(drainWithin))
	io.Copy(io.Discard, io.LimitReader(x.r.Body, limit))
}

// closeAfter has the connection closed after the answer: the rest of the
// request is not wanted.
func (x *exchange) closeAfter() { x.set("Connection", "close") }
