package upstream

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"weir"
)

// Client speaks to the replicas of one deployment. It is safe for concurrent
// use.
type Client struct {
	o       Options
	hosts   sync.Map // base URL -> *host
	making  sync.Mutex
	sweeper sweeper
	closed  atomic.Bool
	http2   *http.Transport // nil: HTTP/1.1
}

// New checks the options. It does not connect.
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Client{o: o.withDefaults()}
	c.sweeper.sweep = c.sweep
	if o.HTTP2 {
		c.http2 = newHTTP2(&c.o)
	}
	return c, nil
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

// Field is one header.
type Field struct{ Name, Value string }

// Call is one request.
type Call struct {
	Op          weir.Op
	Body        net.Buffers // written one after the other, never modified
	ContentType string      // "": application/json
	// Header holds further headers. Those that Do sets itself must not be
	// there: Host, Content-Length, Content-Type, Accept, Accept-Encoding,
	// User-Agent, X-Request-Id and the credential's.
	Header    []Field
	RequestID string // sent as X-Request-Id, "" is not sent
	Stream    bool   // the answer is wanted as text/event-stream

	// Something that hangs below the operation's path, asked for by another
	// method: "GET", "/ID/input_items", "limit=2". "": POST to the operation.
	Method, Below, Query string
}

// isPlain says whether it is a POST to its operation's own path.
func (c *Call) isPlain() bool { return c.Method == "" && c.Below == "" && c.Query == "" }

func (c *Call) method() string {
	if c.Method == "" {
		return "POST"
	}
	return c.Method
}

// Do sends a call to addr, a base URL as in Options ("": Options.BaseURL), and
// returns when the header of the reply is there, whatever its status. ctx
// governs the body too: when it ends, the connection is closed within
// milliseconds and Read returns an error that wraps ctx.Err().
//
// A connection that was idle may turn out to have been closed by the upstream.
// If it ends before a byte of the reply, the call is sent once more on a new
// one: servers close idle connections, they do not close one silently that has
// work on it.
func (c *Client) Do(ctx context.Context, addr string, call *Call) (*Reply, error) {
	limit := time.Now().Add(c.o.TotalTimeout)
	if err := ctx.Err(); err != nil {
		return nil, &Error{Kind: KindCanceled, Err: err}
	}
	if !c.o.Protocol.Serves(call.Op) {
		return nil, &Error{Kind: KindCall, Err: faultf("protocol %s has no %s", c.o.Protocol, call.Op)}
	}
	var key Field
	if c.o.Credential != nil {
		var err error
		if key.Name, key.Value, err = c.o.Credential(ctx); err != nil {
			return nil, c.credentialFault(ctx, err)
		}
	}
	if err := call.check(key); err != nil {
		return nil, &Error{Kind: KindCall, Err: err}
	}
	h, err := c.host(addr)
	if err != nil {
		return nil, err
	}
	if c.http2 != nil {
		return c.doHTTP2(ctx, h, call, key, limit)
	}
	r, err := c.attempt(ctx, h, call, key, limit, false)
	for err == errGone {
		if h, err = c.host(addr); err != nil {
			return nil, err
		}
		r, err = c.attempt(ctx, h, call, key, limit, false)
	}
	if stale, ok := err.(*staleError); ok {
		return c.again(ctx, h, call, key, limit, stale)
	}
	return r, err
}

// again sends a call on a new connection, after a stale one.
func (c *Client) again(ctx context.Context, h *host, call *Call, key Field, limit time.Time, stale *staleError) (*Reply, error) {
	r, err := c.attempt(ctx, h, call, key, limit, true)
	if err == nil {
		return r, nil
	}
	if e, ok := err.(*Error); ok {
		e.Sent = e.Sent || stale.sent
		return nil, e
	}
	return nil, h.fault(KindConnect, err) // closed meanwhile
}

func (c *Client) credentialFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &Error{Kind: KindCanceled, Err: ctx.Err()}
	}
	return &Error{Kind: KindCredential, Err: err}
}

// staleError: a connection that was idle ended before the reply began.
type staleError struct {
	sent bool
	err  error
}

func (e *staleError) Error() string { return e.err.Error() }

// attempt sends the call on one connection and reads the reply's header.
func (c *Client) attempt(ctx context.Context, h *host, call *Call, key Field, limit time.Time, fresh bool) (*Reply, error) {
	cn, err := h.get(ctx, fresh, limit)
	if err != nil {
		return nil, err
	}
	r := &Reply{ctx: ctx, limit: limit, stall: c.o.StallTimeout, addr: h.base.dial, op: call.Op}
	r.body.c = cn
	if ctx.Done() != nil {
		r.stop = context.AfterFunc(ctx, cn.cut)
	}
	by := time.Now().Add(c.o.HeaderTimeout)
	sent, serr := cn.send(h, call, key, by, limit)
	r.sent = sent
	if serr != nil {
		if !sent || isTimeout(serr) {
			return nil, r.abandon(serr)
		}
		by = time.Now().Add(earlyWait)
	}
	if err := r.readHead(by); err != nil {
		if serr != nil {
			err = serr
		}
		return nil, r.abandon(err)
	}
	r.keep = r.keep && serr == nil
	return r, nil
}

// earlyWait is how long an answer is looked for when the upstream stopped
// taking the request: a refusal sent before the whole request was read.
const earlyWait = time.Second

// host finds or makes what is known of an address.
func (c *Client) host(addr string) (*host, error) {
	if addr == "" {
		addr = c.o.BaseURL
	}
	if h, ok := c.hosts.Load(addr); ok {
		if h := h.(*host); !h.isGone() {
			return h, nil
		}
	}
	b, err := parseBase(addr)
	if err != nil {
		return nil, &Error{Kind: KindCall, Err: err}
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
	for op := range h.heads {
		if op := weir.Op(op); c.o.Protocol.Serves(op) {
			h.heads[op] = c.o.requestStart(b, op)
		}
	}
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
