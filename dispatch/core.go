package dispatch

import (
	"math/rand/v2"
	"time"

	"weir"
)

// Core is the admission queue and router of one model. It is not safe for
// concurrent use: its owner serialises calls. Time given to it never goes back;
// an earlier time than the last counts as the last.
type Core struct {
	o      Options
	health Health
	rng    *rand.Rand // order of newcomers
	jitter *rand.Rand // of pauses
	now    weir.Instant

	tiers       []tier
	deployments []*deployment // in the order of Options
	leaving     []*deployment // no longer configured, with requests in flight

	calls  map[uint64]*call
	spare  *call // ended calls, for reuse
	number uint64
	turn   uint64
	timers heap[*timer] // replicas that come back by themselves

	lanes   [2]lane // by class
	waiting waitList
	limits  heap[*limit] // when those that wait give up, or lose their patience
	pauses  heap[*pause] // when those that failed may be sent again
	warm    bool         // a replica is ready
	warmAt  weir.Instant // when one last became so after there was none
	held    *call        // has a replica kept free, because it is first and found no room
	stale   bool         // something changed in a call that returns no verdicts
	tripped bool         // a replica was opened since those that wait were last looked at

	limited  bool         // a deployment lacks something
	lackAt   weir.Instant // when what was learned of one ends first; 0: nothing was
	narrowed bool         // one more does, since those that wait were last looked at
	soured   bool         // so was something that patience may end for

	preferred int  // leading tiers that requests wait for
	metered   bool // one of them has a quota

	told [][]Passed // the last answers of passed, by the number of tiers

	hedges float64 // that may be made: see hedgeable

	claims claims
	idle   bool // nobody who waits fits anywhere, and nothing has changed since that was seen
	clocks bool // there is a quota, or somebody was throttled: time alone may make room

	rate   rate
	totals Demand
	out    []Verdict
}

// call is a request the Core holds, waiting or granted.
type call struct {
	Request
	number uint64       // order of arrival
	since  weir.Instant // Arrive or the last Retry
	work   int          // tokens still to do

	on       *replica // granted
	epoch    uint32   // of on's health at that time
	first    bool     // its first token has come
	attempts int
	tried    []*replica

	excused   bool          // a replica has said that it does not serve now
	suspect   *replica      // that its first failure counts against
	streak    uint32        // of suspect, at that time
	refusedBy []*deployment // that do not do what it needs

	booked  uint64       // thousandths of tokens, in the quota of on's deployment
	known   int          // tokens of its prompt that on is believed to remember
	prefill int          // those on has to compute, until the first token has come
	due     int          // the same, where the first token will be told
	claim   *claim       // its tenant's
	stance  stance       // when it was last offered somewhere
	sent    weir.Instant // to on
	of      uint64       // a copy: of this request; of a mirror itself

	patient   bool // waits for the preferred tiers only
	elsewhere bool // served, but not by the quota of on's deployment
	cameBack  bool // to a replica that had throttled it
	longer    int  // 0, or the context that was too short for it

	flow          *flow // waiting; nil when it was granted before
	before, after *call // in the flow or among those granted before
	older, newer  *call // in the waitList
	limit         limit
	pause         pause
	reserved      *replica // held for it
}

// limit stands in the heap of waiting calls by when they give up.
type limit struct {
	q     *call
	at    weir.Instant
	index int
}

func (l *limit) before(o *limit) bool {
	return l.at < o.at || l.at == o.at && l.q.number < o.q.number
}
func (l *limit) place() *int { return &l.index }

func (q *call) hasTried(r *replica) bool {
	for _, t := range q.tried {
		if t == r {
			return true
		}
	}
	return false
}

// New returns a Core without replicas. The seed settles what would otherwise be
// chance, so that several gateways do not all begin with the same replica.
func New(o Options, seed uint64) *Core {
	c := &Core{
		rng:    rand.New(rand.NewPCG(seed, 0x776569722d647370)),
		jitter: rand.New(rand.NewPCG(seed, 0x776569722d6a6974)),
		calls:  map[uint64]*call{},
	}
	for i := range c.lanes {
		c.lanes[i].class, c.lanes[i].flows = i, map[string]*flow{}
	}
	c.Configure(0, o)
	return c
}

// Arrive asks for a replica for r. Its verdict is among those returned, or
// comes with a later call; others may be granted or refused by the same call.
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
		c.end() // who waited comes first to what has become free since
	}
	if !q.pinned() && c.behindItsOwn(q) {
		if c.preferred < len(c.tiers) && c.spillBehind(q) {
			return c.out
		}
	} else if c.place(q, true) {
		return c.out
	}
	c.enqueue(q, false)
	return c.end()
}

