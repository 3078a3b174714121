package gateway

import (
	"context"
	"errors"
	"net"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// call is one request to a model inside the gateway.
type call struct {
	g       *Gateway
	x       exchange
	s       surface
	st      *state // in force when the request arrived
	later   *state // in force at a later attempt, if it differs
	key     *key
	ask     ask
	body    []byte // the booking's
	booking booking

	asksUsage  bool   // the gateway, not the caller, asked for usage in the stream
	streaming  bool   // status and headers of a stream were sent
	sending    bool   // the caller may still be sending its body
	remembered bool   // the origin of the answer is recorded (Responses API)
	asked      string // the model's name, as the caller wrote it
	renaming   renaming
	ownModel   string        // the upstream's name for the model, if it differs
	pin        dispatch.Pin  // where the answer to continue is stored
	pinnedBy   string        // the member that names that answer
	finished   bool          // the caller has the end of its answer, or can no longer get it
	events     int           // sent to the caller
	look       *lookup       // its stored answer; nil: its model stores none
	vectors    *vectorSearch // its stored vectors; nil: the same
	err        error         // why it did not complete
	over       bool          // nothing uses the call any more

	ownFrom weir.Instant // start of the gateway's own time; 0: not counting

	// Scratch memory, reused to save an allocation per request.
	segments net.Buffers
	edits    [5]edit
	fields   []upstream.Field
	names    []uint64 // of the prompt's blocks
	up       upstream.Call
}

func newCall() any {
	return &call{booking: booking{verdict: make(chan dispatch.Verdict, 1)}}
}

// take returns a call that holds the current configuration.
func (g *Gateway) take() *call {
	c := g.calls.Get().(*call)
	c.g, c.st = g, g.present()
	return c
}

// recycle clears the call and pools its memory, unless its handler panicked.
func (c *call) recycle() {
	c.letGo()
	if l := c.look; l != nil && l.near != nil {
		c.g.untold(l.near)
	}
	c.look.free()
	c.g.claims.drop(c.vectors)
	if !c.over {
		return
	}
	pool, verdict, segments, fields, names := &c.g.calls, c.booking.verdict, c.segments[:0], c.fields[:0], c.names[:0]
	clear(segments[:cap(segments)])
	clear(fields[:cap(fields)])
	*c = call{} // in place: a literal of its size would be built on the stack
	c.segments, c.fields, c.names, c.booking.verdict = segments, fields, names, verdict
	pool.Put(c)
}

// letGo drops the held configurations.
func (c *call) letGo() {
	for _, st := range []*state{c.st, c.later} {
		if st != nil {
			st.drop()
		}
	}
}

// route serves a request by its path and method.
func (c *call) route() {
	if c.st.cors != nil {
		c.st.cors.sayOn(&c.x)
	}
	switch {
	case c.x.method == "OPTIONS":
		c.options()
	case c.s.service == callModel:
		c.serve()
	default:
		c.other()
	}
}

// serve takes one request to a model from its first byte to its Record.
func (c *call) serve() {
	c.open()
	defer c.booking.close(500, weir.Failure, weir.GatewayFault, "internal_error") // after a panic; otherwise closed long before
	defer c.x.endTee(endsCut)                                                     // the same
	defer c.x.stopPulse()
	err := c.admit()
	if err == nil {
		err = c.run()
	}
	c.end(err)
}

// run reserves, waits for a replica, and tries replicas until one has answered or the
// failure can no longer be hidden.
func (c *call) run() error {
	if c.booking.served.cheaper != nil {
		if over, err := c.cheaper(); over || err != nil {
			return err
		}
	}
	if c.booking.served.vectors != nil && c.s.op == weir.OpEmbeddings {
		if over, err := c.findVectors(); over || err != nil {
			return err
		}
	} else if c.booking.served.cache != nil {
		if over, err := c.lookUp(); over || err != nil {
			return err
		}
	}
	b := &c.booking
	prompt, output, err := c.reserve()
	if err != nil {
		return err
	}
	if c.g.second != nil {
		c.x.tee = c.g.second(c)
	}
	ctx := c.x.ctx()
	c.startPulse(c.pulseEvery())
	err = c.arrive(ctx, prompt, output)
	for {
		if err != nil {
			return c.wordUnsupported(c.ofPin(err))
		}
		f := c.attempt()
		c.learned(f)
		if f == nil {
			return nil
		}
		c.noteAt(b.target, f, b.rec.Deployment, b.rec.Replica)
		c.cannot(f)
		if !f.retry || c.x.started {
			b.release(f.result)
			return f.problem
		}
		b.rec.TTFT = 0
		b.trail.failed(b.rec.Deployment, answers[f.problem.is].code)
		if err = b.retry(ctx, f); err != nil {
			return afterFailure(f, err)
		}
	}
}

// arrive asks for a replica and waits for it.
//
//go:noinline
func (c *call) arrive(ctx context.Context, prompt, output int) error {
	b := &c.booking
	err := b.arrive(ctx, dispatch.Request{
		Tenant: b.rec.Tenant, Class: b.rec.Class, Prompt: prompt, Output: output, MaxOutput: c.ask.mayAnswer() * c.ask.n, Streams: c.ask.stream,
		Affinity: c.affinity(), Prefix: c.prefix(), Sticky: c.sticky(), Pin: c.pin, Key: c.key.id, Needs: c.needs(),
	})
	if err == nil && len(b.served.shadows) > 0 && c.pin == (dispatch.Pin{}) { // a shadow stores no answers
		c.mirror(prompt, output)
	}
	return err
}

// noteAt logs a failure of the upstream.
func (c *call) noteAt(t *target, f *failure, deployment, replica string) {
	if t != nil && answers[f.problem.is].fault == weir.UpstreamFault {
		err := f.cause
		if err == nil {
			err = f.problem
		}
		rec := weir.Record{RequestID: c.booking.rec.RequestID, Attempts: c.booking.rec.Attempts, Deployment: deployment, Replica: replica}
		t.trouble.log(c.g.log, c.g.now(), &rec, answers[f.problem.is].code, err)
	}
}

// afterFailure picks the error for the caller when no further attempt was granted: the
// failure itself, with the later of the two retry times.
func afterFailure(f *failure, refused error) error {
	if errors.Is(refused, errClientGone) || errors.Is(refused, errStopping) {
		return refused
	}
	var r *problem
	if errors.As(refused, &r) && r.is == errRequestFails {
		r.message = "the request failed on two replicas that answer other requests, so it will fail again unchanged: " + f.problem.Error()
		return r
	}
	if r != nil && r.hasAfter {
		f.problem.after, f.problem.hasAfter = max(f.problem.after, r.after), true
	}
	return f.problem
}
