package gateway

import (
	"context"
	"time"

	"weir"
	"weir/dispatch"
	"weir/upstream"
)

// racer is one of the two upstream requests of a hedged request, until the first
// token: sent and read by a goroutine of its own, which touches nothing of the
// call but its body, and judged by the call's.
type racer struct {
	target *target
	v      dispatch.Verdict
	sent   weir.Instant
	asked  bool // usage in the stream was asked for by the gateway
	call   upstream.Call
	cancel context.CancelFunc
	over   chan struct{} // closed when what follows is settled

	reply  *upstream.Reply
	err    error   // there is no reply
	lead   *stream // of a reply that is a stream: read up to its first token
	body   *buffer // of a reply with an error status
	broken error   // which broke off
}

// race is a hedged request that is under way.
type race struct {
	first  *racer // the request itself
	second *racer // its copy; nil: none was sent
	copyID uint64 // what the core knows the copy by; 0: it knows none
	loser  *racer // cancelled, perhaps not over yet
}

// race sends the request as attempt does and, when its first token is late, a
// second time elsewhere. The first that answers is the answer; the other is
// cancelled at once. v is the verdict of the first.
func (c *call) race(v dispatch.Verdict) *failure {
	l := &c.lease
	r := &race{first: c.racer(l.target, v, l.grantedAt)}
	l.race = r
	late := time.NewTimer(v.HedgeAfter)
	defer late.Stop()
	select {
	case <-r.first.over:
	case <-late.C:
		c.hedge(r)
	}
	for {
		second := make(chan struct{}) // never closed
		if r.second != nil {
			second = r.second.over
		}
		won := false
		select {
		case <-r.first.over:
			won = r.second == nil || r.first.wins()
			if !won && c.x.ctx().Err() == nil {
				c.swap(r)
				c.dropSecond(r)
			}
		case <-second:
			switch {
			case c.x.ctx().Err() != nil:
			case r.second.wins():
				c.swap(r)
				won = true
			default:
				c.dropSecond(r)
			}
		}
		if won || c.x.ctx().Err() != nil {
			<-r.first.over
			return c.finish(r, r.first, r.second)
		}
	}
}

// racer sends the request to one replica, with its body as that wants it.
func (c *call) racer(t *target, v dispatch.Verdict, at weir.Instant) *racer {
	ctx, cancel := context.WithCancel(c.x.ctx())
	r := &racer{target: t, v: v, sent: at, cancel: cancel, over: make(chan struct{})}
	segments, asked := compose(t, c.s.op, &c.ask, c.body, nil, nil)
	r.asked = asked
	r.call = c.callOf(t, segments, passRequestHeaders(&c.x, nil))
	s := &stream{c: c, asks: asked}
	go func() {
		defer close(r.over)
		r.run(ctx, s)
	}()
	return r
}

// run sends the request and reads as much of the answer as shows who wins.
func (r *racer) run(ctx context.Context, s *stream) {
	if r.reply, r.err = r.target.client.Do(ctx, r.v.Addr, &r.call); r.err != nil {
		return
	}
	switch {
	case r.reply.Status >= 300:
		r.body, r.broken = readAll(r.reply, r.reply.ContentLength, maxErrorBody)
	case isEventStream(r.reply):
		s.events = r.reply.Events()
		s.readLead()
		r.lead = s
	}
}

// wins says whether what came settles the request: a token, a whole answer, or a
// refusal that any other replica would give too.
func (r *racer) wins() bool {
	switch {
	case r.err != nil:
		return false
	case r.reply.Status >= 300:
		f := r.refusal()
		return !f.retry
	case r.lead != nil:
		return r.lead.leadErr == nil && r.lead.ahead.Kind != upstream.Failed && r.lead.ahead.Kind != upstream.Malformed
	}
	return true
}

// refusal reads an error status.
func (r *racer) refusal() *failure {
	if r.broken != nil && r.broken != errOverLimit {
		return ofUpstream(r.broken)
	}
	u := upstream.ReadFailure(r.call.Op, r.reply.Status, r.reply.Header, r.body.b, time.Now())
	return ofFailure(&u)
}

// failure is why a racer that is over did not win.
func (r *racer) failure() *failure {
	switch {
	case r.err != nil:
		return ofUpstream(r.err)
	case r.reply.Status >= 300:
		return r.refusal()
	case r.lead.leadErr != nil:
		f := ofUpstream(r.lead.leadErr)
		if f.problem.is == errInternal { // an end that is no error of the connection
			f.problem = &problem{is: errCut}
		}
		return f
	case r.lead.ahead.Kind == upstream.Failed:
		return ofFailure(r.lead.ahead.Fail)
	}
	return &failure{problem: &problem{is: errGarbled}, result: dispatch.Unhealthy, retry: true}
}

// hedge sends the second request if the core has a place for it.
func (c *call) hedge(r *race) {
	l, now := &c.lease, c.g.now()
	v, ok := l.served.hedge(now, l.id)
	if !ok {
		return
	}
	r.copyID = v.ID
	t := c.targetOf(v.Deployment)
	if t == nil || t.serves != r.first.target.serves { // it has just left the configuration, or other limits count there
		l.endCopy(dispatch.Abandoned, weir.Usage{})
		return
	}
	l.rec.Attempts++
	r.second = c.racer(t, v, now)
}

