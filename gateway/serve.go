package gateway

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// call is one request to a model on its way through the gateway.
type call struct {
	g     *Gateway
	x     exchange
	s     surface
	st    *state // in force when the request came
	later *state // in force at a later attempt, if another
	key   *key
	ask   ask
	body  []byte // the lease's
	lease lease

	asksUsage bool // usage in the stream was asked for by the gateway, not by the caller
	streaming bool // status and headers of a stream were sent
	told      bool // the caller has seen how the stream ended, or cannot be told
	events    int  // shown to the caller
	over      bool // nothing will touch it any more

	ownFrom weir.Instant // since when the time is the gateway's own; 0: it is not

	// Scratch that would otherwise be made anew for every request.
	segments net.Buffers
	edits    [2]edit
	fields   []upstream.Field
	up       upstream.Call
}

func newCall() any {
	return &call{lease: lease{verdict: make(chan dispatch.Verdict, 1)}}
}

// recycle forgets the request and keeps the memory, unless its handler
// panicked.
func (c *call) recycle() {
	c.letGo()
	if !c.over {
		return
	}
	pool, verdict, segments, fields := &c.g.calls, c.lease.verdict, c.segments[:0], c.fields[:0]
	clear(segments[:cap(segments)])
	clear(fields[:cap(fields)])
	*c = call{segments: segments, fields: fields, lease: lease{verdict: verdict}}
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
	defer c.lease.close(500, weir.Failure, weir.GatewayFault, "internal_error") // after a panic; else long closed
	err := c.admit()
	if err == nil {
		err = c.run()
	}
	c.end(err)
}

// open makes the lease: from here on the request counts.
func (c *call) open() {
	now := c.g.now()
	c.g.arrived.Add(1)
	id := c.x.get("X-Request-Id")
	if !saneID(id) {
		id = c.g.ids.next()
	}
	l := &c.lease
	l.g, l.holds = c.g, holdsPlace
	l.rec = weir.Record{RequestID: id, Op: c.s.op, Arrived: now}
	c.g.open.Add(1)
	c.x.set("X-Request-Id", id)
}

// admit lets the request in or says why not: key, body, model, bounds, limits.
func (c *call) admit() error {
	var err error
	if c.x.method() != "POST" {
		c.x.set("Allow", "POST")
		return errMethod
	}
	if c.key, err = authenticate(&c.x, c.st.keys); err != nil {
		return err
	}
	rec := &c.lease.rec
	rec.Tenant, rec.Key = c.key.tenant.name, c.key.name
	if n := c.g.open.Load(); n > int64(c.st.bounds.MaxRequests) {
		return &problem{is: errGatewayFull, message: fmt.Sprintf("the gateway holds %d requests, the most it may (max_requests): retry in a second",
			c.st.bounds.MaxRequests), after: time.Second, hasAfter: true}
	}
	if err := c.read(); err != nil {
		return err
	}
	c.ownFrom = c.g.now()
	if err := c.findModel(); err != nil {
		return err
	}
	return c.openStream()
}

// read reads the body and finds in it what the gateway needs.
func (c *call) read() error {
	if e := c.x.get("Content-Encoding"); e != "" && e != "identity" {
		return errEncoding
	}
	body, err := c.x.readBody(c.st.bounds.MaxBody, c.st.bounds.BodyTimeout)
	c.lease.body = body
	switch {
	case errors.Is(err, errOverLimit):
		return &problem{is: errTooLarge, message: fmt.Sprintf("the request body is larger than %d bytes, the most that is read (max_body)", c.st.bounds.MaxBody)}
	case errors.Is(err, errSlowBody):
		return &problem{is: errSlowBody, message: fmt.Sprintf("the request body did not arrive within %s (body_timeout)", c.st.bounds.BodyTimeout)}
	case err != nil && c.x.ctx().Err() != nil:
		return gone(c.x.ctx())
	case err != nil:
		return errCutBody
	}
	c.body = body.b
	if c.ask, err = readAsk(c.body); err != nil {
		return ofBody(err)
	}
	return nil
}

// findModel finds the model asked for and whether the key may use it.
func (c *call) findModel() error {
	name := c.s.model
	if name == "" {
		name = c.ask.modelName(c.body)
	}
	if name == "" {
		return &problem{is: errNoModel, param: "model"}
	}
	m := c.st.models[name]
	if m == nil {
		return &problem{is: errUnknownModel, param: "model",
			message: fmt.Sprintf("the model %q does not exist here: GET /v1/models lists those the key may use", shortened(name))}
	}
	c.lease.served = m
	rec := &c.lease.rec
	rec.Model, rec.Class, rec.Stream = m.name, m.classOf(c.key.tenant), c.ask.stream
	if c.x.get("X-Weir-Class") == weir.Batch.String() {
		rec.Class = weir.Batch // a request may ask for less, never for more
	}
	if !c.key.tenant.mayUse(m.name) {
		return &problem{is: errModelForbidden, param: "model",
			message: fmt.Sprintf("the key's tenant %q may not use the model %q", c.key.tenant.name, m.name)}
	}
	return m.speaks(c.s.op)
}

