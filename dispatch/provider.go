package dispatch

import (
	"time"

	"weir"
)

// PushBack says that a replica, or with an empty name the whole deployment,
// wants nothing before until. The latest of several wins. Unknown names are
// ignored.
func (c *Core) PushBack(now weir.Instant, deployment, replica string, until weir.Instant) {
	c.advance(now)
	d := c.deployment(deployment)
	if d == nil {
		return
	}
	c.clocks = true
	c.changed(clockMoved | noVerdicts)
	if replica == "" {
		d.throttled = max(d.throttled, until)
	} else if r := d.byID[replica]; r != nil {
		c.throttle(r, until)
	}
	if d.quota != nil && until > c.now {
		d.quota.refused(until)
	}
}

// Limits says what the provider of a deployment has told of its quota: tokens
// and requests a minute, 0 for what it did not tell. Only what is lower than
// configured counts, and as long as nothing else is told.
func (c *Core) Limits(now weir.Instant, deployment string, tokens, requests int) {
	c.advance(now)
	if d := c.deployment(deployment); d != nil && d.quota != nil {
		d.quota.said = Quota{TokensPerMinute: max(tokens, 0), RequestsPerMinute: max(requests, 0)}
		d.quota.limit()
		c.changed(moreRoom | noVerdicts)
	}
}

// Capacity says that the provider of a deployment now lets through q, which must be
// valid: provisioned capacity was added or taken away. What waits for it is served
// at once when there is more; what is in flight goes on when there is less, and what
// stands in the bucket drains at the new rate. A deployment that is not configured
// is ignored, also one with requests left: its quota is as it was left if it comes
// back. Traffic after it is served as after Configure with that quota.
func (c *Core) Capacity(now weir.Instant, deployment string, q Quota) []Verdict {
	c.begin(now)
	d := c.deployment(deployment)
	if d == nil || d.retired {
		return c.out
	}
	d.Quota = q
	d.quota = newQuota(c.now, q, d.quota)
	return c.reopen()
}

// Spilled says that the provider of a granted request's deployment has sent it on by
// itself: it is served, and no part of the deployment's quota, which was full.
func (c *Core) Spilled(now weir.Instant, id uint64) {
	c.advance(now)
	q := c.calls[id]
	if q == nil || q.on == nil || q.on.d.quota == nil || q.spilled {
		return
	}
	u := q.on.d.quota
	u.unbook(c.now, q.booked)
	u.refused(c.now)
	q.booked, q.spilled = 0, true
	c.changed(noVerdicts)
}

// account corrects what q was booked with, now that the attempt has ended. What
// was not reported stays as booked.
func (c *Core) account(q *call, how Result, used weir.Usage) {
	u := q.on.d.quota
	switch {
	case q.spilled:
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

// Booked is what was booked of a deployment's quota since the beginning: other
// gateways in front of the same provider book it too, so that all of them know
// how full it is.
type Booked struct {
	Drain    time.Duration // of provisioned throughput, the time it takes to drain; corrected to what was used
	Tokens   int64
	Requests int64
}

// Booked returns what this Core has booked of a deployment's quota; false where
// it has none.
func (c *Core) Booked(deployment string) (Booked, bool) {
	d := c.deployment(deployment)
	if d == nil || d.quota == nil {
		return Booked{}, false
	}
	return d.quota.all, true
}

// BookRemote enters what other gateways have booked since they were last heard.
func (c *Core) BookRemote(now weir.Instant, deployment string, more Booked) {
	c.advance(now)
	d := c.deployment(deployment)
	if d == nil || d.quota == nil {
		return
	}
	d.quota.remote(now, more)
	c.changed(moreRoom | noVerdicts)
}

func (u *quota) remote(now weir.Instant, more Booked) {
	u.tokens.add(now, max(more.Tokens, 0))
	u.second.add(now, max(more.Requests, 0))
	u.tenth.add(now, max(more.Requests, 0))
	if u.Drain > 0 {
		const most = 24 * time.Hour
		u.empty = max(u.empty, now).Add(min(max(more.Drain, -most), most))
	}
}
