package gateway

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"weir"
)

// Submission is one request to a model from inside the process: from a batch, a
// pipeline, or a call that waits for another's answer. It is treated as an HTTP request
// to the operation's path: the same key with its limits and budgets, the same queue,
// replicas, retries and Record.
type Submission struct {
	Tenant, Key string // names of the key it is charged to; the secret is not needed
	Op          weir.Op
	Class       weir.Class // Batch lowers the key's class; Interactive changes nothing
	// Body is the JSON that an HTTP caller would send, "stream" included. It is neither
	// changed nor copied, and must not change until Submit returns. It counts against
	// Bounds.MaxBodyMemory like any other body.
	Body []byte
	// Header holds the headers an HTTP caller could send (X-Request-Id, X-Weir-Session,
	// Anthropic-Beta, ...), by canonical name. nil: none.
	Header map[string][]string
}

// Sink receives the answer to a Submission, in the goroutine of Submit.
type Sink interface {
	// Start is called at most once, before the first Write, with the status and headers an
	// HTTP caller would get. The sink may keep the header.
	Start(status int, header map[string][]string)
	// Write takes the next part of the body; in a stream, one or more whole events. p is
	// valid until Write returns. A sink that blocks holds its replica, like a slow reader.
	// An error ends the request, as a caller that disconnects does.
	Write(p []byte) (int, error)
}

// SubmitError is why a Submission did not complete. Its sink has received the body of
// an error or, if Broken, the beginning of an answer.
type SubmitError struct {
	Status  int           // as for an HTTP caller that had received nothing yet; 499: the submitter left
	Fault   weir.Fault    // the party at fault
	Code    string        // machine-readable, as in the Record and the metrics
	Message string        // what, where, limit and remedy
	After   time.Duration // when to retry; 0: unknown
	Broken  bool          // the sink has part of an answer; a stream ends with an error event
	cause   error
}

// Error returns message and code in one line.
func (e *SubmitError) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Code) }

// Unwrap returns the submitter's own reason for the end: the cause of its context, or
// its sink's error. Otherwise nil.
func (e *SubmitError) Unwrap() error { return e.cause }

// Submit takes one request through the gateway and returns when it has ended. The
// answer goes to the sink as it arrives. The returned Record is the one emitted.
//
// The error is nil if the answer is whole and the sink has all of it; otherwise it is a
// *SubmitError. An answer that breaks off never ends silently. When ctx ends, the
// request ends too, in any phase, and its error wraps the cause of ctx. When Run stops,
// submissions in flight have Options.Drain to finish and are then cut. A later one is
// refused (gateway_stopping) without a Record, like a refused connection. Queue
// deadlines are enforced only while Run runs.
func (g *Gateway) Submit(ctx context.Context, s Submission, to Sink) (weir.Record, error) {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	if !g.inside.enter() {
		return weir.Record{}, submitError(errStopping, nil)
	}
	defer g.inside.leave()
	defer context.AfterFunc(g.inside.ctx, func() { leave(errStopping) })()
	x := &submitter{s: &s, ctx: ctx, leave: leave, to: to, header: map[string][]string{}}
	on, ok := g.surfaces.of(s.Op)
	if !ok {
		return weir.Record{}, submitError(&problem{is: errNotSpoken, message: fmt.Sprintf("no protocol of this gateway has %s requests", s.Op)}, nil)
	}
	return g.submitOn(x, exchange{from: x}, on)
}

// submitOn serves a submission on a surface. as says who its caller is.
func (g *Gateway) submitOn(x *submitter, as exchange, on surface) (rec weir.Record, err error) {
	c := g.take()
	defer c.recycle()
	defer func() {
		if p := recover(); p != nil { // fails one request only, as in net/http
			rec, err = c.booking.rec, submitError(errInternal, x)
			g.log.Error("a submission panicked", "request", rec.RequestID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	c.x, c.s = as, on
	c.x.method, c.x.size = "POST", int64(len(x.s.Body))
	c.serve()
	rec = c.booking.rec
	if c.err != nil {
		err = submitError(c.err, x)
	}
	c.over = true
	return rec, err
}

func submitError(err error, x *submitter) *SubmitError {
	p, a := explain(err)
	e := &SubmitError{Status: a.status, Fault: a.fault, Code: a.code, Message: p.Error(), After: p.after}
	if x != nil {
		e.Broken = x.begun
		if p.is == errClientGone {
			e.cause = context.Cause(x.ctx)
		}
	}
	return e
}

// submitter is the caller of a Submission.
type submitter struct {
	s      *Submission
	ctx    context.Context
	leave  context.CancelCauseFunc // of ctx
	to     Sink
	header map[string][]string // of the answer
	begun  bool                // an answer that is not an error was begun
	lost   error               // the sink's error; it takes no more
}

func (x *submitter) Context() context.Context { return x.ctx }

func (x *submitter) Key(st *state) (*key, error) {
	if k := st.named[keyName{x.s.Tenant, x.s.Key}]; k != nil {
		return k, nil
	}
	return nil, &problem{is: errBadKey, message: fmt.Sprintf("the tenant %q has no key %q", x.s.Tenant, x.s.Key)}
}

var batchClass = []string{weir.Batch.String()}

func (x *submitter) Header(name string) []string {
	if name == "X-Weir-Class" && x.s.Class == weir.Batch {
		return batchClass
	}
	return x.s.Header[name]
}

func (x *submitter) Body(limit int64, _ time.Duration, m *bodyMemory) (*buffer, error) {
	switch {
	case x.ctx.Err() != nil:
		return nil, x.ctx.Err()
	case int64(len(x.s.Body)) > limit:
		return nil, errOverLimit
	}
	if b := m.lent(x.s.Body); b != nil {
		return b, nil
	}
	return nil, errNoMemory
}

func (x *submitter) Set(name, value string) { x.header[name] = []string{value} }
func (x *submitter) Add(name, value string) { x.header[name] = append(x.header[name], value) }

func (x *submitter) Start(_ time.Time, status int, _ int64) {
	x.begun = status < 300
	x.to.Start(status, x.header)
}

func (x *submitter) Send(p []byte) error {
	if x.lost != nil {
		return x.lost
	}
	if _, err := x.to.Write(p); err != nil {
		x.lost = fmt.Errorf("the sink takes no more: %w", err)
		x.leave(x.lost)
	}
	return x.lost
}

func (x *submitter) Flush(time.Time) error { return x.lost }

// End does nothing: Submit returns the result.
func (x *submitter) End(ending) {}
