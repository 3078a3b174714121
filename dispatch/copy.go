package dispatch

import "weir"

// This file makes the requests that no caller asked for: a second copy of one whose
// first token is late (hedge), and a copy for a deployment on trial (mirror).
// They hold slots, work and quota where they are, as all do, and count in what
// their deployment has in flight, granted and completed; they never wait, and
// what the model is asked for (the totals of Demand) does not count them.

// Hedge bounds second copies of requests whose first token is late.
type Hedge struct {
	// Share of the interactive requests granted, that may be hedged; 0: none.
	Share float64
}

// hedgeBurst is how many hedges may be saved up for: a minute in which every
// request is late is no time to double them.
const hedgeBurst = 5

// hedgeable notes a grant that hedges may be made for, and says in the verdict
// after which time without a first token one may help.
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

// Hedge grants a second copy, copyID, of a granted request that has brought no
// token yet, at a replica it has not tried, of its own tier or one preferred to
// it. It does so only where no other request is hurt: nothing waits, there is room, the
// request has an attempt left, which is then used, and hedges are a small enough
// share. Both run until each is Done, after Swap too.
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

// Mirror grants a copy of a request, r, at a deployment that is on trial, if it
// has room.
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

// Swap lets a copy take the place of its request: what came first there is the
// answer. The copy then stands where the request stood.
func (c *Core) Swap(now weir.Instant, id, copyID uint64) {
	c.advance(now)
	q, h := c.calls[id], c.calls[copyID]
	if q == nil || h == nil || h.of != id || q.on == nil || h.on == nil {
		return
	}
	if d := q.on.d; d.tail != nil && !q.first {
		d.tail.saw(c.now.Sub(q.sent)) // it took that long at least
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
		h.suspect, h.streak = q.suspect, q.streak // both bring one suspicion
		c.free(h, how)
		q.suspect, q.streak = h.suspect, h.streak
	} else {
		c.free(h, how)
	}
	c.release(h)
	return c.end()
}
