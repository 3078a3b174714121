package http1

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// newHTTP2 is the transport for upstreams called over HTTP/2.
func newHTTP2(o *Options) *http.Transport {
	dial := o.Dial
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(ctx, o.ConnectTimeout)
			defer cancel()
			c, err := dial(ctx, network, addr)
			if err != nil {
				return nil, &Error{Kind: KindConnect, Addr: addr, Err: err}
			}
			return c, nil
		},
		TLSClientConfig:        o.TLS.Clone(),
		TLSHandshakeTimeout:    o.ConnectTimeout,
		DisableCompression:     true,
		MaxConnsPerHost:        o.MaxConns,
		IdleConnTimeout:        idleTimeout,
		MaxResponseHeaderBytes: MaxHeaderBytes,
		Protocols:              new(http.Protocols),
	}
	t.Protocols.SetHTTP2(true)
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

// http2Body is the body of a reply that net/http reads.
type http2Body struct {
	rc      io.ReadCloser
	watch   *watchdog
	watched context.Context
	sending *sending
	buf     []byte // of next
	closed  bool
}

// watchdog cancels a call that takes too long, and remembers why.
type watchdog struct {
	cancel context.CancelCauseFunc
	timer  *time.Timer
	limit  time.Time
	kind   atomic.Int32 // error kind of the next firing
}

func watch(ctx context.Context, limit time.Time) (context.Context, *watchdog) {
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watchdog{cancel: cancel, limit: limit}
	w.timer = time.AfterFunc(time.Until(limit), func() {
		cancel(&Error{Kind: ErrorKind(w.kind.Load()), Err: context.DeadlineExceeded})
	})
	return ctx, w
}

// await sets the time limit of the next step.
func (w *watchdog) await(within time.Duration, kind ErrorKind) {
	if left := time.Until(w.limit); left <= within {
		within, kind = left, KindTotal
	}
	w.kind.Store(int32(kind))
	w.timer.Reset(within)
}

func (w *watchdog) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// doHTTP2 is Do through net/http.
func (c *Client) doHTTP2(ctx context.Context, h *host, q *Request, key Field, limit time.Time, r *Reply) error {
	watched, dog := watch(ctx, limit)
	body := &sending{segments: q.Body}
	scheme := map[bool]string{false: "http://", true: "https://"}[h.secure]
	req, err := http.NewRequestWithContext(watched, q.method(), scheme+h.base.host+string(q.appendTarget(nil, h.prefix)), body.reader())
	if err != nil {
		dog.end()
		return &Error{Kind: KindCall, Err: err}
	}
	req.ContentLength = q.size()
	req.GetBody = func() (io.ReadCloser, error) { return body.reader(), nil }
	req.Header = http.Header{"User-Agent": {"weir"}, "Accept-Encoding": {"identity"}}
	q.fields(key, req.Header.Add)

	*r = Reply{ctx: ctx, limit: limit, stall: c.o.StallTimeout, addr: h.base.dial, sent: true}
	dog.await(c.o.HeaderTimeout, KindHeaderTimeout)
	resp, err := c.http2.RoundTrip(req)
	if err != nil {
		f := r.http2Fault(watched, err)
		dog.end()
		body.end()
		return f
	}
	r.Status, r.ContentLength = resp.StatusCode, resp.ContentLength
	r.head = headOf(resp.Header)
	r.h2 = &http2Body{rc: resp.Body, watch: dog, watched: watched, sending: body}
	return nil
}

// http2Fault translates an error of net/http.
func (r *Reply) http2Fault(watched context.Context, err error) *Error {
	var late, dial *Error
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var alert tls.AlertError
	var record tls.RecordHeaderError
	f := &Error{Kind: KindCut, Addr: r.addr, Sent: r.sent, Err: err}
	switch {
	case r.ctx.Err() != nil:
		f.Kind, f.Err = KindCanceled, r.ctx.Err()
	case errors.As(context.Cause(watched), &late):
		f.Kind, f.Err = late.Kind, late.Err
	case errors.As(err, &dial):
		return dial
	case errors.As(err, &verify), errors.As(err, &unknown), errors.As(err, &alert), errors.As(err, &record):
		f.Kind, f.Sent = KindTLS, false
	}
	return f
}

func (b *http2Body) read(r *Reply, p []byte) (int, error) {
	b.watch.await(r.stall, KindStall)
	n, err := b.rc.Read(p)
	if err == nil || err == io.EOF && n > 0 {
		return n, nil
	}
	r.err = err
	if err != io.EOF {
		r.err = r.http2Fault(b.watched, err)
	}
	b.close()
	if n > 0 {
		return n, nil
	}
	return 0, r.err
}

func (b *http2Body) next(r *Reply) ([]byte, error) {
	if b.buf == nil {
		b.buf = getBuffer()
	}
	n, err := b.read(r, b.buf)
	return b.buf[:n], err
}

func (b *http2Body) close() {
	if b.closed {
		return
	}
	b.closed = true
	b.rc.Close()
	b.watch.end()
	b.sending.end()
}

// headOf converts a header map into the head of an HTTP/1.1 reply, sorted by name.
func headOf(m http.Header) head {
	var h head
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		for _, value := range m[name] {
			at := text.Len()
			if at+len(name)+len(value) > MaxHeaderBytes {
				break
			}
			text.WriteString(name)
			text.WriteString(value)
			mid := at + len(name)
			h.fields = append(h.fields, span{uint16(at), uint16(mid), uint16(mid), uint16(mid + len(value))})
		}
	}
	h.text = text.String()
	return h
}
