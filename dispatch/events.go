package dispatch

import "weir"

// Arrive asks for a replica for r. Its verdict is returned now or by a later
// call. The same call may return verdicts of other requests.
func (c *Core) Arrive(now weir.Instant, r Request) []Verdict {
	c.begin(now)
	c.totals.Arrived++
	c.totals.LastArrived = c.now
	c.totals.ArrivedPrompt += uint64(max(r.Prompt, 0))
	c.totals.ArrivedOutput += uint64(max(r.Output, 0))
	if c.calls[r.ID] != nil {
		c.totals.Refused++
		c.out = append(c.out, Verdict{ID: r.ID, Kind: Refuse, Reason: DuplicateID})
		return c.out
	}
	q := c.newCall(r)
	if c.limited && !c.served(q) {
		c.refuse(q, Unsupported)
		return c.end()
	}
	if c.waiting.count > 0 {
		c.end() // waiting calls have first claim on new room
	}
	if !q.pinned() && c.behindItsOwn(q) {
		if c.preferred < len(c.tiers) && c.spillBehind(q) {
			return c.out
		}
	} else if c.sendNow(q, true) {
		return c.out
	}
	c.enqueue(q, false)
	return c.end()
}

// behindItsOwn says whether requests of the same tenant and class already wait.
// Waiting requests of other tenants do not matter: they fit nowhere now.
func (c *Core) behindItsOwn(q *call) bool {
	l := c.laneOf(q)
	if l.count == 0 {
		return false
	}
	f := l.of(q.claim)
	return f != nil && f.count > 0
}

// Retry says that the attempt of a granted request failed before anything
// reached the caller. It gets a new verdict: another replica; a tried one only
// if no other is up; or a refusal when its attempts are used up. An ID the Core
// does not hold as granted is ignored.
func (c *Core) Retry(now weir.Instant, id uint64, why Result) []Verdict {
	c.begin(now)
	q := c.calls[id]
	if q == nil || q.on == nil {
		return c.out
	}
	r := q.on
	if r.d.quota != nil {
		c.account(q, why, weir.Usage{})
	}
	c.free(q, why)
	// A provider that gave a time to come back may be asked again then: once,
	// and not with the last attempt, which another deployment may need.
	comeBack := why == Throttled && !q.cameBack && q.attempts+1 < c.o.Attempts && c.patience(q) > c.now
	q.cameBack = q.cameBack || comeBack
	if !comeBack && !q.hasTried(r) {
		q.tried = append(q.tried, r)
	}
	q.spilled = false
	q.since, q.first, q.work, q.patient = c.now, false, workOf(q.Request), false
	switch why {
	case TooLong:
		q.longer = max(r.d.Context, q.longer, 1)
	case Unavailable:
		q.excused = true
	case Incapable:
		q.refusedBy = append(q.refusedBy, r.d)
	}
	switch {
	case why == Unhealthy && c.follows(q, r):
		q.absolve()
		c.refuse(q, RequestFails)
	case q.attempts >= c.o.Attempts, (q.longer > 0 || len(q.refusedBy) > 0) && (q.pinned() || !c.fits(q)):
		c.refuse(q, AttemptsUsed)
	case !c.backOff(q, why) && c.waiting.count == 0 && c.sendNow(q, false):
	default:
		c.enqueue(q, true)
	}
	return c.end()
}

// FirstToken says that a granted request has produced its first token: its
// prefill is no longer outstanding. If that makes room for a waiting request,
// Next says now, and Wake returns the verdict.
func (c *Core) FirstToken(now weir.Instant, id uint64) {
	c.advance(now)
	q := c.calls[id]
	if q == nil || q.on == nil || q.first {
		return
	}
	q.first = true
	if q.undisturbed() {
		q.firstAt = c.now
	}
	if t := q.on.d.tail; t != nil && q.of == 0 {
		t.saw(c.now.Sub(q.sent))
	}
	r, done := q.on, min(q.Prompt, q.work)
	r.prefill -= q.prefill
	r.due -= q.due
	q.prefill, q.due = 0, 0
	c.claims.add(q.claim, -done)
	q.work -= done
	r.work -= done
	r.d.work -= done
	r.d.donePrompt += uint64(q.Prompt)
	c.rate.add(c.now, done)
	c.answered(q)
	r.well.did(c.now, q.Key)
	c.does(r.d, q)
	c.prove(q)
	c.settle(r)
	c.changed(moreRoom | noVerdicts)
}

// Done says that a granted request, or a copy of one, has ended. It frees its
// slot and work. Calling it again, or with an ID the Core does not hold as
// granted, does nothing.
func (c *Core) Done(now weir.Instant, id uint64, how Result, used weir.Usage) []Verdict {
	c.begin(now)
	q := c.calls[id]
	if q == nil || q.on == nil {
		return c.out
	}
	if q.of != 0 {
		return c.endCopy(q, how, used)
	}
	d := q.on.d
	if !q.first && (how == OK || used.Completion > 0) {
		d.donePrompt += uint64(q.Prompt)
	}
	d.doneOutput += uint64(max(used.Completion, 0))
	if how == OK {
		c.rate.add(c.now, q.work)
		d.completed++
		c.sawSolo(q, used)
	}
	switch how {
	case OK:
		c.totals.Completed++
	case Abandoned:
		c.totals.Cancelled++
	default:
		c.totals.Failed++
	}
	if d.quota != nil {
		c.account(q, how, used)
	}
	c.free(q, how)
	c.release(q)
	return c.end()
}

// Cancel removes a request whose caller has disconnected, waiting or granted.
// It gets no verdict any more. Calling it again does nothing.
func (c *Core) Cancel(now weir.Instant, id uint64) []Verdict {
	c.begin(now)
	q := c.calls[id]
	if q == nil {
		return c.out
	}
	c.totals.Cancelled++
	if q.on != nil {
		c.free(q, Abandoned)
	} else {
		c.dequeue(q, false)
	}
	c.release(q)
	return c.end()
}

// Warm says whether a replica is ready.
func (c *Core) Warm() bool { return c.warm }
