package dispatch

import "weir"

// waitList is all waiting calls, by the start of their wait.
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

func (w *queue) laneOf(q *call) *lane { return &w.lanes[min(int(q.Class), len(w.lanes)-1)] }

func (c *Core) share(tenant string) int { return max(c.o.Shares[tenant], 1) }

func (w *queue) waitingWork() int { return w.lanes[0].work + w.lanes[1].work }

// enqueue queues q, or refuses it if waiting is in vain or the queue is full. A
// call that was granted before (again) is not refused for a full queue: the
// bound is exceeded by at most the number of calls in flight.
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
		c.changed(moreRoom) // batch gives up the replica held for it
	}
	// A call that cannot go everywhere is kept apart: see setApart.
	c.laneOf(q).enter(q, c.share(q.Tenant), again || q.pinned() || c.choosy(q))
}

// limitOf returns when q needs attention: at its deadline, or earlier when its
// patience ends.
func (c *Core) limitOf(q *call, at weir.Instant) weir.Instant {
	if q.patient {
		return min(at, c.patience(q))
	}
	return at
}

// dequeue takes q out of the queue; served says that it was granted.
func (c *Core) dequeue(q *call, served bool) {
	c.changed(moreRoom)
	c.unhold(q)
	c.limits.remove(&q.limit)
	c.pauses.remove(&q.pause)
	c.waiting.remove(q)
	if c.waiting.count == 0 {
		c.rate.stop(c.now)
	}
	c.laneOf(q).leave(q, served)
}

// makeRoom says whether the queue can take q, after refusing other calls where
// that is fair. Batch makes room for interactive. Otherwise the tenant with
// more waiting than its share loses its newest requests to a tenant that would
// have less.
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
// until the given number of requests and amount of work are gone.
func (c *Core) evict(l *lane, requests, work int) {
	for (requests > 0 || work > 0) && len(l.fat) > 0 {
		q := l.fat[0].last
		requests--
		work -= q.work
		c.dequeue(q, false)
		c.refuse(q, QueueFull)
	}
}
