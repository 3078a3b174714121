package gateway

import (
	"time"

	"weir"
	"weir/dispatch"
)

// race is a hedged request in flight.
type race struct {
	first  *racer // the request itself
	second *racer // its copy; nil: none was sent
	copyID uint64 // the copy's ID in the core; 0: none
	loser  *racer // cancelled, perhaps not over yet
}

// race sends the request as attempt does. If the first token is late, it sends a copy
// to another replica. The first answer wins; the other request is cancelled at once.
func (c *call) race() *failure {
	b := &c.booking
	r := &race{first: c.racer(b.target, b.granted, b.grantedAt)}
	b.race = r
	late := time.NewTimer(b.granted.HedgeAfter)
	defer late.Stop()
	select {
	case <-r.first.over:
	case <-late.C:
		c.hedge(r)
	}
	for {
		var second chan struct{} // nil: never over
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

// hedge sends the second request if the core grants it.
func (c *call) hedge(r *race) {
	b, now := &c.booking, c.g.now()
	v, ok := b.served.hedge(now, b.id)
	if !ok {
		return
	}
	r.copyID = v.ID
	t := c.targetOf(v.Deployment)
	if t == nil || t.serves != r.first.target.serves { // the deployment was just removed, or other limits count there
		b.endCopy(dispatch.Abandoned, weir.Usage{})
		return
	}
	b.rec.Attempts++
	r.second = c.racer(t, v, now)
}

// swap makes the copy the request and the request the copy.
func (c *call) swap(r *race) {
	c.booking.served.swap(c.g.now(), c.booking.id, r.copyID)
	r.first, r.second = r.second, r.first
}

// dropSecond ends a copy that is over and has not won.
func (c *call) dropSecond(r *race) {
	s := r.second
	f := s.failure()
	b, now := &c.booking, c.g.now()
	if f.result == dispatch.Throttled {
		b.served.pushBack(now, s.v.Deployment, s.v.Replica, now.Add(f.after))
		c.g.tellThrottled(s.target, s.v.Replica, now.Add(f.after))
	}
	code := answers[f.problem.is].code
	b.trail.add(s.v.Deployment, code)
	c.noteAt(s.target, f, s.v.Deployment, s.v.Replica)
	c.observeCopy(s, f)
	b.endCopy(f.result, weir.Usage{})
	b.sayCopy(s, "failed", weir.Usage{})
	s.close()
	r.second = nil
}

// finish cancels the loser, if any, and passes on the winner's answer.
func (c *call) finish(r *race, winner, loser *racer) *failure {
	b := &c.booking
	if loser != nil {
		loser.cancel()
		r.loser, r.second = loser, nil
		won := winner.v.Reason == dispatch.Hedged
		c.lose(loser, won)
		if won {
			b.rec.Reason = string(dispatch.Hedged)
		}
	}
	b.target, b.grantedAt, b.reply, c.asksUsage = winner.target, winner.sent, winner.reply, winner.asked
	b.rec.Deployment, b.rec.Replica = winner.v.Deployment, winner.v.Replica
	if winner.err != nil {
		return c.failed(winner.err)
	}
	c.ownFrom = c.g.now()
	b.hear()
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

// lose accounts for a loser: its slot is free at once, and no tenant pays for it.
func (c *call) lose(s *racer, won bool) {
	b := &c.booking
	used := weir.Usage{Prompt: int64(c.ask.promptTokens()), Estimated: true}
	result, word := "lost", string(dispatch.Hedged)+"_lost"
	if won {
		result, word = "won", "hedged"
	}
	b.trail.add(s.v.Deployment, word)
	if won { // the first was too slow; a copy that just began says nothing
		c.observeCopy(s, &failure{problem: &problem{is: errClientGone}, result: dispatch.Abandoned})
	}
	b.endCopy(dispatch.Abandoned, used)
	b.sayCopy(s, result, used)
}

// observeCopy passes the result of a copy to its trial.
func (c *call) observeCopy(s *racer, f *failure) {
	if !s.target.onTrial {
		return
	}
	other := booking{g: c.g, served: c.booking.served, grantedAt: s.sent, rec: weir.Record{Arrived: c.booking.rec.Arrived}}
	if o, ok := other.outcome(c.g.now(), f); ok {
		c.g.observe(c.g.now(), s.target, o)
	}
}

// endCopy reports to the core that the copy has ended.
func (b *booking) endCopy(how dispatch.Result, used weir.Usage) {
	if b.race != nil && b.race.copyID != 0 {
		b.served.endCopy(b.g.now(), b.race.copyID, how, used)
		b.race.copyID = 0
	}
}

// sayCopy reports the copy.
func (b *booking) sayCopy(s *racer, result string, used weir.Usage) {
	a := weir.Copy{
		Kind: weir.HedgeCopy, Result: result, RequestID: b.rec.RequestID, Model: b.rec.Model,
		Deployment: s.v.Deployment, Replica: s.v.Replica, Sent: s.sent, Ended: b.g.now(), Usage: used, Cost: s.target.Rates.Cost(used),
	}
	b.g.sayCopy(a)
}

// endRace waits until nothing of a race uses the request's body. The connections of
// cancelled racers are closed already or about to be.
func (b *booking) endRace() {
	if b.race == nil {
		return
	}
	b.endCopy(dispatch.Abandoned, weir.Usage{})
	for _, r := range [...]*racer{b.race.first, b.race.second, b.race.loser} {
		if r != nil {
			r.cancel()
			<-r.over
			r.close()
		}
	}
	b.race = nil
}

// hedge asks the core to grant a second copy of a request.
func (m *model) hedge(now weir.Instant, id uint64) (dispatch.Verdict, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.lastID++
	return m.core.Hedge(now, id, m.lastID)
}

// swap exchanges a request and its copy in the core.
func (m *model) swap(now weir.Instant, id, copyID uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.core.Swap(now, id, copyID)
}
