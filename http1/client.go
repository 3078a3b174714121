package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Client calls any number of addresses, with a connection pool for each. It is safe for
// concurrent use.
type Client struct {
	o       Options
	hosts   sync.Map // base URL -> *host
	making  sync.Mutex
	sweeper sweeper
	closed  atomic.Bool
	http2   *http.Transport // nil: HTTP/1.1
}

// New makes a client from valid options. It does not connect.
func New(o Options) *Client {
	c := &Client{o: o.withDefaults()}
	c.sweeper.sweep = c.sweep
	if o.HTTP2 {
		c.http2 = newHTTP2(&c.o)
	}
	return c
}

// Close closes idle connections. Calls in flight finish, new ones fail.
func (c *Client) Close() {
	c.making.Lock()
	defer c.making.Unlock()
	c.closed.Store(true)
	c.sweeper.end()
	c.hosts.Range(func(_, h any) bool {
		h.(*host).retire()
		return true
	})
	if c.http2 != nil {
		c.http2.CloseIdleConnections()
	}
}

// Do sends a request to base, the URL of a server, and fills r once the reply's header
// has arrived, whatever its status. ctx also covers the body: when it ends, the
// connection is closed within milliseconds and Read returns an error that wraps
// ctx.Err(). After an error r must not be used.
//
// A server may already have closed an idle connection. If it ends before a byte of the
// reply, the request is sent once more on a new connection: servers close idle
// connections, but not silently while one has a request.
func (c *Client) Do(ctx context.Context, base string, q *Request, r *Reply) error {
	limit := time.Now().Add(c.o.TotalTimeout)
	if err := ctx.Err(); err != nil {
		return &Error{Kind: KindCanceled, Err: err}
	}
	var key Field
	if c.o.Credential != nil {
		var err error
		if key.Name, key.Value, err = c.o.Credential(ctx); err != nil {
			return c.credentialFault(ctx, err)
		}
	}
	if err := q.check(key); err != nil {
		return &Error{Kind: KindCall, Err: err}
	}
	h, err := c.host(base)
	if err != nil {
		return err
	}
	if c.http2 != nil {
		return c.doHTTP2(ctx, h, q, key, limit, r)
	}
	err = c.attempt(ctx, h, q, key, limit, false, r)
	for err == errGone {
		if h, err = c.host(base); err != nil {
			return err
		}
		err = c.attempt(ctx, h, q, key, limit, false, r)
	}
	if stale, ok := err.(*staleError); ok {
		return c.again(ctx, h, q, key, limit, stale, r)
	}
	return err
}

// again sends a request on a new connection, after a stale one.
func (c *Client) again(ctx context.Context, h *host, q *Request, key Field, limit time.Time, stale *staleError, r *Reply) error {
	err := c.attempt(ctx, h, q, key, limit, true, r)
	if err == nil {
		return nil
	}
	if e, ok := err.(*Error); ok {
		e.Sent = e.Sent || stale.sent
		return e
	}
	return h.fault(KindConnect, err) // closed in the meantime
}

func (c *Client) credentialFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &Error{Kind: KindCanceled, Err: ctx.Err()}
	}
	return &Error{Kind: KindCredential, Err: err}
}

// staleError: an idle connection ended before the reply began.
type staleError struct {
	sent bool
	err  error
}

func (e *staleError) Error() string { return e.err.Error() }

// attempt sends the request on one connection and reads the reply's header.
func (c *Client) attempt(ctx context.Context, h *host, q *Request, key Field, limit time.Time, fresh bool, r *Reply) error {
	cn, err := h.get(ctx, fresh, limit)
	if err != nil {
		return err
	}
	*r = Reply{ctx: ctx, limit: limit, stall: c.o.StallTimeout, addr: h.base.dial}
	r.body.c = cn
	if ctx.Done() != nil {
		r.stop = context.AfterFunc(ctx, cn.cut)
	}
	by := time.Now().Add(c.o.HeaderTimeout)
	sent, serr := cn.send(h, q, key, by, limit)
	r.sent = sent
	if serr != nil {
		if !sent || isTimeout(serr) {
			return r.abandon(serr)
		}
		by = time.Now().Add(earlyWait)
	}
	if err := r.readHead(by); err != nil {
		if serr != nil {
			err = serr
		}
		return r.abandon(err)
	}
	r.keep = r.keep && serr == nil
	return nil
}

// earlyWait is how long to look for an answer after the server stopped reading the
// request: it may have sent a refusal early.
const earlyWait = time.Second

// host finds or makes the pool of an address.
func (c *Client) host(addr string) (*host, error) {
	if h, ok := c.hosts.Load(addr); ok {
		if h := h.(*host); !h.isGone() {
			return h, nil
		}
	}
	b, err := parseBase(addr)
	if err != nil {
		return nil, &Error{Kind: KindCall, Err: err}
	}
	if c.o.Prefix != nil {
		b.prefix = c.o.Prefix(b.prefix)
	}
	c.making.Lock()
	defer c.making.Unlock()
	if c.closed.Load() {
		return nil, &Error{Kind: KindConnect, Err: errClosed}
	}
	if h, ok := c.hosts.Load(addr); ok && !h.(*host).isGone() {
		return h.(*host), nil
	}
	h := &host{base: b, client: c, used: time.Now()}
	c.hosts.Store(addr, h)
	return h, nil
}

var errClosed = errors.New("the client is closed: its deployment has left the configuration")

func (c *Client) sweep(now time.Time) (left int) {
	c.hosts.Range(func(addr, h any) bool {
		left += h.(*host).sweep(now)
		if h.(*host).isGone() {
			c.hosts.CompareAndDelete(addr, h)
		}
		return true
	})
	return left
}

func (c *Client) tlsConfig(name string) *tls.Config {
	t := &tls.Config{}
	if c.o.TLS != nil {
		t = c.o.TLS.Clone()
	}
	if t.ServerName == "" {
		t.ServerName = name
	}
	t.NextProtos = []string{"http/1.1"}
	return t
}
