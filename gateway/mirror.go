package gateway

import (
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// Mirror makes a deployment a shadow: it answers no caller and gets copies of the
// model's requests.
type Mirror struct {
	Share         float64 // of the model's requests, from 0 to 1
	MaxConcurrent int     // copies in flight; more are dropped; 0: 16
}

// mirrorGate admits copies: the configured share of the requests, and no more at once
// than allowed. It outlives a reload.
type mirrorGate struct {
	seen atomic.Int64 // requests
	open atomic.Int64 // copies in flight
}

// picks says whether to copy one more request: of any n requests it picks n*share, give
// or take one.
func (g *mirrorGate) picks(share float64) bool {
	n := float64(g.seen.Add(1))
	return int64(n*share) > int64((n-1)*share)
}

// enter admits a copy if fewer than most are in flight; leave ends it.
func (g *mirrorGate) enter(most int) bool {
	if g.open.Add(1) > int64(most) {
		g.leave()
		return false
	}
	return true
}

func (g *mirrorGate) leave() { g.open.Add(-1) }

// pair joins a request and its copies, whichever ends last.
type pair struct {
	mu     sync.Mutex
	record *weir.Record
	copies []weir.Copy // that ended before the request
}

// done records the end of the request and returns the copies that had already ended.
func (p *pair) done(r *weir.Record) []weir.Copy {
	p.mu.Lock()
	defer p.mu.Unlock()
	record := *r
	p.record = &record
	for i := range p.copies {
		p.copies[i].Beside = p.record
	}
	return p.copies
}

// ended records the end of a copy. It says whether the request had already ended.
func (p *pair) ended(a *weir.Copy) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.record == nil {
		p.copies = append(p.copies, *a)
		return false
	}
	a.Beside = p.record
	return true
}

// shadow is a copy of a request in flight.
type shadow struct {
	g       *Gateway
	st      *state
	t       *target
	p       *pair
	ask     ask
	body    []byte
	call    upstream.Call
	addr    string
	coreID  uint64
	copy    weir.Copy
	streams bool
}

// mirror sends copies of the request, which was just granted, to the model's shadows.
// It never waits: a copy without room is dropped.
func (c *call) mirror(prompt, output int) {
	for _, t := range c.booking.served.shadows {
		if !t.gate.picks(t.Mirror.Share) {
			continue
		}
		rec := &c.booking.rec
		a := weir.Copy{Kind: weir.MirrorCopy, Result: "dropped", RequestID: rec.RequestID, Model: rec.Model, Deployment: t.Name, Sent: c.g.now()}
		if !c.shadow(t, &a, prompt, output) {
			a.Ended = a.Sent
			c.g.sayCopy(a)
		}
	}
}

// shadow starts one copy, if there is room for it.
func (c *call) shadow(t *target, a *weir.Copy, prompt, output int) bool {
	if t.Upstream.Dialect.Operation(c.s.op) == nil || !t.gate.enter(t.Mirror.MaxConcurrent) {
		return false
	}
	v, ok := t.model.mirror(a.Sent, t.Name, dispatch.Request{
		Class: c.booking.rec.Class, Prompt: prompt, Output: output, MaxOutput: c.ask.mayAnswer() * c.ask.n, Affinity: c.affinity(), Key: c.key.id, Needs: c.needs(),
	})
	if !ok {
		t.gate.leave()
		return false
	}
	if !c.st.hold() { // cannot be: the call holds it
		c.g.endMirror(t, v.ID, dispatch.Abandoned, weir.Usage{})
		return false
	}
	a.Replica = v.Replica
	s := &shadow{g: c.g, st: c.st, t: t, ask: c.ask, body: slices.Clone(c.body), addr: v.Addr, coreID: v.ID, copy: *a, streams: c.ask.stream}
	if c.booking.pair == nil {
		c.booking.pair = new(pair)
	}
	s.p = c.booking.pair
	segments, _ := compose(t, c.s.do, &s.ask, s.body, nil, nil)
	s.call = upstream.Call{
		Op: c.s.op, Body: segments, ContentType: "application/json", Header: passRequestHeaders(&c.x, nil),
		RequestID: c.booking.rec.RequestID, Stream: c.ask.stream,
	}
	c.g.copies.Go(s.run)
	return true
}

