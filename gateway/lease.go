package gateway

import (
	"context"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
	"weir/upstream"
)

// lease is everything one request holds: its place in the queue or its slot and
// work at a replica, its reservation of tokens, its connection to the upstream,
// its body in memory and its place among the gateway's open requests. However
// the request ends, close gives all of it back once and emits its one Record.
//
// It belongs to the goroutine that serves the request; only its channel is
// shared, with whoever holds the model's lock.
type lease struct {
	g       *Gateway
	served  *served
	id      uint64 // what the core knows it by
	holds   holds
	verdict chan dispatch.Verdict // cap 1: a waiting lease gets one verdict

	answers     int     // the upstream will produce, all of them billed
	target      *target // of the present or last attempt
	knock       meter.Knock
	reservation meter.Reservation
	who         meter.Who // it is counted as
	expected    meter.Claim
	promised    promised
	held        weir.Money // of the budgets, for it
	covered     int64      // tokens of answers that the reservation covers
	elsewhere   bool       // it counts for another model than the one asked for, too
	topUps      int
	reply       *upstream.Reply
	race        *race // nil: nothing is hedged
	spilled     bool  // Azure itself sent it to a standard deployment
	body        *buffer

	pair      *pair // with copies of it; nil: there are none
	way       route
	used      weir.Usage
	rec       weir.Record
	queuedAt  weir.Instant
	grantedAt weir.Instant
}

// holds says what a lease has not given back yet.
type holds uint8

const (
	holdsPlace   holds = 1 << iota // among the gateway's open requests: it is not closed
	holdsStream                    // among the gateway's open streams
	holdsTokens                    // a reservation
	holdsQueue                     // the core knows it and has given no verdict
	holdsReplica                   // the core has granted it
	holdsDoor                      // counted while its body is on its way
)

// drop forgets that h is held and says whether it was.
func (l *lease) drop(h holds) bool {
	had := l.holds&h != 0
	l.holds &^= h
	return had
}

// arrive asks the core for a replica and waits for its verdict.
func (l *lease) arrive(ctx context.Context, r dispatch.Request) (dispatch.Verdict, error) {
	l.holds |= holdsQueue
	l.queuedAt = l.g.now()
	v, ok := l.served.arrive(l.queuedAt, r, l)
	return l.wait(ctx, v, ok)
}

// retry asks for another replica after a failure nobody saw. Throttled replicas
// are left alone until the time they said.
func (l *lease) retry(ctx context.Context, f *failure) (dispatch.Verdict, error) {
	l.hangUp()
	l.queuedAt = l.g.now()
	if f.result == dispatch.Throttled {
		l.served.pushBack(l.queuedAt, l.rec.Deployment, l.rec.Replica, l.queuedAt.Add(f.after))
		l.g.tellThrottled(l.target, l.rec.Replica, l.queuedAt.Add(f.after))
	}
	l.drop(holdsReplica)
	l.holds |= holdsQueue
	v, ok := l.served.retry(l.queuedAt, l, f.result)
	return l.wait(ctx, v, ok)
}

// wait returns when the core has decided or the caller has gone.
func (l *lease) wait(ctx context.Context, v dispatch.Verdict, decided bool) (dispatch.Verdict, error) {
	if !decided {
		select {
		case v = <-l.verdict:
		case <-ctx.Done():
			l.drop(holdsQueue)
			l.served.cancel(l.g.now(), l)
			l.rec.Queued += l.g.now().Sub(l.queuedAt)
			return v, gone(ctx)
		}
	}
	l.drop(holdsQueue)
	l.grantedAt = l.queuedAt
	if !decided {
		l.grantedAt = l.g.now()
	}
	l.rec.Queued += l.grantedAt.Sub(l.queuedAt)
	l.rec.Known = int64(v.Known)
	l.way.passed(&v)
	if v.Kind == dispatch.Refuse {
		return v, ofVerdict(v)
	}
	l.rec.Route, l.way.going = routeOf(&v), true
	l.holds |= holdsReplica
	l.rec.Deployment, l.rec.Replica = v.Deployment, v.Replica
	return v, nil
}

// gone says why a context ended: the caller's doing or the gateway's.
func gone(ctx context.Context) error {
	if context.Cause(ctx) == errStopping {
		return errStopping
	}
	return errClientGone
}

// hangUp gives the connection back: for further use if its answer was read to
// its end, else closed, which is what tells the upstream to stop.
func (l *lease) hangUp() {
	if l.reply != nil {
		l.reply.Close()
		l.reply = nil
	}
	l.endRace()
}

// release gives back what the upstream's part of the request holds, as soon as
// that part is over: a caller that is slow to read does not keep a slot.
func (l *lease) release(how dispatch.Result) {
	l.hangUp()
	now := l.g.now()
	if l.drop(holdsReplica) {
		l.served.done(now, l.id, how, l.used)
	}
	if l.drop(holdsQueue) {
		l.served.cancel(now, l)
	}
	if l.drop(holdsTokens) {
		l.g.spend.settle(now, l, how == dispatch.OK)
	}
	if l.holds&holdsDoor != 0 {
		l.g.spend.mu.Lock()
		l.leaveDoor()
		l.g.spend.mu.Unlock()
	}
	l.body.free()
	l.body = nil
}

// close ends the request: it releases what is still held and emits the Record.
// Every call after the first does nothing.
func (l *lease) close(status int, outcome weir.Outcome, fault weir.Fault, code string) {
	if !l.drop(holdsPlace) {
		return
	}
	how := dispatch.OK
	if outcome != weir.Completed {
		how = dispatch.Abandoned
	}
	l.release(how)
	if l.drop(holdsStream) {
		l.g.streams.Add(-1)
	}
	r := &l.rec
	r.Ended = l.g.now()
	r.Status, r.Outcome, r.Fault, r.Code = status, outcome, fault, code
	r.Usage = l.used
	if l.target != nil {
		r.Cost = l.rates().Cost(l.used)
		r.Price = l.price()
		r.Extra = l.extra()
	}
	r.Way = l.wayText()
	l.mirrored()
	l.g.open.Add(-1)
	l.g.judge(l)
	if l.g.record != nil {
		l.g.record(*r)
	}
}

// tpot is the mean time per token after the first.
func tpot(first, last weir.Instant, tokens int64) time.Duration {
	if tokens < 2 || last <= first {
		return 0
	}
	return last.Sub(first) / time.Duration(tokens-1)
}
