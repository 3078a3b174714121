package gateway

import (
	"fmt"

	"weir/cache"
)

// follower is the progress of one that reads a leader's answer.
type follower struct {
	c      *call
	f      *flight
	id     uint64
	answer *transcript // that it follows; nil: none yet
	at     int         // it has been sent everything before, of answer
	begun  bool
}

// follow answers a request from what another caller gets. over: it has been answered;
// else it asks the model itself, as the flight's leader or, if the leader's answer cannot
// be shared, alone.
func (c *call) follow(f *flight, id uint64) (over bool, err error) {
	if err := c.reserveNothing(); err != nil {
		f.leave(id)
		return true, err
	}
	c.look.status.Result = cache.Coalesced
	c.startPulse(c.pulseEvery())
	r := &follower{c: c, f: f, id: id}
	for {
		s := r.next()
		switch {
		case s.ask:
			c.unreserve()
			c.look.status.Result = cache.Miss
			c.x.claim() // from the pulse, while headers are set
			c.sayCache()
			c.x.disclaim()
			if c.x.lead == nil {
				c.x.tee = &transcript{c: c, began: c.g.now()}
			}
			return false, nil
		case s.dropped:
			f.leave(id)
			return true, c.dropped()
		case len(s.part) > 0:
			if err := r.show(s.part, s.from, s.gaps); err != nil {
				f.leave(id)
				return true, c.unread(err).problem
			}
			continue
		case s.how != nil:
			return true, r.end(s)
		}
		select {
		case <-s.wake:
		case <-c.x.ctx().Done():
			f.leave(id)
			return true, gone(c.x.ctx())
		}
	}
}

// dropped ends the answer of a follower that was too slow. Its connection is sound, so
// without an error event the part that it has would pass for a whole answer.
func (c *call) dropped() error {
	p := &problem{is: errClientSlow, message: fmt.Sprintf("the caller read more slowly than the answer came, and was further behind than the %d bytes that are kept (cache.max_answer)",
		c.g.answers.MostBody())}
	if c.x.send(c.s.errorEvent(p, answers[p.is], c.events)) == nil {
		c.x.flush()
	}
	return p
}

// step is what a follower does next.
type step struct {
	ask     bool   // it asks the model
	dropped bool   // it was too slow: a part that it has not read is gone
	part    []byte // to be sent, from this place of the answer on
	from    int
	gaps    []gap
	how     *ending // the answer has ended
	why     *problem
	entry   *cache.Entry
	wake    chan struct{} // otherwise it waits
}

// next decides what to do, under the flight's lock.
func (r *follower) next() (s step) {
	f := r.f
	f.mu.Lock()
	defer f.mu.Unlock()
	s.wake = f.wake
	if !f.asking && f.state.Leader() == r.id {
		r.c.leadOf(f, r.id)
		s.ask = true
		return s
	}
	if r.answer == nil || r.useless() {
		if r.answer = f.answer; r.answer == nil || r.useless() { // the next leader has not begun
			s.ask = f.state.Leader() == 0
			return s
		}
	}
	k := r.answer
	switch {
	case (k.large || k.own || k.found && !r.takes(k.entry)) && !r.begun:
		if f.state.Leave(r.id) && f.cancel != nil {
			f.cancel()
		}
		s.ask = true
		return s
	case k.how != nil && !r.begun: // whole: it is told again like a stored one
		s.how, s.entry = k.how, k.entry
		return s
	case !k.stream || k.status != 200 || !r.c.ask.stream:
		return s
	case r.at < k.base:
		s.dropped = true
		return s
	}
	if n := k.base + len(k.data); r.at < n {
		if !r.begun {
			r.begun = true
			f.state.Begin(r.id)
		}
		s.part, s.from, s.gaps = k.data[r.at-k.base:], r.at, k.usage
		r.at = n
		return s
	}
	s.how, s.why, s.entry = k.how, k.why, k.entry
	return s
}

// takes says whether an entry that was made before this request came is good for it.
func (r *follower) takes(e *cache.Entry) bool {
	return r.c.look.accepts(r.c.g.answers, e, r.c.g.now())
}

// useless says whether nothing can come of the answer that it follows: it failed, or
// cannot be shared. The lock is held.
func (r *follower) useless() bool {
	k := r.answer
	return k.how != nil && k.entry == nil && !r.begun
}

// show sends a part of the leader's stream, without the events that only report usage
// unless the caller asked for them.
func (r *follower) show(part []byte, from int, gaps []gap) error {
	c := r.c
	if !c.streaming {
		c.streaming = true
		c.x.claim()
		c.sayCache()
		c.x.set("Content-Type", "text/event-stream")
		c.x.set("Cache-Control", "no-cache")
		c.x.start(200, -1)
		now := c.g.now()
		c.booking.rec.TTFT = now.Sub(c.booking.rec.Arrived)
	}
	c.events++
	if c.s.do.AsksUsage && !c.ask.wantsUsage {
		for _, g := range gaps {
			if g.to <= from || g.from >= from+len(part) {
				continue
			}
			if err := c.x.send(part[:max(g.from-from, 0)]); err != nil {
				return err
			}
			skip := min(g.to-from, len(part))
			part, from = part[skip:], from+skip
		}
	}
	if err := c.x.send(part); err != nil {
		return err
	}
	return c.x.flush()
}

// end ends the request as the leader's answer has ended.
func (r *follower) end(s step) error {
	c := r.c
	if !r.begun {
		return c.replay(s.entry, cache.Coalesced)
	}
	if *s.how != endsWhole {
		p := problem{is: errCut}
		if s.why != nil && s.why.is != errClientGone && s.why.is != errClientSlow {
			p = *s.why
		}
		return &p
	}
	if s.entry != nil {
		c.booking.rec.Saved, c.booking.rec.SavedTokens = s.entry.Cost, s.entry.Usage.Prompt+s.entry.Usage.Completion
	}
	c.finished = true
	return nil
}

// unreserve gives back what reserveNothing took.
func (c *call) unreserve() {
	b, s := &c.booking, &c.g.spend
	if !b.drop(holdsTokens) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.Release(c.g.now(), b.reservation)
	b.free = false
}
