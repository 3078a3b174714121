package front

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Conn is a caller's connection and, for its handler, the request that it has sent. It
// belongs to the handler's goroutine.
type Conn struct {
	Request
	State any // the handler's own, kept from one request of the connection to the next

	server  *Server
	tcp     *net.TCPConn
	nc      net.Conn // tcp, or TLS over it
	raw     syscall.RawConn
	peer    string
	ctx     context.Context // of the connection: it ends when the caller leaves
	cancel  context.CancelCauseFunc
	watched uint64       // by the watcher
	phase   atomic.Int32 // idle, busy or shut
	begun   bool         // a request has come

	buf     []byte // nil while empty
	r, w    int    // read but not consumed: buf[r:w]
	readBy  time.Time
	writeBy time.Time
	tryFn   func(fd uintptr) bool // bound once, as a closure for each read would be garbage
	tryN    int
	tryErr  error

	head   head
	body   body
	answer answer
}

// Phases of a connection.
const (
	idle int32 = iota // between requests: it may be closed
	busy
	shut
)

func newConn(s *Server, tcp *net.TCPConn) *Conn {
	c := &Conn{server: s, tcp: tcp, nc: tcp}
	c.ctx, c.cancel = context.WithCancelCause(s.o.Base)
	c.tryFn = c.try
	c.raw, _ = tcp.SyscallConn()
	c.peer = withoutPort(tcp.RemoteAddr())
	if s.o.Secure != nil {
		c.nc = s.o.Secure(tcp)
	}
	return c
}

func withoutPort(a net.Addr) string {
	text := a.String()
	if i := strings.LastIndexByte(text, ':'); i > 0 {
		text = text[:i]
	}
	return strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")
}

// Context ends when the caller has left, with the cause ErrGone, or with the server's
// base. It is the same for all requests of the connection.
func (c *Conn) Context() context.Context { return c.ctx }

// Peer is the caller's address without its port.
func (c *Conn) Peer() string { return c.peer }

// serve serves the connection's requests to its end.
func (c *Conn) serve() {
	given := false // to HTTP/2
	defer func() {
		c.server.watch.remove(c)
		c.cancel(ErrGone)
		if !given {
			c.hangUp()
		}
		c.drop()
		c.server.forget(c)
	}()
	if err := c.server.watch.add(c, c.tcp); err != nil {
		c.server.o.Log.Printf("watching a connection: %v", err)
		return
	}
	for {
		switch err := c.next(); {
		case err == errHTTP2:
			given = true
			c.hand()
			return
		case err != nil:
			c.refuse(err)
			return
		}
		if !c.handle() || !c.finish() {
			return
		}
		c.phase.Store(idle)
		if c.server.stopped.Load() && c.w == c.r {
			return
		}
	}
}

// handle runs the handler, and says whether it returned.
func (c *Conn) handle() (returned bool) {
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			c.server.o.Log.Printf("panic serving %s: %v\n%s", c.peer, p, debug.Stack())
		}
	}()
	c.server.o.Handler(c)
	return true
}

// hangUp closes the connection. TLS says goodbye, without which its callers complain,
// unless an answer has broken off. A broken answer that only the connection's end
// delimits ends with a reset, as it would look whole otherwise.
func (c *Conn) hangUp() {
	a := &c.answer
	switch {
	case !a.started || a.whole:
		c.nc.Close()
		return
	case !a.silent && !a.chunked && a.left < 0:
		c.tcp.SetLinger(0)
	}
	c.tcp.Close()
}

// closeIdle closes a connection that has no request.
func (c *Conn) closeIdle() {
	if c.phase.CompareAndSwap(idle, shut) {
		c.tcp.Close()
	}
}

var errHTTP2 = errors.New("the connection begins with the preface of HTTP/2")

// hand gives the connection to HTTP/2, with what was read of it.
func (c *Conn) hand() {
	rest := append([]byte(nil), c.buf[:c.w]...)
	c.tcp.SetDeadline(time.Time{})
	c.server.hand(1)
	c.server.o.HTTP2(&replayed{Conn: c.nc, rest: rest, server: c.server})
}

// hand counts connections that HTTP/2 has.
func (s *Server) hand(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handed += n
}

// replayed is a connection whose first bytes are read again.
type replayed struct {
	net.Conn
	rest   []byte
	server *Server
	closed sync.Once
}

func (c *replayed) Close() error {
	c.closed.Do(func() { c.server.hand(-1) })
	return c.Conn.Close()
}

func (c *replayed) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(p)
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// CloseWrite ends this side only.
func (c *replayed) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// refuse answers a request that has no handler, and ends the connection.
func (c *Conn) refuse(err error) {
	f, ok := err.(*Fault)
	if !ok {
		return
	}
	c.tcp.SetWriteDeadline(time.Now().Add(lingering))
	if _, err := c.nc.Write(c.server.o.Refuse(c.Path, f)); err == nil {
		c.linger()
	}
}

// lingering is how long a connection is read after its last answer, if the caller may
// still be sending: one that is closed while it sends would lose the answer. maxLinger
// bounds what is read.
const (
	lingering = 500 * time.Millisecond
	maxLinger = 256 << 10
)

// linger ends this side of the connection and reads what still comes.
func (c *Conn) linger() {
	c.drop()
	if half, ok := c.nc.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	c.tcp.SetReadDeadline(time.Now().Add(lingering))
	b := getBuffer()
	defer putBuffer(b)
	for read := 0; read < maxLinger; {
		n, err := c.nc.Read(b)
		if err != nil {
			return
		}
		read += n
	}
}
