package dispatch

import "weir"

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
	due     int          // the same, where FirstToken will be called
	claim   *claim       // its tenant's
	stance  stance       // when it was last offered somewhere
	sent    weir.Instant // to on
	of      uint64       // a copy: of this request; of a mirror itself

	patient  bool // waits for the preferred tiers only
	spilled  bool // served, but not by the quota of on's deployment
	cameBack bool // to a replica that had throttled it
	longer   int  // 0, or the context that was too short for it

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

func (l *limit) heapIndex() *int { return &l.index }

func (q *call) hasTried(r *replica) bool {
	for _, t := range q.tried {
		if t == r {
			return true
		}
	}
	return false
}

// tooLongFor says whether q was found too long for as much context as d has.
func (q *call) tooLongFor(d *deployment) bool { return q.longer > 0 && d.Context <= q.longer }

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

// mayAnswer is the output a provider books the request with.
func (r *Request) mayAnswer() int {
	if r.MaxOutput > 0 {
		return r.MaxOutput
	}
	return r.Output
}
