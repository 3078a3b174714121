package dispatch

import (
	"slices"
	"time"

	"weir"
)

// Needs is what a request requires of a deployment besides tokens: an operation
// and the kinds of content in its prompt. The zero value requires nothing.
type Needs uint16

// Content of a prompt; the lower bits are operations.
const (
	Images Needs = 1 << (iota + 12)
	Audio
	Tools
)

// Operation returns the need for an operation.
func Operation(op weir.Op) Needs { return 1 << op }

// lack is a capability that a deployment was found not to have. A lack found by
// one key alone holds for that key alone: a server may give the same answer to
// a malformed request.
type lack struct {
	needs   Needs
	key     uint64
	several bool
	until   weir.Instant
}

// Bounds of what is learned about a deployment.
const (
	lackFor  = time.Minute // after that it is asked again
	maxLacks = 16
)

// Lacks says that a deployment answered that it does not support needs, to a
// request of that key. It is not believed for needs the deployment has served
// before. For a while such requests go to other deployments, or are refused
// where no deployment is left.
func (c *Core) Lacks(now weir.Instant, deployment string, needs Needs, key uint64) {
	c.advance(now)
	d := c.deployment(deployment)
	if d == nil || needs&^d.proven == 0 {
		return
	}
	needs &^= d.proven
	i := slices.IndexFunc(d.learned, func(l lack) bool { return l.needs == needs && (l.several || l.key == key || key != 0 && l.key != 0) })
	switch {
	case i >= 0:
		l := &d.learned[i]
		l.several = l.several || l.key != key
		l.until = c.now.Add(lackFor)
	case len(d.learned) < maxLacks:
		d.learned = append(d.learned, lack{needs: needs, key: key, several: key == 0, until: c.now.Add(lackFor)})
	}
	c.relearn()
}

// does notes that d has served q's needs.
func (c *Core) does(d *deployment, q *call) {
	if q.Needs&^d.proven == 0 {
		return
	}
	if d.proven |= q.Needs; len(d.learned) > 0 {
		c.relearn()
	}
}

// relearn forgets lacks that have expired or are disproved.
func (c *Core) relearn() {
	c.lackAt = 0
	for _, d := range slices.Concat(c.deployments, c.leaving) {
		d.learned = slices.DeleteFunc(d.learned, func(l lack) bool { return l.until <= c.now || l.needs&^d.proven == 0 })
		for _, l := range d.learned {
			if c.lackAt == 0 || l.until < c.lackAt {
				c.lackAt = l.until
			}
		}
	}
	c.limit()
	c.changed(moreRoom | noVerdicts)
	c.setApart()
}

// setApart moves waiting calls that can no longer go everywhere out of their
// tenant's flow. At its head they would hold up calls that can.
func (c *Core) setApart() {
	if !c.limited {
		return
	}
	for q := c.waiting.oldest; q != nil; q = q.newer {
		if q.flow != nil && c.choosy(q) {
			l := c.laneOf(q)
			l.leaveFlow(q, q.flow, false)
			l.again.append(q)
		}
	}
}

// lacks says whether d is declared or known not to support q's needs.
func (d *deployment) lacks(q *call) bool {
	if q.Needs&d.Lacks != 0 {
		return true
	}
	for _, l := range d.learned {
		if q.Needs&l.needs != 0 && (l.several || l.key == q.Key) {
			return true
		}
	}
	return false
}

// unfit says whether q must not go to d: q is too long for d, or d lacks a
// capability q needs or said so to q itself.
func (c *Core) unfit(q *call, d *deployment) bool {
	return q.tooLongFor(d) || c.limited && d.lacks(q) || len(q.refusedBy) > 0 && slices.Contains(q.refusedBy, d)
}

// served says whether some deployment supports q's needs, or no deployment
// exists.
func (c *Core) served(q *call) bool {
	for _, t := range c.tiers {
		for _, d := range t {
			if !d.lacks(q) {
				return true
			}
		}
	}
	return len(c.tiers) == 0
}

// choosy says whether some deployment does not support q's needs.
func (c *Core) choosy(q *call) bool {
	if !c.limited {
		return false
	}
	for _, t := range c.tiers {
		for _, d := range t {
			if d.lacks(q) {
				return true
			}
		}
	}
	return false
}

// limit notes whether any deployment lacks a capability, declared or learned.
func (c *Core) limit() {
	c.limited = false
	for _, d := range c.deployments {
		c.limited = c.limited || d.Lacks != 0 || len(d.learned) > 0
	}
	if c.seen(lackLearned); c.limited {
		c.changed(lackLearned)
	}
}

// giveUpOnUnfit refuses waiting calls that no deployment supports.
func (c *Core) giveUpOnUnfit() {
	c.seen(lackLearned)
	for q := c.waiting.oldest; q != nil; {
		next := q.newer
		if !c.served(q) {
			c.dequeue(q, false)
			c.refuse(q, Unsupported)
		}
		q = next
	}
}