// swap lets the copy be the request, and the request be the copy.
func (c *call) swap(r *race) {
	c.lease.served.swap(c.g.now(), c.lease.id, r.copyID)
	r.first, r.second = r.second, r.first
}

// dropSecond ends the copy, which is over and has not won.
func (c *call) dropSecond(r *race) {
	s := r.second
	f := s.failure()
	l, now := &c.lease, c.g.now()
	if f.result == dispatch.Throttled {
		l.served.pushBack(now, s.v.Deployment, s.v.Replica, now.Add(f.after))
		c.g.tellThrottled(s.target, s.v.Replica, now.Add(f.after))
	}
	code := answers[f.problem.is].code
	l.way.add(s.v.Deployment, code)
	c.noteAt(s.target, f, s.v.Deployment, s.v.Replica)
	c.observeCopy(s, f)
	l.endCopy(f.result, weir.Usage{})
	l.sayCopy(s, "failed", weir.Usage{})
	s.close()
	r.second = nil
}

// finish cancels the loser, if there is one, and passes on what the winner has.
func (c *call) finish(r *race, winner, loser *racer) *failure {
	l := &c.lease
	if loser != nil {
		loser.cancel()
		r.loser, r.second = loser, nil
		won := winner.v.Reason == dispatch.Hedged
		c.lose(loser, won)
		if won {
			l.rec.Route = string(dispatch.Hedged)
		}
	}
	l.target, l.grantedAt, l.reply, c.asksUsage = winner.target, winner.sent, winner.reply, winner.asked
	l.rec.Deployment, l.rec.Replica = winner.v.Deployment, winner.v.Replica
	if winner.err != nil {
		return c.failed(winner.err)
	}
	c.ownFrom = c.g.now()
	l.hear()
	switch {
	case winner.body != nil:
		body := winner.body
		winner.body = nil
		return c.refused(winner.reply, body, winner.broken)
	case winner.lead != nil:
		return c.relay(winner.lead)
	}
	return c.whole(winner.reply)
}

// lose accounts for a loser: its slot is free at once, and what it has cost is
// nobody's bill.
func (c *call) lose(s *racer, won bool) {
	l := &c.lease
	used := weir.Usage{Prompt: int64(c.ask.promptTokens()), Estimated: true}
	result, word := "lost", string(dispatch.Hedged)+"_lost"
	if won {
		result, word = "won", "hedged"
	}
	l.way.add(s.v.Deployment, word)
	if won { // the first was too slow; a copy that has just begun says nothing
		c.observeCopy(s, &failure{problem: &problem{is: errClientGone}, result: dispatch.Abandoned})
	}
	l.endCopy(dispatch.Abandoned, used)
	l.sayCopy(s, result, used)
}

// observeCopy lets trials know of an attempt that is not the lease's.
func (c *call) observeCopy(s *racer, f *failure) {
	if !s.target.onTrial {
		return
	}
	other := lease{g: c.g, served: c.lease.served, grantedAt: s.sent, rec: weir.Record{Arrived: c.lease.rec.Arrived}}
	if o, ok := other.outcome(c.g.now(), f); ok {
		c.g.observe(c.g.now(), s.target, o)
	}
}

// endCopy tells the core that the copy has ended.
func (l *lease) endCopy(how dispatch.Result, used weir.Usage) {
	if l.race != nil && l.race.copyID != 0 {
		l.served.endAside(l.g.now(), l.race.copyID, how, used)
		l.race.copyID = 0
	}
}

// sayCopy tells what the copy was.
func (l *lease) sayCopy(s *racer, result string, used weir.Usage) {
	a := weir.Aside{
		Kind: weir.HedgeAside, Result: result, RequestID: l.rec.RequestID, Model: l.rec.Model,
		Deployment: s.v.Deployment, Replica: s.v.Replica, Sent: s.sent, Ended: l.g.now(), Usage: used, Cost: s.target.Rates.Cost(used),
	}
	l.g.sayAside(a)
}

// endRace waits until nothing of a race touches the request's body any more. The
// connections of those that were cancelled are closed already or this moment.
func (l *lease) endRace() {
	if l.race == nil {
		return
	}
	l.endCopy(dispatch.Abandoned, weir.Usage{})
	for _, r := range [...]*racer{l.race.first, l.race.second, l.race.loser} {
		if r != nil {
			r.cancel()
			<-r.over
			r.close()
		}
	}
	l.race = nil
}

// close gives back what a racer holds that is over.
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

// hedge asks the core for a place for a second copy of a request.
func (m *model) hedge(now weir.Instant, id uint64) (dispatch.Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastID++
	return m.core.Hedge(now, id, m.lastID)
}

// swap lets a copy and its request change places.
func (m *model) swap(now weir.Instant, id, copyID uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.Swap(now, id, copyID)
}
