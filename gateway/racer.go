package gateway

import (
	"context"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// racer is one of the two upstream requests of a hedged request, until the first token.
// Its own goroutine sends and reads it, and touches nothing of the call except the
// body; the call's goroutine judges it.
type racer struct {
	target *target
	v      dispatch.Verdict
	sent   weir.Instant
	asked  bool // the gateway asked for usage in the stream
	call   upstream.Call
	cancel context.CancelFunc
	over   chan struct{} // closed when the fields below are final

	reply  *upstream.Reply
	err    error   // set if there is no reply
	lead   *stream // of a streamed reply, read up to its first token
	body   *buffer // of a reply with an error status
	broken error   // the error that cut that body
}

// racer sends the request to one replica, with the body composed for it.
func (c *call) racer(t *target, v dispatch.Verdict, at weir.Instant) *racer {
	ctx, cancel := context.WithCancel(c.x.ctx())
	r := &racer{target: t, v: v, sent: at, cancel: cancel, over: make(chan struct{})}
	segments, asked := compose(t, c.s.do, &c.ask, c.body, nil, nil)
	r.asked = asked
	r.call = c.callOf(t, segments, passRequestHeaders(&c.x, nil))
	s := &stream{c: c, asks: asked}
	go func() {
		defer close(r.over)
		r.run(ctx, s)
	}()
	return r
}

// run sends the request and reads enough of the answer to decide the race.
func (r *racer) run(ctx context.Context, s *stream) {
	if r.reply, r.err = r.target.client.Do(ctx, r.v.Addr, &r.call); r.err != nil {
		return
	}
	switch {
	case r.reply.Status >= 300:
		r.body, r.broken = readAll(r.reply, r.reply.ContentLength, maxErrorBody)
	case r.reply.IsStream():
		s.events = r.reply.Events()
		s.readLead(r.target)
		r.lead = s
	}
}

// wins says whether the reply settles the request: a token, a whole answer, or a
// refusal that any other replica would repeat.
func (r *racer) wins() bool {
	switch {
	case r.err != nil:
		return false
	case r.reply.Status >= 300:
		f := r.refusal()
		return !f.retry
	case r.lead != nil:
		kind := r.lead.ahead.Kind
		return r.lead.leadErr == nil && kind != upstream.Failed && kind != upstream.Malformed && kind != upstream.Done
	}
	return true
}

// refusal reads an error status.
func (r *racer) refusal() *failure {
	if r.broken != nil && r.broken != errOverLimit {
		return ofUpstream(r.broken)
	}
	u := r.target.Upstream.Dialect.Operation(r.call.Op).ReadFailure(r.reply.Status, r.reply.Header, r.body.b, time.Now())
	return ofFailure(&u)
}

// failure is why a finished racer did not win.
func (r *racer) failure() *failure {
	switch {
	case r.err != nil:
		return ofUpstream(r.err)
	case r.reply.Status >= 300:
		return r.refusal()
	case r.lead.leadErr != nil:
		f := ofUpstream(r.lead.leadErr)
		if f.problem.is == errInternal { // the stream ended without an error of the connection
			f.problem = &problem{is: errCut}
		}
		return f
	case r.lead.ahead.Kind == upstream.Failed:
		return ofFailure(r.lead.ahead.Fail)
	case r.lead.ahead.Kind == upstream.Done: // before anything was produced or finished
		return unfinished()
	}
	return &failure{problem: &problem{is: errGarbled}, result: dispatch.Unhealthy, retry: true}
}

// close releases everything that a finished racer holds.
func (r *racer) close() {
	r.cancel()
	if r.reply != nil {
		r.reply.Close()
	}
	if r.lead != nil {
		r.lead.held.free()
		r.lead.held = nil
	}
	r.body.free()
	r.body = nil
}

// readLead reads up to the first event that must be sent or judged.
func (s *stream) readLead(t *target) {
	s.led = true
	for {
		e, err := s.events.Next()
		if err != nil {
			s.leadErr = err
			return
		}
		if e.Usage != nil {
			used := *e.Usage
			s.leadUsage = &used
		}
		if s.quiet.over(s.c.g, t, e.Kind) {
			s.leadErr = &upstream.Error{Kind: upstream.KindStall, Sent: true, Err: errQuiet}
			return
		}
		switch {
		case e.Produced:
		case e.Kind == upstream.Comment, e.Kind == upstream.Usage && s.asks, e.Kind == upstream.Meta && s.hold(e.Raw):
			continue
		}
		s.ahead = e
		return
	}
}

// takeLead handles the events that readLead read.
func (s *stream) takeLead() (*failure, bool) {
	s.led = false
	if s.leadUsage != nil {
		s.usage, s.c.booking.used = true, *s.leadUsage
	}
	if s.leadErr != nil {
		return s.ended(s.leadErr), true
	}
	return s.take(&s.ahead)
}