// behindItsOwn says whether requests of the same tenant and class wait already.
// Those of others that wait do not fit anywhere now, or they would not.
func (c *Core) behindItsOwn(q *call) bool {
	l := c.laneOf(q)
	if l.count == 0 {
		return false
	}
	f := l.of(q.claim)
	return f != nil && f.count > 0
}

// Retry says that the attempt of a granted request failed before anything
// reached the caller. It gets a new verdict: another replica, a tried one only
// where no other is up, or a refusal when its attempts are used up. A number
// the Core does not hold as granted is ignored.
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
	// A provider that said when to come back may be asked again then: once, and
	// not with the last attempt, which another may need.
	comeBack := why == Throttled && !q.cameBack && q.attempts+1 < c.o.Attempts && c.patience(q) > c.now
	q.cameBack = q.cameBack || comeBack
	if !comeBack && !q.hasTried(r) {
		q.tried = append(q.tried, r)
	}
	q.elsewhere = false
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
	case !c.backOff(q, why) && c.waiting.count == 0 && c.place(q, false):
	default:
		c.enqueue(q, true)
	}
	return c.end()
}

// FirstToken says that a granted request has brought its first token: its
// prefill is no longer outstanding work. When that makes room for one that
// waits, Next says now, and Wake brings the verdict.
func (c *Core) FirstToken(now weir.Instant, id uint64) {
	c.advance(now)
	q := c.calls[id]
	if q == nil || q.on == nil || q.first {
		return
	}
	q.first = true
	if t := q.on.d.tail; t != nil && q.of == 0 {
		t.saw(c.now.Sub(q.sent))
	}
	r, done := q.on, min(q.Prompt, q.work)
	c.idle = false
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
	c.stale = c.waiting.count > 0
}

