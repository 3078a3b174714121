package dispatch

import "weir"

// waitList is all calls that wait, by when they began to.
type waitList struct {
	oldest, newest *call
	count          int
}

func (w *waitList) push(q *call) {
	q.older, q.newer = w.newest, nil
	if w.newest == nil {
		w.oldest = q
	} else {
		w.newest.newer = q
	}
	w.newest = q
	w.count++
}

func (w *waitList) remove(q *call) {
	if q.older == nil {
		w.oldest = q.newer
	} else {
		q.older.newer = q.newer
	}
	if q.newer == nil {
		w.newest = q.older
	} else {
		q.newer.older = q.older
	}
	q.older, q.newer = nil, nil
	w.count--
}

func (c *Core) laneOf(q *call) *lane { return &c.lanes[min(int(q.Class), len(c.lanes)-1)] }

func (c *Core) share(tenant string) int { return max(c.o.Shares[tenant], 1) }

func (c *Core) waitingWork() int { return c.lanes[0].work + c.lanes[1].work }

// enqueue lets q wait, or refuses it where waiting is in vain or there is no
// room to. One that was granted before (again) has had its place: it is not
// refused for want of one, so at most as many as are in flight exceed the bound.
func (c *Core) enqueue(q *call, again bool) {
	at := c.giveUp(q)
	reason := Reason("")
	if q.pinned() {
		reason = c.pinnedInVain(q, at)
	} else {
		reason = c.inVain(at)
	}
	if reason != "" {
		c.refuse(q, reason)
		return
	}
	if !again && !c.makeRoom(q) {
		c.refuse(q, QueueFull)
		return
	}
	q.limit.at = c.limitOf(q, at)
	c.limits.push(&q.limit)
	if c.waiting.count == 0 {
		c.rate.start(c.now)
	}
	c.waiting.push(q)
	if q.pause.at > c.now {
		c.pauses.push(&q.pause)
	}
	if c.held != nil && c.held.Class == weir.Batch && q.Class != weir.Batch {
		c.idle = false // batch gives back what is held for it
	}
	// One that cannot go everywhere stands apart: see setApart.
	c.laneOf(q).enter(q, c.share(q.Tenant), again || q.pinned() || c.choosy(q))
}

// limitOf is when something has to be done about q, which gives up at: then, or
// before when its patience ends.
func (c *Core) limitOf(q *call, at weir.Instant) weir.Instant {
	if q.patient {
		return min(at, c.patience(q))
	}
	return at
}

// dequeue takes q out of the queue, because it is served or for another reason.
func (c *Core) dequeue(q *call, served bool) {
	c.idle = false
	c.unhold(q)
	c.limits.remove(&q.limit)
	c.pauses.remove(&q.pause)
	c.waiting.remove(q)
	if c.waiting.count == 0 {
		c.rate.stop(c.now)
	}
	c.laneOf(q).leave(q, served)
}

// giveUp is when q has waited long enough. While no replica is ready that is
// later; when one has become ready, the usual wait counts from there, so that
// those who waited out a cold start are not refused at its end.
func (c *Core) giveUp(q *call) weir.Instant {
	warm, cold := c.maxWait(q.Class)
	at := q.since.Add(cold)
	if c.warm {
		at = min(at, max(q.since, c.warmAt).Add(warm))
	}
	if q.Deadline != 0 {
		at = min(at, q.Deadline)
	}
	return at
}

// inVain says why nothing can come for one who waits until at, or "". For
// replicas that failed nobody waits longer than the first spell they are left
// alone, which the restart of a server fits into: of one that stays dead, callers
// would rather know at once.
func (c *Core) inVain(at weir.Instant) Reason {
	if len(c.tiers) == 0 {
		return NoDeployment
	}
	if at <= c.now {
		return c.late()
	}
	back, why := c.comesBack()
	switch {
	case why == "" || c.hope():
		return ""
	case why == NoReplica:
		return c.nothing()
	case back > at:
		return why
	case why == AllUnhealthy && (back.Sub(c.now) > c.health.Base || c.dead()):
		return why
	}
	return ""
}

// hope says whether a replica may come that is not there now. Of a deployment
// whose replicas are not known yet it is assumed; of one whose replicas fail to
// start it is not.
func (c *Core) hope() bool {
	for _, t := range c.tiers {
		for _, d := range t {
			if d.broken == nil && (d.Elastic || d.coming > 0 || !d.told) {
				return true
			}
		}
	}
	return false
}