// run sends the copy, reads its answer to the end and discards it.
func (s *shadow) run() {
	defer s.st.drop()
	a := &s.copy
	a.Result = "failed"
	err := s.exchange(s.g.copying)
	a.Ended = s.g.now()
	how := dispatch.Abandoned
	var e *upstream.Error
	switch {
	case err == nil && a.Status < 300:
		a.Result, how = "answered", dispatch.OK
	case err == nil && (a.Status == 429 || a.Status < 500):
		how = dispatch.Rejected
	case errors.As(err, &e) && e.Kind == upstream.KindCanceled: // the gateway stops
	default:
		how = dispatch.Unhealthy
	}
	a.Cost = s.t.Rates.Cost(a.Usage)
	s.g.endMirror(s.t, s.coreID, how, a.Usage)
	if s.p.ended(a) {
		s.g.sayCopy(*a)
	}
}

// exchange sends the request and reads its answer.
func (s *shadow) exchange(ctx context.Context) error {
	reply, err := s.t.client.Do(ctx, s.addr, &s.call)
	if err != nil {
		return err
	}
	defer reply.Close()
	s.copy.Status = reply.Status
	if reply.Status < 300 && s.streams && reply.IsStream() {
		return s.readStream(reply)
	}
	s.copy.TTFT = s.g.now().Sub(s.copy.Sent)
	body, err := readAll(reply, reply.ContentLength, int64(s.st.bounds.MaxAnswer))
	defer body.free()
	if err != nil || reply.Status >= 300 {
		return err
	}
	answer := s.t.Upstream.Dialect.Operation(s.call.Op).Format.Answer(body.b)
	if !answer.Whole {
		return errEmpty
	}
	if answer.HasUsage {
		s.copy.Usage = answer.Usage
	}
	return nil
}

// readStream reads a stream as a caller would.
func (s *shadow) readStream(reply *upstream.Reply) error {
	events := reply.Events()
	a := &s.copy
	tokens, finishes := int64(0), 0
	var last weir.Instant
	defer func() {
		if a.Usage == (weir.Usage{}) && tokens > 0 {
			a.Usage = weir.Usage{Prompt: int64(s.ask.promptTokens()), Completion: tokens, Estimated: true}
		}
		a.TPOT = tpot(a.Sent.Add(a.TTFT), last, max(a.Usage.Completion, tokens))
	}()
	for {
		e, err := events.Next()
		if err != nil {
			if err == io.EOF && finishes >= s.ask.n {
				return nil
			}
			return err
		}
		if e.Usage != nil {
			a.Usage = *e.Usage
		}
		if e.Produced {
			tokens++
			if last = s.g.now(); tokens == 1 {
				a.TTFT = last.Sub(a.Sent)
			}
		}
		switch e.Kind {
		case upstream.Failed, upstream.Malformed:
			return errGarbled
		case upstream.Finish:
			finishes++
		case upstream.Done:
			if _, open := events.Finished(); open || finishes == 0 {
				return errCut
			}
			return nil
		}
	}
}

// mirror asks the core to grant a copy. The verdict has the copy's ID.
func (m *model) mirror(now weir.Instant, deployment string, r dispatch.Request) (dispatch.Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastID++
	r.ID = m.lastID
	return m.core.Mirror(now, deployment, r)
}

// endCopy reports to the core that a copy has ended.
func (m *model) endCopy(now weir.Instant, id uint64, how dispatch.Result, used weir.Usage) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range m.core.Done(now, id, how, used) {
		m.deliver(v)
	}
	m.rearm()
}

func (g *Gateway) endMirror(t *target, id uint64, how dispatch.Result, used weir.Usage) {
	t.model.endCopy(g.now(), id, how, used)
	t.gate.leave()
}

func (g *Gateway) sayCopy(a weir.Copy) {
	if g.onCopy != nil {
		g.onCopy(a)
	}
}

// mirrored reports the copies that ended before their request did.
func (b *booking) mirrored() {
	if b.pair != nil {
		for _, a := range b.pair.done(&b.rec) {
			b.g.sayCopy(a)
		}
		b.pair = nil
	}
}
