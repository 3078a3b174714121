package gateway

import (
	"context"
	"errors"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"weir/front"
)

// ownCaller is a caller over HTTP/1.1 that package front serves. A connection has one,
// for all of its requests.
type ownCaller struct {
	c     *front.Conn
	write time.Duration // time limit for the caller to read what was written
}

// serveOwn serves every path of the gateway, as ServeHTTP does.
func (g *Gateway) serveOwn(fc *front.Conn) {
	x, ok := fc.State.(*ownCaller)
	if !ok {
		x = &ownCaller{c: fc}
		fc.State = x
	}
	c := g.take()
	defer c.recycle()
	x.write = c.st.bounds.WriteTimeout
	c.ofOwn(x)
	c.route()
	if c.sending {
		fc.Drain(c.st.bounds.MaxBody, drainWithin)
	}
	c.over = true
}

//go:noinline
func (c *call) ofOwn(x *ownCaller) {
	r := &x.c.Request
	c.x.from, c.x.method, c.x.query = x, r.Method, r.Query
	c.x.peer, c.x.size, c.x.far = x.c.Peer(), r.Size, true
	c.s = c.g.surfaces.locate(r.Path)
}

func (x *ownCaller) Context() context.Context { return x.c.Context() }

func (x *ownCaller) Key(st *state) (*key, error) { return authenticate(x, st.keys) }

func (x *ownCaller) Header(name string) []string { return x.c.Header(name) }

// Body closes the connection if the body could not be read, as httpCaller's does.
func (x *ownCaller) Body(limit int64, within time.Duration, m *bodyMemory) (*buffer, error) {
	b, err := x.body(limit, within, m)
	if err != nil {
		x.c.Close = true
	}
	return b, err
}

func (x *ownCaller) body(limit int64, within time.Duration, m *bodyMemory) (*buffer, error) {
	size := x.c.Size
	switch {
	case size > limit:
		return nil, errOverLimit
	case size == 0:
		return newBuffer(0), nil
	case !x.c.Arrived():
		x.c.ReadBefore(time.Now().Add(within))
	}
	b, err := readCounted(x.c, size, limit, m)
	var fault *front.Fault
	switch {
	case err == nil, errors.Is(err, errOverLimit), errors.Is(err, errNoMemory):
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = errSlowBody
	case errors.As(err, &fault):
		err = &problem{is: errCutBody, message: misframed(fault.Why).Error()}
	default:
		err = &problem{is: errCutBody}
	}
	return b, err
}

func (x *ownCaller) Set(name, value string) { x.c.Set(name, value) }
func (x *ownCaller) Add(name, value string) { x.c.Add(name, value) }

func (x *ownCaller) Start(now time.Time, status int, size int64) {
	x.c.WriteWithin(now, x.write)
	x.c.Start(status, size)
}

func (x *ownCaller) Send(p []byte) error {
	for len(p) > writeBuffer {
		x.c.WriteWithin(time.Now(), x.write)
		part := p[:min(len(p), maxWrite)]
		if err := x.c.Send(part); err != nil {
			return err
		}
		p = p[len(part):]
	}
	return x.c.Send(p)
}

func (x *ownCaller) Flush(now time.Time) error {
	x.c.WriteWithin(now, x.write)
	return x.c.Flush()
}

func (x *ownCaller) End(how ending) {
	if how == endsCut {
		x.c.Cut()
	}
}

// newOwn is the server of package front. Connections that begin with HTTP/2 go to other.
func (g *Gateway) newOwn(requests context.Context, log *log.Logger, other func(net.Conn)) (*front.Server, error) {
	l := frontListener{surfaces: g.surfaces, tls: g.tlsConfig(), log: log}
	o := front.Options{
		HeaderTimeout: g.listen.HeaderTimeout, IdleTimeout: g.listen.IdleTimeout,
		MaxHeaderBytes: g.listen.MaxHeaderBytes, MaxConns: g.listen.MaxConns,
		Handler: g.serveOwn, Refuse: g.refuse, HTTP2: other, Base: requests, Log: log,
	}
	if l.tls != nil {
		o.Secure = l.secure
	}
	return front.New(o)
}

// refuse is the answer to a request that package front refuses.
func (g *Gateway) refuse(path string, f *front.Fault) []byte {
	switch f.Kind {
	case front.TooLarge:
		return g.surfaces.refusal(path, largeHeader(g.listen.MaxHeaderBytes))
	case front.Misframed:
		return g.surfaces.refusal(path, &problem{is: errBadRequest, message: misframed(f.Why).Error()})
	}
	return g.surfaces.refusal(path, &problem{is: errBadRequest, message: errBadRequest.Error() + ": " + f.Why})
}

// handed is the listener of connections that package front hands to net/http.
type handed struct {
	addr  net.Addr
	conns chan net.Conn
	over  chan struct{}
	once  sync.Once
}

func newHanded(addr net.Addr) *handed {
	return &handed{addr: addr, conns: make(chan net.Conn), over: make(chan struct{})}
}

func (h *handed) give(c net.Conn) {
	select {
	case h.conns <- c:
	case <-h.over:
		c.Close()
	}
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.over:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error {
	h.once.Do(func() { close(h.over) })
	return nil
}

func (h *handed) Addr() net.Addr { return h.addr }
