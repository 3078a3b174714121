package gateway

import (
	"errors"
	"net"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// call is one request to a model on its way through the gateway.
type call struct {
	g       *Gateway
	x       exchange
	s       surface
	st      *state // in force when the request came
	later   *state // in force at a later attempt, if another
	key     *key
	ask     ask
	body    []byte // the booking's
	booking booking

	asksUsage  bool // usage in the stream was asked for by the gateway, not by the caller
	streaming  bool // status and headers of a stream were sent
	sending    bool // the caller may be sending its body still
	sound      sound
	remembered bool   // whose the answer is, of the Responses API
	asked      string // the model's name, as the caller wrote it
	renaming   renaming
	ownModel   string       // how the upstream calls it, if otherwise
	pin        dispatch.Pin // where what the request goes on with is kept
	pinnedBy   string       // the member that names it
	finished   bool         // the caller has the end of its answer, or cannot get it any more
	events     int          // shown to the caller
	err        error        // why it did not complete
	over       bool         // nothing will touch it any more

	ownFrom weir.Instant // since when the time is the gateway's own; 0: it is not

	// Scratch that would otherwise be allocated for every request.
	segments net.Buffers
	edits    [5]edit
	fields   []upstream.Field
	names    []uint64 // of the prompt's blocks
	up       upstream.Call
}

func newCall() any {
	return &call{booking: booking{verdict: make(chan dispatch.Verdict, 1)}}
}

// take returns a call that holds the configuration in force.
func (g *Gateway) take() *call {
	c := g.calls.Get().(*call)
	c.g, c.st = g, g.present()
	return c
}

// recycle forgets the request and keeps the memory, unless its handler
// panicked.
func (c *call) recycle() {
	c.letGo()
	if !c.over {
		return
	}
	pool, verdict, segments, fields, names := &c.g.calls, c.booking.verdict, c.segments[:0], c.fields[:0], c.names[:0]
	clear(segments[:cap(segments)])
	clear(fields[:cap(fields)])
	*c = call{segments: segments, fields: fields, names: names, booking: booking{verdict: verdict}}
	pool.Put(c)
}

// letGo drops the configurations that were held.
func (c *call) letGo() {
	for _, st := range []*state{c.st, c.later} {
		if st != nil {
			st.drop()
		}
	}
}

// serve takes one request to a model from its first byte to its Record.
func (c *call) serve() {
	c.open()
	defer c.booking.close(500, weir.Failure, weir.GatewayFault, "internal_error") // after a panic; else long closed
	defer c.x.endTee(endsCut)                                                     // likewise
	defer c.x.stopPulse()
	err := c.admit()
	if err == nil {
		err = c.run()
	}
	c.end(err)
}

// run reserves, waits for a replica, and tries replicas until one has answered
// or the failure cannot be hidden any more.
func (c *call) run() error {
	ctx, b := c.x.ctx(), &c.booking
	prompt, output, err := c.reserve()
	if err != nil {
		return err
	}
	if c.g.second != nil {
		c.x.tee = c.g.second(c)
	}
	c.startPulse(c.pulseEvery())
	v, err := b.arrive(ctx, dispatch.Request{
		Tenant: b.rec.Tenant, Class: b.rec.Class, Prompt: prompt, Output: output, MaxOutput: c.ask.mayAnswer() * c.ask.n, Streams: c.ask.stream,
		Affinity: c.affinity(), Prefix: c.prefix(), Sticky: c.sticky(), Pin: c.pin, Key: c.key.id, Needs: c.needs(),
	})
	if err == nil && len(b.served.shadows) > 0 && c.pin == (dispatch.Pin{}) { // a shadow keeps no answers

		c.mirror(prompt, output)
	}
	for {
		if err != nil {
			return c.wordUnsupported(c.ofPin(err))
		}
		f := c.attempt(v)
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
		if v, err = b.retry(ctx, f); err != nil {
			return afterFailure(f, err)
		}
	}
}

// noteAt logs a failure that was the upstream's.
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

// afterFailure picks what to tell the caller when no further attempt was
// granted: the failure itself, with the later of the two times to come back.
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
