package gateway

import (
	"strconv"
	"time"

	"weir"
	"weir/dispatch"
)

// end reports the end of the request to the caller, unless that was done, and closes
// the booking.
func (c *call) end(err error) {
	if err == nil && c.x.lead.deserted() { // its followers have all of the answer
		c.booking.release(dispatch.OK)
		c.x.endTee(endsWhole)
		err = gone(c.x.from.Context())
	}
	if err == nil {
		c.booking.close(c.x.status, weir.Completed, weir.NoFault, "")
		c.x.end(endsWhole)
		return
	}
	c.err = err
	p, a := explain(err)
	outcome := weir.Failure
	if c.booking.rec.Attempts == 0 && !c.streaming && p.is != errClientGone && p.is != errStopping {
		outcome = weir.Refused
	}
	away := p.is == errClientGone || p.is == errClientSlow
	cutShort := c.x.started && !c.streaming && !c.finished
	c.booking.release(dispatch.Abandoned) // before writing to a slow caller
	switch {
	case away || c.finished:
	case !c.x.started && !c.x.opened():
		c.sayError(p, a)
	case !c.x.started, c.streaming:
		if c.x.send(c.s.errorEvent(p, a, c.events)) == nil {
			c.x.flush()
		}
	}
	status := a.status
	if c.x.opened() && !away {
		status = 200
	} else if c.x.started && !away {
		status = c.x.status
	}
	c.booking.close(status, outcome, a.fault, a.code)
	if cutShort {
		c.x.end(endsCut)
		return
	}
	c.x.end(endsFailed)
}

// sayError answers with an error in the caller's dialect.
func (c *call) sayError(p *problem, a answer) {
	c.x.claim()
	if c.x.opened() { // meanwhile, by a sign of life
		c.x.start(200, -1)
		c.x.send(c.s.errorEvent(p, a, c.events))
		return
	}
	c.x.set("X-Weir-Fault", a.fault.String())
	if rec := &c.booking.rec; rec.Deployment != "" {
		c.sayWhere()
	} else {
		if rec.Queued > 0 {
			c.x.set("X-Weir-Queue-Ms", strconv.FormatInt(rec.Queued.Milliseconds(), 10))
		}
		c.sayTrail()
	}
	if a.status == 429 || a.status == 503 {
		sayRetryAfter(&c.x, p)
	}
	if p.queued {
		c.x.set("X-Weir-Queue-Position", strconv.Itoa(p.ahead+1))
	}
	body := c.s.errorBody(p, a)
	c.x.set("Content-Type", "application/json")
	c.x.start(a.status, int64(len(body)))
	c.x.send(body)
}

// sayRetryAfter sets the retry time, if known.
func sayRetryAfter(x *exchange, p *problem) {
	if p.hasAfter {
		seconds, ms := retryAfter(p.after)
		x.set("Retry-After", seconds)
		x.set("Retry-After-Ms", ms)
	}
}

// retryAfter formats a time in milliseconds and, for clients that read only those, in
// seconds, rounded up.
func retryAfter(d time.Duration) (seconds, milliseconds string) {
	ms := int64((d + time.Millisecond - 1) / time.Millisecond)
	return strconv.FormatInt((ms+999)/1000, 10), strconv.FormatInt(ms, 10)
}

// sayWhere sets the headers that name the deployment and replica, and the queue time.
func (c *call) sayWhere() {
	rec := &c.booking.rec
	c.sayTrim()
	c.x.set("X-Weir-Deployment", rec.Deployment)
	c.x.set("X-Weir-Replica", rec.Replica)
	c.sayModel()
	c.x.set("X-Weir-Queue-Ms", strconv.FormatInt(rec.Queued.Milliseconds(), 10))
	c.sayTrail()
}

// sayTrail sets the header with the trail of the request.
func (c *call) sayTrail() {
	if trail := c.booking.trailText(); trail != "" {
		c.x.set("X-Weir-Route", trail)
	}
}
