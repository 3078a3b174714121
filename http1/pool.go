package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"
)

// host is one address and its connections.
type host struct {
	base
	client *Client

	mu      sync.Mutex
	idle    []*conn         // the most recently used is last
	open    int             // connections, including idle ones, and dials in progress
	waiting []chan struct{} // calls waiting for one of MaxConns, in order
	used    time.Time       // when a connection was last needed and none was idle
	gone    bool            // no longer known to the client
}

// get returns a connection: the most recently used, which is the likeliest to be alive,
// or a new one. fresh requires a new one.
func (h *host) get(ctx context.Context, fresh bool, limit time.Time) (*conn, error) {
	for wait := time.Duration(-1); ; {
		c, turn, err := h.take(fresh)
		switch {
		case err != nil:
			return nil, err
		case c != nil:
			return c, nil
		case turn == nil:
			return h.dial(ctx, limit)
		}
		if wait < 0 {
			wait = min(h.client.o.ConnectTimeout, time.Until(limit))
		}
		started := time.Now()
		if err := h.await(ctx, turn, wait); err != nil {
			return nil, err
		}
		wait = max(0, wait-time.Since(started))
	}
}

// take returns an idle connection, or nothing if one may be dialled (already counted in
// open), or a channel to wait on before the next try.
func (h *host) take(fresh bool) (*conn, chan struct{}, error) {
	for {
		h.mu.Lock()
		if h.gone {
			h.mu.Unlock()
			return nil, nil, errGone
		}
		c := h.pop(fresh)
		if c == nil {
			turn := h.claim()
			h.mu.Unlock()
			return nil, turn, nil
		}
		h.mu.Unlock()
		if !fresh && c.alive() {
			c.reused = true
			return c, nil, nil
		}
		h.put(c, false)
	}
}

// pop takes the most recently used connection off the stack; for a fresh one only if it
// must make room. h.mu is held.
func (h *host) pop(fresh bool) *conn {
	n := len(h.idle)
	if n == 0 || fresh && !h.full() {
		return nil
	}
	c := h.idle[n-1]
	h.idle[n-1] = nil
	h.idle = h.idle[:n-1]
	return c
}

func (h *host) full() bool {
	limit := h.client.o.MaxConns
	return limit > 0 && h.open >= limit
}

// claim counts one more connection, or returns a channel to wait on. h.mu is held.
func (h *host) claim() chan struct{} {
	h.used = time.Now()
	if !h.full() {
		h.open++
		return nil
	}
	turn := make(chan struct{}, 1)
	h.waiting = append(h.waiting, turn)
	return turn
}

// errGone: the host was forgotten between look-up and use; look it up once more.
var errGone = errors.New("this address is no longer in use")

func (h *host) await(ctx context.Context, turn chan struct{}, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var err error
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		err = &Error{Kind: KindCanceled, Addr: h.base.dial, Err: ctx.Err()}
	case <-timer.C:
		err = h.fault(KindConnect, fmt.Errorf("all %d connections (MaxConns) were busy for %v: raise it, or lower the replica's max_requests",
			h.client.o.MaxConns, h.client.o.ConnectTimeout))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, w := range h.waiting {
		if w == turn {
			h.waiting = append(h.waiting[:i], h.waiting[i+1:]...)
			return err
		}
	}
	h.wakeOne() // the turn came at this moment: pass it on
	return err
}

// wakeOne lets the longest-waiting call try again. h.mu is held.
func (h *host) wakeOne() {
	if len(h.waiting) > 0 {
		h.waiting[0] <- struct{}{}
		h.waiting = h.waiting[1:]
	}
}

// put takes a connection back after a call. It is reusable only if its reply was read
// to the end, with no bytes after it.
func (h *host) put(c *conn, reusable bool) {
	h.mu.Lock()
	if reusable && len(h.idle) < maxIdle && !h.gone {
		c.rest()
		h.idle = append(h.idle, c)
		h.wakeOne()
		h.mu.Unlock()
		h.client.sweeper.arm()
		return
	}
	h.open--
	h.wakeOne()
	h.mu.Unlock()
	c.shut()
}

// dial opens a connection; take has counted it.
func (h *host) dial(ctx context.Context, limit time.Time) (*conn, error) {
	done := make(chan dialled, 1)
	go func() {
		c, err := h.connect(ctx, limit)
		done <- dialled{c, err}
	}()
	d := <-done // connect ends with ctx
	if d.err != nil {
		h.mu.Lock()
		h.open--
		h.wakeOne()
		h.mu.Unlock()
	}
	return d.c, d.err
}

// dialled is what connect returned. It runs in a goroutine of its own because dialling
// and the handshake of TLS need a stack twice as large as everything else a call does,
// and a stack that has grown stays large while its goroutine waits for a slow answer.
type dialled struct {
	c   *conn
	err error
}

func (h *host) connect(ctx context.Context, limit time.Time) (*conn, error) {
	by := time.Now().Add(h.client.o.ConnectTimeout)
	kind := KindConnect
	if limit.Before(by) {
		by, kind = limit, KindTotal
	}
	dctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	tcp, err := h.client.o.Dial(dctx, "tcp", h.base.dial)
	if err != nil {
		return nil, h.dialFault(ctx, kind, err)
	}
	c := newConn(h, tcp)
	if !h.secure {
		return c, nil
	}
	secured := tls.Client(tcp, h.client.tlsConfig(h.name))
	if err := secured.HandshakeContext(dctx); err != nil {
		tcp.Close()
		if kind != KindTotal || !errors.Is(err, context.DeadlineExceeded) {
			kind = KindTLS
		}
		return nil, h.dialFault(ctx, kind, err)
	}
	if p := secured.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		tcp.Close()
		return nil, h.fault(KindTLS, fmt.Errorf("the upstream chose protocol %q: set HTTP2 to speak it", p))
	}
	c.secure(secured)
	return c, nil
}

func (h *host) dialFault(ctx context.Context, kind ErrorKind, err error) *Error {
	if ctx.Err() != nil {
		return &Error{Kind: KindCanceled, Addr: h.base.dial, Err: ctx.Err()}
	}
	// The dialer's own timer for the context's deadline may fire first.
	if by, ok := ctx.Deadline(); ok && !time.Now().Before(by) {
		return &Error{Kind: KindCanceled, Addr: h.base.dial, Err: context.DeadlineExceeded}
	}
	return h.fault(kind, err)
}

func (h *host) fault(kind ErrorKind, err error) *Error {
	return &Error{Kind: kind, Addr: h.base.dial, Err: err}
}

// sweep closes idle connections that are old or closed by the upstream, and returns how
// many are left. A host that has had none for long is gone.
func (h *host) sweep(now time.Time) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	kept := h.idle[:0]
	for _, c := range h.idle {
		if now.Sub(c.since) < idleTimeout && c.alive() {
			kept = append(kept, c)
			continue
		}
		h.discard(c)
	}
	clear(h.idle[len(kept):])
	h.idle = kept
	h.gone = h.open == 0 && len(h.waiting) == 0 && now.Sub(h.used) > 10*idleTimeout
	return len(kept)
}

func (h *host) isGone() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.gone
}

// retire closes the idle connections; calls in flight finish.
func (h *host) retire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
	for _, c := range h.idle {
		h.discard(c)
	}
	h.idle = nil
}

// discard closes an idle connection that is off the stack. h.mu is held.
func (h *host) discard(c *conn) {
	h.open--
	h.wakeOne()
	c.shut()
}
