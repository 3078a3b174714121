package upstream

import (
	"context"
	"net"
	"strings"

	"weir"
	"weir/http1"
	"weir/sse"
)

// Field is one header.
type Field = http1.Field

// Error is every error of Do, Read and Next except io.EOF. After one, the reply is
// over: Close it.
type Error = http1.Error

// ErrorKind says how a call to an upstream failed. Its String is a bounded metric
// label.
type ErrorKind = http1.ErrorKind

// Kinds of errors: see http1.
const (
	KindConnect       = http1.KindConnect
	KindTLS           = http1.KindTLS
	KindCredential    = http1.KindCredential
	KindHeaderTimeout = http1.KindHeaderTimeout
	KindStall         = http1.KindStall
	KindTotal         = http1.KindTotal
	KindCut           = http1.KindCut
	KindProtocol      = http1.KindProtocol
	KindCall          = http1.KindCall // also an operation the protocol lacks
	KindCanceled      = http1.KindCanceled
)

// Client calls the replicas of one deployment. It is safe for concurrent use.
type Client struct {
	o    Options
	wire *http1.Client
	ops  []served // by weir.Op
}

// served is an operation of this client's servers; without one, the protocol lacks it.
type served struct {
	*Operation
	at Target
}

// New checks the options. It does not connect.
func New(o Options) (*Client, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Client{o: o}
	wire := o.wire()
	wire.Prefix = func(path string) string { return o.Dialect.Base(&o, path) }
	c.wire = http1.New(wire)
	for op := range weir.Ops() {
		s := served{Operation: o.Dialect.Operation(op)}
		if s.Operation != nil {
			s.at = o.Dialect.Target(&o, op)
		}
		c.ops = append(c.ops, s)
	}
	return c, nil
}

// Close closes idle connections. Calls in flight finish, new ones fail.
func (c *Client) Close() { c.wire.Close() }

// Call is one request.
type Call struct {
	Op          weir.Op
	Body        net.Buffers // written in order, never modified
	ContentType string      // "": application/json
	// Header holds further headers, except those that Do sets: Host, Content-Length,
	// Content-Type, Accept, Accept-Encoding, User-Agent, X-Request-Id and the
	// credential's.
	Header    []Field
	RequestID string // sent as X-Request-Id, "" is not sent
	Stream    bool   // a text/event-stream answer is requested

	// A resource below the operation's path, with another method: "GET",
	// "/ID/input_items", "limit=2". "": POST to the operation.
	Method, Below, Query string
}

// Do sends a call to addr, a base URL as in Options ("": Options.BaseURL), and returns
// once the reply's header has arrived, whatever its status: see http1.Client.Do.
func (c *Client) Do(ctx context.Context, addr string, call *Call) (*Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, &Error{Kind: KindCanceled, Err: err}
	}
	if int(call.Op) >= len(c.ops) || c.ops[call.Op].Operation == nil {
		return nil, &Error{Kind: KindCall, Err: &unserved{c.o.Dialect.Name(), call.Op}}
	}
	if addr == "" {
		addr = c.o.BaseURL
	}
	if c.o.Renew != nil {
		return c.renewable(ctx, func() (*Reply, error) { return c.send(ctx, addr, call) })
	}
	return c.send(ctx, addr, call)
}

func (c *Client) send(ctx context.Context, addr string, call *Call) (*Reply, error) {
	r := &Reply{format: c.ops[call.Op].Format}
	q := c.request(call)
	if err := c.wire.Do(ctx, addr, &q, &r.Reply); err != nil {
		return nil, err
	}
	return r, nil
}

// unserved is the error for an operation that the protocol lacks.
type unserved struct {
	protocol string
	op       weir.Op
}

func (e *unserved) Error() string {
	return "protocol " + e.protocol + " has no " + e.op.String()
}

// request builds the HTTP request of a call.
func (c *Client) request(call *Call) http1.Request {
	at := &c.ops[call.Op].at
	q := http1.Request{Method: call.Method, Path: at.Path, Query: at.Query, Body: call.Body, Header: call.Header}
	if call.Below != "" {
		q.Path += call.Below
	}
	if call.Query != "" {
		q.Query = strings.TrimPrefix(at.Query+"&"+call.Query, "&")
	}
	contentType, accept := call.ContentType, "application/json"
	if contentType == "" {
		contentType = "application/json"
	}
	if call.Stream {
		accept = eventStream
	}
	q.Own[0], q.Own[1] = Field{Name: "Content-Type", Value: contentType}, Field{Name: "Accept", Value: accept}
	if call.RequestID != "" {
		q.Own[2] = Field{Name: "X-Request-Id", Value: call.RequestID}
	}
	if at.Header.Name != "" && !named(call.Header, at.Header.Name) {
		q.Own[3] = at.Header
	}
	q.Own[4] = c.o.Pin
	return q
}

func named(header []Field, name string) bool {
	for i := range header {
		if strings.EqualFold(header[i].Name, name) {
			return true
		}
	}
	return false
}

// Reply is the answer to a call: status, headers, and a body read as it arrives. It
// belongs to one goroutine. Close it.
type Reply struct {
	http1.Reply
	format Format
}

// Events reads the body as server-sent events, instead of Read.
func (r *Reply) Events() *Events {
	return &Events{in: sse.New(&r.Reply), format: r.format}
}