// Done says that a granted request has ended for good. It frees its slot and
// work. Calling it again, or with a number the Core does not hold as granted,
// does nothing.
func (c *Core) Done(now weir.Instant, id uint64, how Result, used weir.Usage) []Verdict {
	c.begin(now)
	q := c.calls[id]
	if q == nil || q.on == nil {
		return c.out
	}
	d := q.on.d
	if !q.first && (how == OK || used.Completion > 0) {
		d.donePrompt += uint64(q.Prompt)
	}
	d.doneOutput += uint64(max(used.Completion, 0))
	if how == OK {
		c.rate.add(c.now, q.work)
		d.completed++
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

// Cancel takes back a request whose caller has gone, whether it waits or was
// granted. It gets no verdict any more. Calling it again does nothing.
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

// PushBack says that a replica, or with an empty name the whole deployment,
// wants nothing before until. The latest of several wins. Unknown names are
// ignored.
func (c *Core) PushBack(now weir.Instant, deployment, replica string, until weir.Instant) {
	c.advance(now)
	d := c.deployment(deployment)
	if d == nil {
		return
	}
	c.stale = c.waiting.count > 0
	c.soured, c.clocks = true, true
	if replica == "" {
		d.throttled = max(d.throttled, until)
	} else if r := d.byID[replica]; r != nil {
		c.throttle(r, until)
	}
	if d.quota != nil && until > c.now {
		d.quota.refused(until)
	}
}

// Elsewhere says that the provider of a granted request's deployment has sent it
// on by itself: it is served, and no part of the deployment's quota, which was
// full.
func (c *Core) Elsewhere(now weir.Instant, id uint64) {
	c.advance(now)
	q := c.calls[id]
	if q == nil || q.on == nil || q.on.d.quota == nil || q.elsewhere {
		return
	}
	u := q.on.d.quota
	u.unbook(c.now, q.booked)
	u.refused(c.now)
	q.booked, q.elsewhere = 0, true
	c.stale = c.waiting.count > 0
}

// Limits says what the provider of a deployment has told of its quota: tokens
// and requests a minute, 0 for what it did not tell. Only what is lower than
// configured counts, and as long as nothing else is told.
func (c *Core) Limits(now weir.Instant, deployment string, tokens, requests int) {
	c.advance(now)
	if d := c.deployment(deployment); d != nil && d.quota != nil {
		d.quota.said = Quota{TokensPerMinute: max(tokens, 0), RequestsPerMinute: max(requests, 0)}
		d.quota.limit()
		c.idle = false
		c.stale = c.waiting.count > 0
	}
}

// Wake does what has become due: replicas that may be asked again, requests
// that have waited long enough.
func (c *Core) Wake(now weir.Instant) []Verdict {
	c.begin(now)
	return c.end()
}

// Next is when Wake must be called at the latest; 0: not before another call.
// It may lie in the past: then at once.
func (c *Core) Next() weir.Instant {
	if c.waiting.count == 0 {
		return 0
	}
	if c.stale {
		return max(c.now, 1)
	}
	next := c.limits[0].at
	if len(c.timers) > 0 {
		next = min(next, c.timers[0].at)
	}
	if len(c.pauses) > 0 {
		next = min(next, c.pauses[0].at)
	}
	if c.lackAt != 0 {
		next = min(next, c.lackAt)
	}
	for _, d := range c.deployments {
		if d.throttled > c.now {
			next = min(next, d.throttled)
		}
		if d.quota == nil {
			continue
		}
		for class := range c.lanes {
			if c.lanes[class].count == 0 {
				continue
			}
			if at := d.quota.at(c.now, weir.Class(class)); at > c.now {
				next = min(next, at)
			}
		}
	}
	return next
}

// begin starts an event that returns verdicts.
func (c *Core) begin(now weir.Instant) {
	c.out = c.out[:0]
	c.advance(now)
}

// advance moves time on and brings back replicas whose time has come.
func (c *Core) advance(now weir.Instant) {
	c.now = max(c.now, now)
	for len(c.timers) > 0 && c.timers[0].at <= c.now {
		c.idle = false
		c.settle(c.timers[0].r)
	}
	if len(c.pauses) > 0 {
		c.rested()
	}
	if c.lackAt != 0 && c.lackAt <= c.now {
		c.relearn()
	}
}

// end serves the queue after an event and refuses who has waited too long.
func (c *Core) end() []Verdict {
	if c.waiting.count == 0 {
		return c.out
	}
	c.stale = false
	if !c.idle || c.clocks || len(c.timers) > 0 || len(c.pauses) > 0 {
		c.serve()
	}
	if c.tripped {
		c.giveUpOnKeepers()
		c.giveUpOnDead()
	}
	if c.narrowed {
		c.giveUpOnUnfit()
	}
	if c.soured && c.reconsider() {
		c.serve() // batch stands behind them
	}
	for len(c.limits) > 0 && c.limits[0].at <= c.now {
		q := c.limits[0].q
		switch {
		case q.patient && c.hurry(q):
		case q.limit.at > c.now: // it waits on, with less patience
		default:
			c.dequeue(q, false)
			c.refuse(q, c.late())
		}
		if len(c.limits) == 0 || c.limits[0].at > c.now {
			c.serve() // what it kept back for itself is free
		}
	}
	return c.out
}

// giveUpOnDead refuses all who wait when the last replica has failed its trial:
// see inVain.
func (c *Core) giveUpOnDead() {
	c.tripped = false
	for q := c.waiting.oldest; q != nil; q = c.waiting.oldest {
		if c.inVain(q.limit.at) != AllUnhealthy {
			return
		}
		c.dequeue(q, false)
		c.refuse(q, AllUnhealthy)
	}
}

// late says why those who wait have waited in vain.
func (c *Core) late() Reason {
	if !c.warm {
		return ColdTimeout
	}
	return QueueTimeout
}

// place sends q, which does not wait yet, to a replica, if one has room that q
// does not rather wait for another than go to.
func (c *Core) place(q *call, newcomer bool) bool {
	if c.grantIn(q, 0, c.preferred) {
		return true
	}
	return c.preferred < len(c.tiers) && !q.pinned() && !c.waits(q, newcomer) && c.grantIn(q, c.preferred, len(c.tiers))
}

// grant sends q, which waits, to a replica, if one has room where it may go.
func (c *Core) grant(q *call) bool {
	if q.patient {
		return c.grantIn(q, 0, c.preferred)
	}
	return c.grantIn(q, 0, len(c.tiers))
}

// grantIn sends q to a replica, if one has room, tier after tier.
func (c *Core) grantIn(q *call, from, to int) bool {
	if q.pinned() {
		return c.grantPinned(q)
	}
	avoid := c.avoids(q)
	q.stance = c.stanceOf(q)
	for i := from; i < to; i++ {
		if r := c.choose(c.tiers[i], q, avoid); r != nil {
			c.send(q, r, i)
			return true
		}
	}
	return false
}

// send books q on r and says so.
func (c *Core) send(q *call, r *replica, tier int) {
	reason := Room
	switch {
	case r.open:
		reason = Probe
	case tier > 0:
		reason = Spill
	}
	q.attempts++
	if r.d.quota != nil {
		q.booked = r.d.quota.book(c.now, q.Prompt, q.mayAnswer())
	}
	c.take(r, q)
	r.d.granted++
	c.totals.Granted++
	c.out = append(c.out, Verdict{})
	v := &c.out[len(c.out)-1]
	v.ID, v.Kind, v.Deployment, v.Replica, v.Addr = q.ID, Grant, r.d.Name, r.id, r.addr
	v.Reason, v.Queued, v.Known = reason, c.now.Sub(q.since), q.known
	if tier > 0 {
		v.Passed = c.passed(q, tier)
	}
	if c.o.Hedge.Share > 0 && !q.pinned() {
		c.hedgeable(q, v)
	}
}

// mayAnswer is the output a provider books the request with.
func (r *Request) mayAnswer() int {
	if r.MaxOutput > 0 {
		return r.MaxOutput
	}
	return r.Output
}

// account corrects what q was booked with, now that the attempt has ended. What
// nobody reported stays as booked.
func (c *Core) account(q *call, how Result, used weir.Usage) {
	u := q.on.d.quota
	switch {
	case q.elsewhere:
	case used.Prompt > 0 || used.Completion > 0:
		u.correct(c.now, q.booked, used)
	case how == Throttled || how == Rejected || how == TooLong || how == Unreachable || how == Incapable: // it was not let in
		u.unbook(c.now, q.booked)
		if until := max(q.on.throttled, q.on.d.throttled); until > c.now {
			u.refused(until)
		}
	}
	q.booked = 0
}

// avoids says whether q must not go where it has failed, because a replica that
// it has not tried could serve it, now or when it has room.
func (c *Core) avoids(q *call) bool {
	if len(q.tried) == 0 {
		return false
	}
	for _, t := range c.tiers {
		for _, d := range t {
			if d.throttled > c.now || c.unfit(q, d) {
				continue
			}
			for _, r := range d.replicas {
				if r.usable(c.now) && !q.hasTried(r) {
					return true
				}
			}
		}
	}
	return false
}

// tooLongFor says whether q was found too long for as much context as d has.
func (q *call) tooLongFor(d *deployment) bool { return q.longer > 0 && d.Context <= q.longer }

// fits says whether q may go to a deployment at all: one with more context than
// was too short for it, one that does what it needs.
func (c *Core) fits(q *call) bool {
	for _, t := range c.tiers {
		for _, d := range t {
			if !c.unfit(q, d) && (d.ready > 0 || d.Elastic || d.coming > 0) {
				return true
			}
		}
	}
	return false
}

// newCall takes a call from the spare ones and makes the Core hold it.
func (c *Core) newCall(r Request) *call {
	q := c.spare
	if q == nil {
		q = new(call)
	} else {
		c.spare = q.after
	}
	c.number++
	r.Prompt, r.Output, r.MaxOutput = min(max(r.Prompt, 0), maxWork), min(max(r.Output, 0), maxWork), min(r.MaxOutput, maxWork)
	q.Request, q.number, q.since, q.work, q.after = r, c.number, c.now, workOf(r), nil
	q.limit.q = q
	q.claim = c.claims.enter(c.now, r.Tenant, c.share(r.Tenant), r.Class)
	c.calls[r.ID] = q
	return q
}

// release forgets a call that has ended.
func (c *Core) release(q *call) {
	delete(c.calls, q.ID)
	q.claim.requests--
	clear(q.tried)
	clear(q.refusedBy)
	tried, refusedBy := q.tried[:0], q.refusedBy[:0]
	*q = call{}
	q.tried, q.refusedBy, q.after = tried, refusedBy, c.spare
	c.spare = q
}

// maxWork bounds what one request may claim to be, so that sums cannot overflow.
const maxWork = 1 << 31

// workOf is the work of a request that nothing is known to be done of: at least
// one token, so that each is worth its place in the queue.
func workOf(r Request) int {
	return max(r.Prompt+r.Output, 1)
}

// maxWait is how long a call may wait from since on, while there is a replica
// and while there is none.
func (c *Core) maxWait(class weir.Class) (warm, cold time.Duration) {
	warm = c.o.Queue.MaxWait
	if class == weir.Batch {
		warm = c.o.Queue.BatchWait
	}
	return warm, max(warm, c.o.Queue.MaxWaitCold)
}