func (c *call) openStream() error {
	if !c.ask.stream {
		return nil
	}
	c.lease.holds |= holdsStream
	if n := c.g.streams.Add(1); n > int64(c.st.bounds.MaxStreams) {
		return &problem{is: errStreamsFull, message: fmt.Sprintf("the gateway holds %d streams, the most it may (max_streams): retry in a second",
			c.st.bounds.MaxStreams), after: time.Second, hasAfter: true}
	}
	return nil
}

// run reserves, waits for a replica, and tries replicas until one has answered
// or the failure cannot be hidden any more.
func (c *call) run() error {
	ctx, l := c.x.ctx(), &c.lease
	prompt, output := c.ask.promptTokens(), 0
	if c.s.op != weir.OpEmbeddings {
		output = c.g.spend.expect(l.rec.Tenant, l.rec.Model, c.ask.maxTokens) * c.ask.n
	}
	l.answers = c.ask.n
	if err := l.reserve(c.g.now(), c.key, int64(prompt), int64(output)); err != nil {
		return err
	}
	v, err := l.arrive(ctx, dispatch.Request{Tenant: l.rec.Tenant, Class: l.rec.Class, Prompt: prompt, Output: output})
	for {
		if err != nil {
			return err
		}
		f := c.attempt(v)
		if f == nil {
			return nil
		}
		c.note(f)
		if !f.retry || c.x.started {
			l.release(f.result)
			return f.problem
		}
		l.rec.TTFT = 0
		if v, err = l.retry(ctx, f); err != nil {
			return afterFailure(f, err)
		}
	}
}

// note logs a failure that was the upstream's.
func (c *call) note(f *failure) {
	if t := c.lease.target; t != nil && answers[f.problem.is].fault == weir.UpstreamFault {
		err := f.cause
		if err == nil {
			err = f.problem
		}
		t.trouble.log(c.g.log, c.g.now(), &c.lease.rec, answers[f.problem.is].code, err)
	}
}

// afterFailure picks what to tell the caller when no further attempt was
// granted: the failure itself, with the later of the two times to come back.
func afterFailure(f *failure, refused error) error {
	if errors.Is(refused, errClientGone) || errors.Is(refused, errStopping) {
		return refused
	}
	var r *problem
	if errors.As(refused, &r) && r.hasAfter {
		f.problem.after, f.problem.hasAfter = max(f.problem.after, r.after), true
	}
	return f.problem
}

// end tells the caller how the request ended, if it was not told yet, and
// closes the lease.
func (c *call) end(err error) {
	if err == nil {
		c.lease.close(c.x.status, weir.Completed, weir.NoFault, "")
		return
	}
	p, a := explain(err)
	outcome := weir.Failure
	if c.lease.rec.Attempts == 0 && p.is != errClientGone && p.is != errStopping {
		outcome = weir.Refused
	}
	away := p.is == errClientGone || p.is == errClientSlow
	cutShort := c.x.started && !c.streaming && !c.told
	c.lease.release(dispatch.Abandoned) // before a slow caller is written to
	switch {
	case away || c.told:
	case !c.x.started:
		c.sayError(p, a)
	case c.streaming:
		if c.x.send(errorEvent(c.s.dialect, c.s.op, p, a, c.events)) == nil {
			c.x.flush()
		}
	}
	status := a.status
	if c.x.started && !away {
		status = c.x.status
	}
	c.lease.close(status, outcome, a.fault, a.code)
	if cutShort {
		c.x.abort()
	}
}

// sayError answers with an error in the caller's dialect.
func (c *call) sayError(p *problem, a answer) {
	c.x.set("X-Weir-Fault", a.fault.String())
	if d := c.lease.rec.Deployment; d != "" {
		c.sayWhere()
	}
	if a.status == 429 || a.status == 503 {
		sayRetryAfter(&c.x, p)
	}
	if p.is == errTooLarge || p.is == errSlowBody || p.is == errCutBody {
		c.x.closeAfter()
	}
	body := errorBody(c.s.dialect, p, a)
	c.x.set("Content-Type", "application/json")
	c.x.start(a.status, int64(len(body)))
	c.x.send(body)
}

// sayRetryAfter says when to come back, where that is known.
func sayRetryAfter(x *exchange, p *problem) {
	if p.hasAfter {
		seconds, ms := retryAfter(p.after)
		x.set("Retry-After", seconds)
		x.set("Retry-After-Ms", ms)
	}
}

// retryAfter words a time in milliseconds, and rounded up to whole seconds for
// who reads only those.
func retryAfter(d time.Duration) (seconds, milliseconds string) {
	ms := int64((d + time.Millisecond - 1) / time.Millisecond)
	return strconv.FormatInt((ms+999)/1000, 10), strconv.FormatInt(ms, 10)
}

// sayWhere says who answers and how long the request waited for it.
func (c *call) sayWhere() {
	rec := &c.lease.rec
	c.x.set("X-Weir-Deployment", rec.Deployment)
	c.x.set("X-Weir-Replica", rec.Replica)
	c.x.set("X-Weir-Queue-Ms", strconv.FormatInt(rec.Queued.Milliseconds(), 10))
}

// shortened keeps what a caller sent from filling messages.
func shortened(s string) string {
	const most = 100
	if len(s) <= most {
		return s
	}
	return s[:most] + "..."
}
