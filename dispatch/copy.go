package dispatch

import "weir"

// This file grants copies, which no caller asked for: a second copy of a
// request whose first token is late (hedge), and a copy for a deployment on
// trial (mirror). They use slots, work and quota as all requests do, and count
// in their deployment's in-flight, granted and completed requests. They never
// wait, and the model's totals in Demand do not count them.

// Hedge bounds second copies of requests whose first token is late.
type Hedge struct {
	// Share of granted interactive requests that may be hedged; 0: none.
	Share float64
}

// hedgeBurst is how many hedges may be saved up: in a minute when every request
// is late, doubling the load would make it worse.
const hedgeBurst = 5

// hedgeable notes a grant that earns hedges. Its verdict says after which time
// without a first token a hedge may help.
func (c *Core) hedgeable(q *call, v *Verdict) {
	if q.Class == weir.Batch {
		return
	}
	c.hedges = min(c.hedges+c.o.Hedge.Share, hedgeBurst)
	d := q.on.d
	if d.tail == nil {
		d.tail = new(tail)
	}
	v.HedgeAfter = d.tail.at
}

// Hedge grants a second copy, copyID, of a granted request without a first
// token, at a replica it has not tried, of its own tier or a preferred one. It
// does so only where no other request is hurt: nothing waits and there is room.
// The request must have an attempt left, which is then used, and hedges must be
// a small enough share. Both run until each is Done, also after Swap.
func (c *Core) Hedge(now weir.Instant, id, copyID uint64) (Verdict, bool) {
	c.advance(now)
	q := c.calls[id]
	if q == nil || q.on == nil || q.first || q.of != 0 || q.pinned() || q.Class == weir.Batch || c.calls[copyID] != nil ||
		c.waiting.count > 0 || q.attempts >= c.o.Attempts || c.hedges < 1 || c.o.Hedge.Share <= 0 {
		return Verdict{}, false
	}
	r := q.Request
	r.ID = copyID
	h := c.newCall(r)
	h.of, h.longer = id, q.longer
	h.refusedBy = append(h.refusedBy, q.refusedBy...)
	h.tried = append(append(h.tried, q.tried...), q.on)
	for _, t := range c.tiers {
		if t[0].Tier > q.on.d.Tier {
			break
		}
		if to := c.choose(t, h, true); to != nil {
			q.attempts++
			c.hedges--
			return c.sendCopy(h, to, Hedged), true
		}
	}
	c.release(h)
	return Verdict{}, false
}

// Mirror grants a copy of the request r at a deployment on trial, if it has
// room.
func (c *Core) Mirror(now weir.Instant, deployment string, r Request) (Verdict, bool) {
	c.advance(now)
	d := c.deployment(deployment)
	if d == nil || d.retired || d.ready == 0 || c.calls[r.ID] != nil {
		return Verdict{}, false
	}
	q := c.newCall(r)
	q.of = q.ID
	to := d.offering(c.now, q, false)
	if to == nil || c.unfit(q, d) || !c.lets(d, q.Class) {
		c.release(q)
		return Verdict{}, false
	}
	return c.sendCopy(q, to, Mirrored), true
}

func (c *Core) sendCopy(q *call, r *replica, why Reason) Verdict {
	if r.d.quota != nil {
		q.booked = r.d.quota.book(c.now, q.Prompt, q.mayAnswer())
	}
	c.take(r, q)
	r.d.granted++
	return Verdict{ID: q.ID, Kind: Grant, Deployment: r.d.Name, Replica: r.id, Addr: r.addr, Reason: why}
}

// Swap exchanges a copy and its request: the copy's answer came first and is
// used. The copy then has the request's place.
func (c *Core) Swap(now weir.Instant, id, copyID uint64) {
	c.advance(now)
	q, h := c.calls[id], c.calls[copyID]
	if q == nil || h == nil || h.of != id || q.on == nil || h.on == nil {
		return
	}
	if d := q.on.d; d.tail != nil && !q.first {
		d.tail.saw(c.now.Sub(q.sent)) // a lower bound of its time
	}
	q.on, h.on = h.on, q.on
	q.epoch, h.epoch = h.epoch, q.epoch
	q.first, h.first = h.first, q.first
	q.work, h.work = h.work, q.work
	q.booked, h.booked = h.booked, q.booked
	q.known, h.known = h.known, q.known
	q.prefill, h.prefill = h.prefill, q.prefill
	q.due, h.due = h.due, q.due
	q.sent, h.sent = h.sent, q.sent
	q.solo, h.solo, q.firstAt, h.firstAt = 0, 0, 0, 0
	for _, r := range [...]*replica{q.on, h.on} {
		switch r.tester {
		case 0:
		case q.ID:
			r.tester = h.ID
		case h.ID:
			r.tester = q.ID
		}
	}
}

// endCopy is Done for a copy.
func (c *Core) endCopy(h *call, how Result, used weir.Usage) []Verdict {
	r := h.on
	if used.Prompt > 0 {
		r.d.donePrompt += uint64(h.Prompt)
	}
	r.d.doneOutput += uint64(max(used.Completion, 0))
	if how == OK {
		r.d.completed++
	}
	if r.d.quota != nil {
		c.account(h, how, used)
	}
	if q := c.calls[h.of]; q != nil && q != h && how != OK && how != Abandoned && !q.hasTried(r) {
		q.tried = append(q.tried, r)
	}
	if q := c.calls[h.of]; q != nil && q != h {
		h.suspect, h.streak = q.suspect, q.streak // one suspicion for both
		c.free(h, how)
		q.suspect, q.streak = h.suspect, h.streak
	} else {
		c.free(h, how)
	}
	c.release(h)
	return c.end()
}
