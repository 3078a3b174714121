package gateway

import (
	"context"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
	"weir/upstream"
)

// booking is everything one request holds: its position in the queue, or its slot and
// work at a replica; its reservation of tokens, its connection to the upstream, its
// body in memory, and its count among the open requests. However the request ends,
// close gives all of it back once and emits its one Record.
//
// It belongs to the goroutine that serves the request. Only its channel is shared, with
// the goroutine that holds the model's lock.
type booking struct {
	g       *Gateway
	served  *served
	id      uint64 // its ID in the core
	holds   holds
	verdict chan dispatch.Verdict // cap 1: a waiting booking gets one verdict
	granted dispatch.Verdict      // the last that granted a replica

	answers     int     // that the upstream will produce, all of them billed
	target      *target // of the current or last attempt
	knock       meter.Knock
	reservation meter.Reservation
	who         meter.Who // scopes it counts for
	expected    meter.Claim
	promised    promised
	held        weir.Money // amount held in budgets for it
	covered     int64      // tokens of answers that the reservation covers
	otherModel  bool       // it also counts for a model other than the requested one
	topUps      int
	reply       *upstream.Reply
	race        *race // nil: not hedged
	spilled     bool  // Azure sent it to a standard deployment
	free        bool  // it is answered without a model: it counts as a request, and uses nothing
	body        *buffer

	pair      *pair // with its copies; nil: none
	trail     trail
	used      weir.Usage
	rec       weir.Record
	queuedAt  weir.Instant
	grantedAt weir.Instant
}

// holds is a set of things that a booking has not given back.
type holds uint8

const (
	holdsOpen    holds = 1 << iota // among the gateway's open requests: the booking is not closed
	holdsStream                    // among the gateway's open streams
	holdsTokens                    // a reservation
	holdsQueue                     // queued in the core, without a verdict
	holdsReplica                   // granted by the core
	holdsDoor                      // counted while its body arrives
)

// drop removes h from the set and says whether it was in it.
func (b *booking) drop(h holds) bool {
	had := b.holds&h != 0
	b.holds &^= h
	return had
}

// arrive asks the core for a replica and waits for its verdict.
func (b *booking) arrive(ctx context.Context, r dispatch.Request) error {
	b.holds |= holdsQueue
	b.queuedAt = b.g.now()
	v, ok := b.served.arrive(b.queuedAt, r, b)
	return b.wait(ctx, v, ok)
}

// retry asks for another replica after a failure that the caller has not seen.
// Throttled replicas are avoided until the time they gave.
func (b *booking) retry(ctx context.Context, f *failure) error {
	b.hangUp()
	b.queuedAt = b.g.now()
	if f.result == dispatch.Throttled {
		b.served.pushBack(b.queuedAt, b.rec.Deployment, b.rec.Replica, b.queuedAt.Add(f.after))
		b.g.tellThrottled(b.target, b.rec.Replica, b.queuedAt.Add(f.after))
	}
	b.drop(holdsReplica)
	b.holds |= holdsQueue
	v, ok := b.served.retry(b.queuedAt, b, f.result)
	return b.wait(ctx, v, ok)
}

// wait returns when the core has decided or the caller has left. With a grant, granted
// is the verdict.
func (b *booking) wait(ctx context.Context, v dispatch.Verdict, decided bool) error {
	if !decided {
		select {
		case v = <-b.verdict:
		case <-ctx.Done():
			b.drop(holdsQueue)
			b.served.cancel(b.g.now(), b)
			b.rec.Queued += b.g.now().Sub(b.queuedAt)
			return gone(ctx)
		}
	}
	b.drop(holdsQueue)
	b.grantedAt = b.queuedAt
	if !decided {
		b.grantedAt = b.g.now()
	}
	b.rec.Queued += b.grantedAt.Sub(b.queuedAt)
	b.rec.Known = int64(v.Known)
	b.trail.passed(&v)
	if v.Kind == dispatch.Refuse {
		return ofVerdict(v)
	}
	b.rec.Reason, b.trail.going = reasonOf(&v), true
	b.holds |= holdsReplica
	b.rec.Deployment, b.rec.Replica = v.Deployment, v.Replica
	b.granted = v
	return nil
}

// gone says why a context ended: the caller left, or the gateway stops.
func gone(ctx context.Context) error {
	if context.Cause(ctx) == errStopping {
		return errStopping
	}
	return errClientGone
}

// hangUp gives the connection back: for reuse if its answer was read to the end, else
// it is closed, which stops the upstream.
func (b *booking) hangUp() {
	if b.reply != nil {
		b.reply.Close()
		b.reply = nil
	}
	b.endRace()
}

// release gives back what the request holds for the upstream as soon as the upstream is
// done: a slow reader does not keep a slot.
func (b *booking) release(how dispatch.Result) {
	b.hangUp()
	now := b.g.now()
	if b.drop(holdsReplica) {
		b.served.done(now, b.id, how, b.used)
	}
	if b.drop(holdsQueue) {
		b.served.cancel(now, b)
	}
	if b.drop(holdsTokens) {
		b.g.spend.settle(now, b, how == dispatch.OK)
	}
	if b.holds&holdsDoor != 0 {
		b.g.spend.mu.Lock()
		b.leaveDoor()
		b.g.spend.mu.Unlock()
	}
	b.body.free()
	b.body = nil
}

// close ends the request: it releases everything still held and emits the Record.
// Further calls do nothing.
func (b *booking) close(status int, outcome weir.Outcome, fault weir.Fault, code string) {
	if !b.drop(holdsOpen) {
		return
	}
	how := dispatch.OK
	if outcome != weir.Completed {
		how = dispatch.Abandoned
	}
	b.release(how)
	if b.drop(holdsStream) {
		b.g.streams.Add(-1)
	}
	r := &b.rec
	r.Ended = b.g.now()
	r.Status, r.Outcome, r.Fault, r.Code = status, outcome, fault, code
	r.Usage = b.used
	if b.target != nil {
		r.Cost = b.rates().Cost(b.used)
		r.Price = b.price()
		r.Extra = b.extra()
	}
	r.Trail = b.trailText()
	b.mirrored()
	b.g.open.Add(-1)
	b.g.judge(b)
	if b.g.record != nil {
		b.g.record(*r)
	}
}

// tpot is the mean time per token after the first.
func tpot(first, last weir.Instant, tokens int64) time.Duration {
	if tokens < 2 || last <= first {
		return 0
	}
	return last.Sub(first) / time.Duration(tokens-1)
}
