package dispatch

import "weir"

// serve grants waiting requests in order until none fits: interactive before
// batch; within a class first those granted before, then the flows.
//
// When the first in order does not fit, though smaller ones do, a replica is
// held for it. That replica takes nothing else until there is room; other
// replicas go on serving requests that fit. So no request starves and little
// capacity is idle.
func (c *Core) serve() {
	for again := true; again; {
		held := c.held
		c.serveOnce()
		// A held replica may have become free after it was passed over.
		again = held != nil && c.held != held && c.waiting.count > 0
	}
	c.seen(moreRoom)
}

func (c *Core) serveOnce() {
	if c.held != nil && c.held.Class == weir.Batch && c.lanes[weir.Interactive].count > 0 {
		c.unhold(c.held) // batch holds nothing back from interactive
	}
	c.serveHeld()
	for i := range c.lanes {
		c.serveAgain(&c.lanes[i])
		if !c.serveFlows(&c.lanes[i], weir.Class(i)) {
			return
		}
	}
}

// serveAgain serves calls that were granted before. Each may go to some
// replicas only; one that finds no room does not block the next.
func (c *Core) serveAgain(l *lane) {
	for q := l.again.first; q != nil; {
		next, r := q.after, c.room(q.Class)
		room := r.of(q)
		switch {
		case r.any == 0:
			return
		case q.pause.at > c.now:
		case room == 0:
		case c.grant(q):
			c.dequeue(q, true)
		case q.work > room && c.held == nil && !q.pinned() && c.stanceOf(q) != over:
			c.hold(q)
		}
		q = next
	}
}

// serveFlows serves the flows in fair order. It says whether any replica has
// room left. Room that only tenants within their share may use is granted once
// per event: an event frees one request at a time, and the search for a tenant
// within its share is costly.
func (c *Core) serveFlows(l *lane, class weir.Class) bool {
	for open := true; open && l.root != nil; {
		r := c.room(class)
		if r.any == 0 {
			return false
		}
		open = r.open
		f := l.leftmost()
		if room := r.of(f.first); f.need > room {
			if room > 0 && c.held == nil && c.stanceOf(f.first) != over && c.hold(f.first) {
				continue
			}
			f = l.first(r)
		}
		if f == nil || !r.open && c.stanceOf(f.first) == over || !c.grant(f.first) {
			if f = c.behind(l, class, r); f == nil || !c.grant(f.first) {
				return true
			}
		}
		c.dequeue(f.first, true)
	}
	return true
}

// room returns the largest requests of that class that replicas can take now.
func (c *Core) room(class weir.Class) (r rooms) {
	r.open = !c.claims.shared(c.now, class)
	for i, t := range c.tiers {
		for _, d := range t {
			if room := d.room(c.now); room > 0 && c.lets(d, class) {
				r.any = max(r.any, room)
				if !r.open {
					r.open = !d.leaves()
				}
			}
		}
		if i < c.preferred {
			r.preferred = r.any
		}
	}
	return r
}

// hold keeps the replica with the least work free for q. It says whether it
// found one.
func (c *Core) hold(q *call) bool {
	avoid := c.avoids(q)
	tiers := c.tiers
	if q.patient {
		tiers = tiers[:c.preferred]
	}
	for _, t := range tiers {
		for _, d := range t {
			if d.room(c.now) == 0 || !c.lets(d, q.Class) || c.unfit(q, d) {
				continue
			}
			r := d.load[0]
			if avoid {
				r = d.least(0, q)
			}
			if r == nil {
				continue
			}
			r.held, q.reserved, c.held = true, r, q
			c.settle(r)
			return true
		}
	}
	return false
}

// unhold releases the replica held for q, if any.
func (c *Core) unhold(q *call) {
	if q.reserved == nil {
		return
	}
	r := q.reserved
	r.held, q.reserved, c.held = false, nil, nil
	c.settle(r)
}

// serveHeld grants the held replica's request once it has room there. The
// replica is released when it is no longer worth waiting for.
func (c *Core) serveHeld() {
	q := c.held
	if q == nil {
		return
	}
	r := q.reserved
	lost := !r.usable(c.now) || r.d.throttled > c.now || r.d.Weight <= 0 || r.d.retired
	if lost || c.unfit(q, r.d) || q.hasTried(r) && c.avoids(q) {
		c.unhold(q)
		return
	}
	slot := r.d.MaxRequests <= 0 || r.requests < r.slots()
	if r.room() < q.work || !slot || !c.lets(r.d, q.Class) {
		return
	}
	c.unhold(q)
	for i, t := range c.tiers {
		if t[0].Tier == r.d.Tier {
			t.charge(r.d)
			c.send(q, r, i)
		}
	}
	c.dequeue(q, true)
}
