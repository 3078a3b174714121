package gateway

import (
	"net"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// failure is how an attempt ended that sent the caller nothing.
type failure struct {
	problem *problem
	result  dispatch.Result
	retry   bool             // another replica or deployment may succeed
	after   time.Duration    // with Throttled: how long to avoid this one
	lacks   upstream.Feature // with Incapable: the feature that its server lacks
	cause   error            // for the log; nil: the problem is complete
}

// maxErrorBody bounds how much of an upstream's error is read.
const maxErrorBody = 1 << 20

// attempt sends the request to the replica that was granted and passes its answer on. A
// failure may be retried as long as the caller has been sent nothing.
func (c *call) attempt() *failure {
	if f := c.prepare(); f != nil {
		return f
	}
	b := &c.booking
	if b.granted.HedgeAfter > 0 && c.ask.stream {
		return c.race()
	}
	reply, err := b.target.client.Do(c.x.ctx(), b.granted.Addr, &c.up)
	if err != nil {
		return c.failed(err)
	}
	b.reply = reply
	b.hear()
	c.ownFrom = c.g.now()
	switch {
	case reply.Status >= 300:
		return c.refusedBy(reply)
	case c.ask.stream && reply.IsStream():
		return c.relay(&stream{c: c, events: reply.Events()})
	}
	return c.whole(reply)
}

// prepare makes an attempt's request, or says why the replica cannot have it. It is kept
// out of the frame of attempt, which stays on the stack for as long as the answer takes.
//
//go:noinline
func (c *call) prepare() *failure {
	b := &c.booking
	b.rec.Attempts++
	b.used = weir.Usage{}
	c.renaming, c.ownModel = renaming{scratch: c.renaming.scratch[:0]}, ""
	b.target = c.targetOf(b.granted.Deployment)
	if b.target == nil {
		return &failure{problem: &problem{is: errNoReplica}, result: dispatch.Unavailable, retry: true}
	}
	if f := b.serve(b.target); f != nil {
		return f
	}
	if f := c.unpriced(b.target); f != nil {
		return f
	}
	if f := c.afford(b.target); f != nil {
		return f
	}
	b.spilled = false
	b.rec.Own += b.queuedAt.Sub(c.ownFrom)
	if b.granted.HedgeAfter <= 0 || !c.ask.stream { // otherwise each racer composes its own
		c.compose(b.target)
	}
	b.rec.Own += c.g.now().Sub(b.grantedAt)
	return nil
}

// targetOf finds a deployment in the current configuration or, if it was removed, in
// the one the request began with. Both are held until the call ends.
func (c *call) targetOf(deployment string) *target {
	if now := c.g.state.Load(); now != c.st && now != c.later {
		if c.later != nil {
			c.later.drop()
		}
		c.later = c.g.present()
	}
	if c.later != nil {
		if t := c.later.targets[deployment]; t != nil {
			return t
		}
	}
	return c.st.targets[deployment]
}

// failed translates an error of the upstream client; the next attempt starts now.
func (c *call) failed(err error) *failure {
	c.ownFrom = c.g.now()
	if ctx := c.x.ctx(); ctx.Err() != nil {
		p, _ := explain(gone(ctx))
		return &failure{problem: p, result: dispatch.Abandoned}
	}
	return ofUpstream(err)
}

// compose makes the upstream's request from the caller's.
func (c *call) compose(t *target) {
	c.segments, c.asksUsage = compose(t, c.s.do, &c.ask, c.body, c.segments, c.edits[:0])
	c.fields = passRequestHeaders(&c.x, c.fields[:0])
	c.up = c.callOf(t, c.segments, c.fields)
	c.fields = c.up.Header
}

// callOf is the upstream's request.
func (c *call) callOf(t *target, body net.Buffers, fields []upstream.Field) upstream.Call {
	if t.Spillover.To != "" {
		fields = append(fields, upstream.Field{Name: "x-ms-spillover-deployment", Value: t.Spillover.To})
	}
	return upstream.Call{
		Op: c.s.op, Body: body, ContentType: "application/json", Header: fields,
		RequestID: c.booking.rec.RequestID, Stream: c.ask.stream,
	}
}

// refusedBy reads an upstream's error. The caller's own mistakes go to the caller
// unchanged; other errors may be retried.
func (c *call) refusedBy(r *upstream.Reply) *failure {
	body, err := readAll(r, r.ContentLength, maxErrorBody)
	return c.refused(r, body, err)
}

// refused judges the body of an error status and frees it. err is how reading it ended.
func (c *call) refused(r *upstream.Reply, body *buffer, err error) *failure {
	defer body.free()
	if err != nil && err != errOverLimit {
		return c.failed(err)
	}
	said := c.callersPlaces(body)
	u := c.s.do.ReadFailure(r.Status, r.Header, said, time.Now())
	f := ofFailure(&u)
	if u.ContextLength && c.booking.served.hasLonger(c.booking.target) {
		f.result, f.retry = dispatch.TooLong, true
		return f
	}
	if u.Fault != weir.CallerFault || f.retry || err == errOverLimit || r.Status >= 500 || !c.s.dialect.Words(said) {
		return f // worded in the caller's dialect
	}
	if c.x.claim(); c.x.opened() {
		return f // as an event
	}
	c.x.set("X-Weir-Fault", weir.CallerFault.String())
	c.startAnswer(r, int64(len(said)))
	c.booking.release(dispatch.Rejected)
	if c.x.send(said) == nil {
		c.x.flush()
	}
	c.finished = true
	return f
}

// startAnswer sends the upstream's status and headers with the gateway's own.
func (c *call) startAnswer(r *upstream.Reply, size int64) {
	c.x.claim()
	passAnswerHeaders(&c.x, r, c.booking.rec.RequestID)
	c.sayWhere()
	c.x.start(r.Status, size)
}
