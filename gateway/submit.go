package gateway

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"weir"
)

// Submission is one request to a model from inside the process: of a batch, of a
// pipeline, of a caller that waits for another's answer. It is what an HTTP
// request is to the path of the operation, and is treated as one: the same key
// with its limits and budgets, the same queue, replicas and retries, the same
// Record.
type Submission struct {
	Tenant, Key string // the names of the key it counts for; the key itself is not needed
	Op          weir.Op
	Class       weir.Class // Batch asks for less than the key gives; Interactive asks for nothing
	// Body is the JSON an HTTP caller would send, "stream" included. It is neither
	// changed nor copied, and must stay as it is until Submit returns; it counts
	// against Bounds.MaxBodyMemory as any other.
	Body []byte
	// Header holds what an HTTP caller may say in headers (X-Request-Id,
	// X-Weir-Session, Anthropic-Beta, ...), by canonical names. nil: nothing.
	Header map[string][]string
}

// Sink takes the answer to a Submission, in the goroutine of Submit.
type Sink interface {
	// Start comes once at most, before the first Write: the status and the headers
	// an HTTP caller would get. The header is the sink's to keep.
	Start(status int, header map[string][]string)
	// Write takes the next part of the body, of a stream one or more whole events
	// as they come; p is good until it returns. A sink that blocks holds its replica
	// as long as a caller that is slow to read. An error ends the request, as a
	// caller that leaves does.
	Write(p []byte) (int, error)
}

// SubmitError is why a Submission did not complete. What its sink was given is the
// body of an error, or, where Broken, the beginning of an answer.
type SubmitError struct {
	Status  int           // as an HTTP caller would have got it had nothing been sent; 499: the submitter left
	Fault   weir.Fault    // whose it is
	Code    string        // machine-readable, as in the Record and the metrics
	Message string        // what, where, limit and remedy
	After   time.Duration // when to come back; 0: nothing is known
	Broken  bool          // the sink has a part of an answer (of a stream with an error event at its end)
	cause   error
}

// Error says it in one line.
func (e *SubmitError) Error() string { return fmt.Sprintf("%s (%s)", e.Message, e.Code) }

// Unwrap is what ended the request from the submitter's side: the cause of its
// context's end, or the error of its sink. nil where it was something else.
func (e *SubmitError) Unwrap() error { return e.cause }

// Submit takes one request through the gateway and returns when it has ended. Its
// answer goes to the sink as it comes. The Record is the one that was emitted.
//
// The error is nil if the answer is whole and the sink has all of it, and else a
// *SubmitError; an answer that breaks off is never a silent end. When ctx ends, so
// does the request, in whatever phase; its error then wraps the cause of ctx.
// Run lets submissions that have begun go on for Options.Drain when it stops and
// then cuts them; one that comes later is refused (gateway_stopping), without a
// Record, as a connection would be. Deadlines of queues are kept while Run runs.
func (g *Gateway) Submit(ctx context.Context, s Submission, to Sink) (weir.Record, error) {
	ctx, leave := context.WithCancelCause(ctx)
	defer leave(nil)
	if !g.inside.enter() {
		return weir.Record{}, submitError(errStopping, nil)
	}
	defer g.inside.leave()
	defer context.AfterFunc(g.inside.ctx, func() { leave(errStopping) })()
	x := &submitter{s: &s, ctx: ctx, leave: leave, to: to, header: map[string][]string{}}
	return g.submit(x)
}

func (g *Gateway) submit(x *submitter) (rec weir.Record, err error) {
	c := g.take()
	defer c.recycle()
	defer func() {
		if p := recover(); p != nil { // one request's, as net/http has it
			rec, err = c.booking.rec, submitError(errInternal, x)
			g.log.Error("a submission panicked", "request", rec.RequestID, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	c.x = exchange{from: x, method: "POST", size: int64(len(x.s.Body))}
	var ok bool
	if c.s, ok = g.surfaces.of(x.s.Op); !ok {
		return weir.Record{}, submitError(&problem{is: errNotSpoken, message: fmt.Sprintf("no protocol of this gateway has %s requests", x.s.Op)}, nil)
	}
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
	begun  bool                // an answer was: not an error
	lost   error               // of the sink, which takes no more
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

// End needs to say nothing: Submit does.
func (x *submitter) End(ending) {}
