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

// Error is every error of Do, Read and Next but io.EOF. After one, the reply
// is over: Close it.
type Error = http1.Error

// ErrorKind says in which way talking to an upstream failed. Its String is a
// bounded metric label.
type ErrorKind = http1.ErrorKind

// The kinds of errors: see http1.
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

// Client speaks to the replicas of one deployment. It is safe for concurrent
// use.
type Client struct {
	o    Options
	wire *http1.Client
	ops  []served // by weir.Op
}

// served is an operation as this client's servers have it; without one they have
// it not.
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

// Do sends a call to addr, a base URL as in Options ("": Options.BaseURL), and
// returns when the header of the reply is there, whatever its status: see
// http1.Client.Do.
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
	r := &Reply{format: c.ops[call.Op].Format}
	q := c.request(call)
	if err := c.wire.Do(ctx, addr, &q, &r.Reply); err != nil {
		return nil, err
	}
	return r, nil
}

// unserved is a call of an operation that the protocol has not.
type unserved struct {
	protocol string
	op       weir.Op
}

func (e *unserved) Error() string {
	return "protocol " + e.protocol + " has no " + e.op.String()
}

// request is a call as it goes over the wire.
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

// Reply is the answer to a call: status and headers, and a body that is read
// as it comes. It belongs to one goroutine. Close it.
type Reply struct {
	http1.Reply
	format Format
}

// Events reads the body as server-sent events, instead of Read.
func (r *Reply) Events() *Events {
	return &Events{in: sse.New(&r.Reply), format: r.format}
}
