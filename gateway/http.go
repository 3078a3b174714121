package gateway

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Only this file and run.go know net/http, as only own.go and run.go know package front,
// which serves HTTP/1.1 in its place.

// httpCaller is a caller over HTTP.
type httpCaller struct {
	r     *http.Request
	w     http.ResponseWriter
	conn  *callerConn
	write time.Duration // time limit for the caller to read what was written

	writeBy time.Time // used without conn: over HTTP/2 each stream has its own
	values  []string  // backing for header values, to save a slice for each
}

var httpCallers = sync.Pool{New: func() any { return new(httpCaller) }}

// writeBuffer is how much net/http buffers before it writes to the connection.
const writeBuffer = 2 << 10

// connKey is the key of the connection in a request's context.
type connKey struct{}

// callerConn is the state of a caller's HTTP/1 connection, which serves one request at
// a time.
type callerConn struct {
	net.Conn
	writeBy time.Time // the write deadline that is set
}

// ServeHTTP serves every path of the gateway.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := httpCallers.Get().(*httpCaller)
	c := g.take()
	defer c.recycle() // also after the panic that cuts an answer
	x.begin(w, r, &c.st.bounds)
	c.from(x)
	c.route()
	if c.sending {
		x.drain(c.st.bounds.MaxBody)
	}
	c.over = true
	*x = httpCaller{}
	httpCallers.Put(x)
}

func (x *httpCaller) begin(w http.ResponseWriter, r *http.Request, b *Bounds) {
	x.r, x.w, x.write = r, w, b.WriteTimeout
	x.values = make([]string, 0, 16)
	if r.ProtoMajor == 1 {
		x.conn, _ = r.Context().Value(connKey{}).(*callerConn)
	}
	x.extend(time.Now())
}

// from sets the exchange with its caller. Like other parts of the path it is kept out
// of the frame of what waits.
//
//go:noinline
func (c *call) from(x *httpCaller) {
	r := x.r
	c.x.from, c.x.method, c.x.query = x, r.Method, r.URL.RawQuery
	c.x.peer, c.x.size, c.x.far = peerOf(r.RemoteAddr), r.ContentLength, true
	c.s = c.g.surfaces.locate(r.URL.Path)
}

// peerOf is an address of net/http without its port.
func peerOf(addr string) string {
	if i := strings.LastIndexByte(addr, ':'); i > 0 {
		addr = addr[:i]
	}
	return strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
}

func (x *httpCaller) Context() context.Context { return x.r.Context() }

func (x *httpCaller) Key(st *state) (*key, error) { return authenticate(x, st.keys) }

func (x *httpCaller) Header(name string) []string { return x.r.Header[name] }

// Body closes the connection if the body could not be read: the rest of it is not
// wanted.
func (x *httpCaller) Body(limit int64, within time.Duration, m *bodyMemory) (b *buffer, err error) {
	defer func() {
		if err != nil {
			x.Set("Connection", "close")
		}
	}()
	if x.r.ContentLength > limit {
		return nil, errOverLimit
	}
	if x.r.ContentLength == 0 {
		return newBuffer(0), nil
	}
	x.readDeadline(time.Now().Add(within))
	defer x.readDeadline(time.Time{})
	switch b, err = readCounted(x.r.Body, x.r.ContentLength, limit, m); {
	case err == nil, errors.Is(err, errOverLimit), errors.Is(err, errNoMemory):
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlowBody
	default:
		err = &problem{is: errCutBody, message: x.misframed()}
	}
	return b, err
}

func (x *httpCaller) readDeadline(t time.Time) {
	if x.conn != nil {
		x.conn.SetReadDeadline(t)
		return
	}
	http.NewResponseController(x.w).SetReadDeadline(t)
}

// extend gives the caller at least its full time to read the next write. Moving the
// deadline costs more than an event of a stream, so it is set further ahead and moved
// only when the surplus is used up.
func (x *httpCaller) extend(now time.Time) {
	by := &x.writeBy
	if x.conn != nil {
		by = &x.conn.writeBy
	}
	if by.Sub(now) >= x.write {
		return
	}
	*by = now.Add(x.write + x.write/moveEvery)
	if x.conn != nil {
		x.conn.SetWriteDeadline(*by)
		return
	}
	http.NewResponseController(x.w).SetWriteDeadline(*by)
}

// moveEvery: a caller is cut off late by at most this part of its time.
const moveEvery = 16

func (x *httpCaller) Set(name, value string) {
	x.values = append(x.values, value)
	n := len(x.values)
	x.w.Header()[name] = x.values[n-1 : n : n]
}

func (x *httpCaller) Add(name, value string) {
	h := x.w.Header()
	if v, ok := h[name]; ok {
		h[name] = append(v, value)
		return
	}
	x.Set(name, value)
}

func (x *httpCaller) Start(now time.Time, status int, size int64) {
	if size >= 0 {
		x.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	x.extend(now)
	x.w.WriteHeader(status)
}

func (x *httpCaller) Send(p []byte) error {
	for len(p) > writeBuffer {
		x.extend(time.Now())
		n, err := x.w.Write(p[:min(len(p), maxWrite)])
		if err != nil {
			return err
		}
		p = p[n:]
	}
	_, err := x.w.Write(p)
	return err
}

// maxWrite is what is written before the caller gets its time again: one that reads a
// large answer slowly is not cut off as long as it reads this much within its time.
const maxWrite = 256 << 10

func (x *httpCaller) Flush(now time.Time) error {
	x.extend(now)
	return http.NewResponseController(x.w).Flush()
}

// End of a cut answer aborts the connection (HTTP/2: the stream), which shows the
// caller that the answer is incomplete.
func (x *httpCaller) End(how ending) {
	if how == endsCut {
		panic(http.ErrAbortHandler)
	}
}

// misframed describes a framing fault of the body, "" if there is none.
func (x *httpCaller) misframed() string {
	if x.conn != nil {
		if c, ok := x.conn.Conn.(*frontConn); ok && c.fault != nil {
			return c.fault.Error()
		}
	}
	return ""
}

// drain reads the body of a refused caller to its end, because a caller that still
// sends seldom reads the answer: at most limit bytes, within drainWithin. HTTP/2 needs
// no drain, nor does a caller that sent Expect.
func (x *httpCaller) drain(limit int64) {
	if x.r.ProtoMajor != 1 || x.r.ContentLength == 0 || x.r.Header.Get("Expect") != "" || x.Flush(time.Now()) != nil {
		return
	}
	x.readDeadline(time.Now().Add(drainWithin))
	io.Copy(io.Discard, io.LimitReader(x.r.Body, limit))
}

// newServer is the net/http server. TLS is outside it (see secured): the bytes are
// framed as without TLS, and HTTP/2 is detected by its preface.
func (g *Gateway) newServer(requests context.Context) *http.Server {
	var conns atomic.Int64
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:           g,
		Protocols:         &protocols,
		ReadHeaderTimeout: g.listen.HeaderTimeout,
		IdleTimeout:       g.listen.IdleTimeout,
		MaxHeaderBytes:    g.listen.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return requests },
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, connKey{}, &callerConn{Conn: c})
		},
		ConnState: func(c net.Conn, s http.ConnState) {
			switch s {
			case http.StateNew:
				if conns.Add(1) > int64(g.listen.MaxConns) {
					c.Close()
				}
			case http.StateClosed, http.StateHijacked:
				conns.Add(-1)
			}
		},
	}
}
