package dispatch

import (
	"time"

	"weir"
)

// PushBack says that a replica, or with an empty name the whole deployment,
// takes nothing before until. The latest of several wins. Unknown names are
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

// Limits is the quota a provider reported for a deployment: tokens and requests
// a minute, 0 if it reported none. Only a value below the configured one
// counts, until the next report.
func (c *Core) Limits(now weir.Instant, deployment string, tokens, requests int) {
	c.advance(now)
	if d := c.deployment(deployment); d != nil && d.quota != nil {
		d.quota.said = Quota{TokensPerMinute: max(tokens, 0), RequestsPerMinute: max(requests, 0)}
		d.quota.limit()
		c.changed(moreRoom | noVerdicts)
	}
}

// Capacity says that the provider of a deployment now allows q, which must be
// valid: provisioned capacity was added or removed. With more, waiting requests
// are served at once. With less, requests in flight continue. The bucket keeps
// its content and drains at the new rate. A deployment that is not configured
// is ignored, also one with requests left: if it returns it has its old quota.
// Later traffic is served as after Configure with that quota.
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

// Spilled says that the provider of a granted request's deployment spilled it
// by itself. The request is served outside the deployment's quota, which was
// full.
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

// account corrects q's booking after its attempt ended. Without a reported
// usage the booking stays.
func (c *Core) account(q *call, how Result, used weir.Usage) {
	u := q.on.d.quota
	switch {
	case q.spilled:
	case used.Prompt > 0 || used.Completion > 0:
		u.correct(c.now, q.booked, used)
	case how == Throttled || how == Rejected || how == TooLong || how == Unreachable || how == Incapable: // the provider did not admit it
		u.unbook(c.now, q.booked)
		if until := max(q.on.throttled, q.on.d.throttled); until > c.now {
			u.refused(until)
		}
	}
	q.booked = 0
}

// Booked is the sum of all bookings of a deployment's quota since the start.
// Gateways in front of the same provider exchange it, and each then knows the
// use of the whole quota.
type Booked struct {
	Drain    time.Duration // provisioned: time to drain the bookings; corrected by actual usage
	Tokens   int64
	Requests int64
}

// Booked returns this Core's bookings of a deployment's quota; false if it has
// none.
func (c *Core) Booked(deployment string) (Booked, bool) {
	d := c.deployment(deployment)
	if d == nil || d.quota == nil {
		return Booked{}, false
	}
	return d.quota.all, true
}

// BookRemote adds the bookings of other gateways since their last report.
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