// nothing says why there is no replica and none to wait for.
func (c *Core) nothing() Reason {
	switch {
	case len(c.tiers) == 0:
		return NoDeployment
	case c.broken() != nil:
		return StartFails
	}
	return NoReplica
}

// broken is a replica that has failed to start; nil: there is none.
func (c *Core) broken() *replica {
	for _, t := range c.tiers {
		for _, d := range t {
			if d.broken != nil {
				return d.broken
			}
		}
	}
	return nil
}

// comesBack says when the first replica may be asked again, and why not now.
// The reason is "" when one may be asked now, as soon as it has room.
func (c *Core) comesBack() (at weir.Instant, why Reason) {
	why = NoReplica
	for _, t := range c.tiers {
		for _, d := range t {
			for _, r := range d.replicas {
				if r.state != weir.Ready || r.gone {
					continue
				}
				pushed := max(d.throttled, r.throttled)
				back, because := pushed, AllThrottled
				if r.openUntil() > pushed {
					back, because = r.openUntil(), AllUnhealthy
				}
				if back <= c.now {
					return 0, ""
				}
				if why == NoReplica || back < at {
					at, why = back, because
				}
			}
		}
	}
	return at, why
}

// makeRoom says whether the queue can take q, after refusing others for it where
// that is fair: batch for interactive; else the newest requests of the tenant
// that has more waiting than its share, for one that would have less.
func (c *Core) makeRoom(q *call) bool {
	limit := c.o.Queue
	shortWork := c.waitingWork() + q.work - limit.MaxWork
	short := c.waiting.count + 1 - limit.MaxRequests
	if short <= 0 && shortWork <= 0 || c.waiting.count == 0 {
		return true
	}
	mine, batch := c.laneOf(q), &c.lanes[weir.Batch]
	if mine != batch && batch.fresh >= short && batch.freshWork >= shortWork {
		c.evict(batch, short, shortWork)
		return true
	}
	fat := mine.fat.top()
	if fat == nil {
		return false
	}
	weight, waiting := c.share(q.Tenant), q.work
	if f := mine.flows[q.Tenant]; f != nil {
		waiting += f.work
	}
	excess := fat.work - int(float64(fat.weight)*float64(waiting)/float64(weight))
	if fat.tenant == q.Tenant || excess < max(shortWork, 1) {
		return false
	}
	c.evict(mine, short, shortWork)
	return true
}

// evict refuses the newest requests of the tenants with the largest backlogs
// until so many requests and so much work are gone.
func (c *Core) evict(l *lane, requests, work int) {
	for (requests > 0 || work > 0) && len(l.fat) > 0 {
		q := l.fat[0].last
		requests--
		work -= q.work
		c.dequeue(q, false)
		c.refuse(q, QueueFull)
	}
}

// serve grants requests that wait, in their order, until none fits: interactive
// before batch, within a class those that were granted before, then the flows.
//
// When the first in order does not fit though there is room for smaller ones, a
// replica is held for it: that one takes nothing else until there is room, the
// others go on serving who fits. So nobody starves and little stands idle.
func (c *Core) serve() {
	for again := true; again; {
		held := c.held
		c.serveOnce()
		// What was held may have become free after it was passed over.
		again = held != nil && c.held != held && c.waiting.count > 0
	}
	c.idle = true
}

func (c *Core) serveOnce() {
	if c.held != nil && c.held.Class == weir.Batch && c.lanes[weir.Interactive].count > 0 {
		c.unhold(c.held) // batch keeps nothing back from interactive
	}
	c.serveHeld()
	for i := range c.lanes {
		c.serveAgain(&c.lanes[i])
		if !c.serveFlows(&c.lanes[i], weir.Class(i)) {
			return
		}
	}
}

// serveAgain serves those that were granted before. Each may go to some replicas
// only, so one that finds no room does not stand in the way of the next.
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
// room left. Of what is left for those not over their share one event gives one:
// what is ended at a time is one request, and looking for who may have it costs.
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

// room is the largest request of that class that a replica can take now.
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

// hold keeps the replica with the least work free for q, if q may go to one.
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

// unhold gives back what is held for q, if anything is.
func (c *Core) unhold(q *call) {
	if q.reserved == nil {
		return
	}
	r := q.reserved
	r.held, q.reserved, c.held = false, nil, nil
	c.settle(r)
}

// serveHeld grants the request a replica is held for, once it has room there;
// the replica is given back when it can no longer be waited for.
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
