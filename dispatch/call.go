package dispatch

import "weir"

// call is a request the Core holds, waiting or granted.
type call struct {
	Request
	number uint64       // order of arrival
	since  weir.Instant // when Arrive or the last Retry was called
	work   int          // tokens outstanding

	on       *replica // granted there
	epoch    uint32   // of on's health at the grant
	first    bool     // its first token has come
	solo     uint64   // on's count of grants, if it held nothing else then; 0: it did
	attempts int
	tried    []*replica

	excused   bool          // a replica answered that it is out of service
	suspect   *replica      // the replica its first failure counts against
	streak    uint32        // of suspect, at that failure
	refusedBy []*deployment // deployments that do not support what it needs

	booked  uint64       // thousandths of tokens, in the quota of on's deployment
	known   int          // prompt tokens that on is believed to have cached
	prefill int          // prompt tokens on must compute, until the first token
	due     int          // the same, if FirstToken will be called
	claim   *claim       // its tenant's
	stance  stance       // at the last attempt to grant it
	sent    weir.Instant // time of the grant
	firstAt weir.Instant // its first token, if on held nothing else until then; 0: it did
	of      uint64       // a copy: the number of the original; a mirror: its own

	patient  bool // waits for the preferred tiers only
	spilled  bool // served, but outside the quota of on's deployment
	cameBack bool // to a replica that had throttled it
	longer   int  // 0, or the context length that was too short for it

	flow          *flow // when waiting; nil when it was granted before
	before, after *call // in the flow or among those granted before
	older, newer  *call // in the waitList
	limit         limit
	pause         pause
	reserved      *replica // held for it
}

// limit is a waiting call's entry in the heap of times at which calls give up.
type limit struct {
	q     *call
	at    weir.Instant
	index int
}

func (l *limit) before(o *limit) bool {
	return l.at < o.at || l.at == o.at && l.q.number < o.q.number
}

func (l *limit) heapIndex() *int { return &l.index }

func (q *call) hasTried(r *replica) bool {
	for _, t := range q.tried {
		if t == r {
			return true
		}
	}
	return false
}

// tooLongFor says whether d has no more context than was already too short for
// q.
func (q *call) tooLongFor(d *deployment) bool { return q.longer > 0 && d.Context <= q.longer }

// newCall takes a call from the spare list and registers it with the Core.
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

// release forgets an ended call.
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

// maxWork bounds the size of one request. Sums then cannot overflow.
const maxWork = 1 << 31

// workOf returns the work of a request that has not started: at least one
// token. Each request then counts in the queue.
func workOf(r Request) int {
	return max(r.Prompt+r.Output, 1)
}

// mayAnswer returns the output tokens a provider books for the request.
func (r *Request) mayAnswer() int {
	if r.MaxOutput > 0 {
		return r.MaxOutput
	}
	return r.Output
}
