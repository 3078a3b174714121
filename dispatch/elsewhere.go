package dispatch

import (
	"time"

	"weir"
)

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

// BookElsewhere enters what others have booked since they were last heard.
func (c *Core) BookElsewhere(now weir.Instant, deployment string, more Booked) {
	c.advance(now)
	d := c.deployment(deployment)
	if d == nil || d.quota == nil {
		return
	}
	d.quota.elsewhere(now, more)
	c.idle = false
	c.stale = c.waiting.count > 0
}

func (u *quota) elsewhere(now weir.Instant, more Booked) {
	u.tokens.add(now, max(more.Tokens, 0))
	u.second.add(now, max(more.Requests, 0))
	u.tenth.add(now, max(more.Requests, 0))
	if u.Drain > 0 {
		const most = 24 * time.Hour
		u.empty = max(u.empty, now).Add(min(max(more.Drain, -most), most))
	}
}
