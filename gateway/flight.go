package gateway

import (
	"context"
	"sync"
	"time"

	"weir"
	"weir/cache"
)

// Callers that want the same answer at the same time share one request to the model. The
// first one leads: it is served as it would be alone, and what it gets is kept for the
// others, which follow. See cache.Flight for who leads when the leader fails.
//
// The leader writes to its own caller itself. So a leader that reads slowly holds up its
// followers, at most for Bounds.WriteTimeout: then it has left, and the request goes on.

// flights are the requests in flight that others can follow.
type flights struct {
	mu sync.Mutex
	of map[flightKey]*flight
}

// flightKey is what the followers of a flight have in common.
type flightKey struct {
	cache.Key
	asked string     // the model's name, which is in every event
	class weir.Class // else one might wait in the queue of another class
	tier  string     // of the provider, which may be slower
}

// flight is one of them.
type flight struct {
	all *flights
	key flightKey

	mu     sync.Mutex
	state  cache.Flight
	lastID uint64
	closed bool          // no caller joins any more
	answer *transcript   // of the last leader that has begun to ask
	asking bool          // it has not ended
	wake   chan struct{} // closed when something has changed
	cancel func()        // ends the leader's request
}

// find returns the flight of a key that can be joined, locked. It makes one if there is
// none.
func (all *flights) find(k flightKey) *flight {
	for {
		all.mu.Lock()
		f := all.of[k]
		if f == nil {
			f = &flight{all: all, key: k, wake: make(chan struct{})}
			if all.of == nil {
				all.of = map[flightKey]*flight{}
			}
			all.of[k] = f
		}
		all.mu.Unlock()
		f.mu.Lock()
		if !f.closed {
			return f
		}
		f.mu.Unlock() // just now
	}
}

// count is how many there are.
func (all *flights) count() int {
	all.mu.Lock()
	defer all.mu.Unlock()
	return len(all.of)
}

// close lets no caller join any more. The lock is held.
func (f *flight) close() {
	f.closed = true
	f.all.mu.Lock()
	defer f.all.mu.Unlock()
	if f.all.of[f.key] == f {
		delete(f.all.of, f.key)
	}
}

// changed wakes the followers. The lock is held.
func (f *flight) changed() {
	close(f.wake)
	f.wake = make(chan struct{})
}

// tell lets the followers have what was kept.
func (f *flight) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.Followers() > 0 {
		f.changed()
	}
}

// join makes the request lead or follow. over: it has been answered; else it asks the
// model.
func (c *call) join() (over bool, err error) {
	k := flightKey{c.look.key, c.asked, c.booking.rec.Class, quotedText(c.body, c.ask.tier)}
	f := c.g.flights.find(k)
	for f.asking && !(c.g.answers.Live(f.answer.at, &f.answer.of) && c.g.answers.Live(f.answer.at, &c.look.of)) {
		f.close() // it was asked for before a purge
		f.mu.Unlock()
		f = c.g.flights.find(k)
	}
	f.lastID++
	id := f.lastID
	leads, follows := f.state.Join(id)
	if leads {
		c.leadOf(f, id)
	}
	f.mu.Unlock()
	if leads {
		return c.awaitOthers(f)
	}
	if !follows {
		c.sayCache()
		return false, nil
	}
	return c.follow(f, id)
}

// awaitOthers makes this gateway the one of several that asks. If another one asks already,
// the flight waits for its answer, at most as long as this model's answers usually take.
// A stream does not wait: its first event would come with the last. over: the request has
// been answered.
func (c *call) awaitOthers(f *flight) (over bool, err error) {
	var most time.Duration
	if !c.ask.stream {
		most = c.booking.served.usual.value()
	}
	e := c.g.answers.Await(c.x.ctx(), c.look.key, most)
	k := c.x.tee.(*transcript)
	if e == nil || !c.look.accepts(c.g.answers, e, c.g.now()) {
		k.began = c.g.now()
		c.sayCache()
		return false, nil
	}
	f.mu.Lock()
	k.found = true
	f.mu.Unlock()
	f.ended(k, endsWhole, e)
	c.x.lead, c.x.tee = nil, nil
	return true, c.hit(e, cache.Coalesced)
}

// leave takes a caller out. If none is left that wants the answer, the request ends.
func (f *flight) leave(id uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.asking && f.state.Leader() == id { // it was to lead
		f.passed(f.state.Resign(id))
		return
	}
	if f.state.Leave(id) && f.cancel != nil {
		f.cancel()
	}
}

// pass ends the part of a leader. If it is over, no follower leads. The lock is held.
func (f *flight) pass(id uint64, over bool) { f.passed(f.state.Ended(id, over)) }

func (f *flight) passed(next uint64) {
	f.asking, f.cancel = false, nil
	if next == 0 {
		f.close()
	}
	f.changed()
}

// ended takes the leader's end. After a failure a follower leads. After a whole answer that
// is no entry, those that have been sent nothing ask for themselves: the next answer would
// be none either, and each would wait for all before it.
func (f *flight) ended(k *transcript, how ending, e *cache.Entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	k.how, k.entry = &how, e
	if k.c.err != nil {
		k.why, _ = explain(k.c.err)
	}
	l := k.c.x.lead
	l.stop()
	f.pass(l.id, how == endsWhole)
	l.end(nil)
}

// lead is a leader's part of its flight.
type lead struct {
	flight *flight
	id     uint64
	ctx    context.Context // of the request: it outlives the caller while others follow
	end    context.CancelCauseFunc
	caller context.Context
	stop   func() bool
	lost   bool // the caller takes no more, but others do
}

// leadOf makes the request the leader. The flight's lock is held.
func (c *call) leadOf(f *flight, id uint64) {
	caller := c.x.from.Context()
	l := &lead{flight: f, id: id, caller: caller}
	l.ctx, l.end = context.WithCancelCause(context.WithoutCancel(caller))
	k := &transcript{c: c, flight: f, began: c.g.now(), at: c.look.at, of: c.look.of}
	f.answer, f.asking, c.x.lead, c.x.tee = k, true, l, k
	f.cancel = func() { l.end(context.Cause(caller)) }
	l.stop = context.AfterFunc(caller, func() { f.leave(id) })
}

// send writes to the leader's caller. One that takes no more is no reason to stop while
// others follow.
func (l *lead) send(to sink, p []byte) error {
	if l.lost {
		return nil
	}
	return l.excuse(to.Send(p))
}

func (l *lead) flush(to sink, now time.Time) error {
	if l.lost {
		return nil
	}
	return l.excuse(to.Flush(now))
}

func (l *lead) excuse(err error) error {
	if err == nil && l.caller.Err() == nil {
		return nil
	}
	f := l.flight
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.state.Leave(l.id) || f.state.Leader() != l.id {
		return err
	}
	l.lost = true
	return nil
}

// deserted says whether the leader's caller left before the end of an answer that others
// have got.
func (l *lead) deserted() bool { return l != nil && l.lost }
