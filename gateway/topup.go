package gateway

import (
	"math"

	"weir/dispatch"
	"weir/meter"
)

// Bounds of what is reserved while an answer comes. Each time what was reserved
// for the answer is doubled, so that twelve times reach any length there is;
// what comes after them is settled at the end.
const (
	leastTopUp = 64 // tokens
	maxTopUps  = 12
)

// topUp reserves more for an answer that has outgrown its reservation, so that
// requests that come meanwhile find the limits as they are. Where a budget is
// used up by it that says so (Budget.Cut), the answer is cut; else it may be
// finished, and what it takes is a debt.
func (c *call) topUp() *failure {
	b, s := &c.booking, &c.g.spend
	most := int64(math.MaxInt64)
	if n := c.ask.mayAnswer(); n > 0 && b.covered < int64(n)*int64(b.answers) { // else the server goes beyond what it was told
		most = int64(n) * int64(b.answers)
	}
	more := min(max(b.covered, leastTopUp), most-b.covered)
	if b.holds&holdsTokens == 0 || b.topUps == maxTopUps {
		b.covered = math.MaxInt64
		return nil
	}
	b.topUps++
	s.mu.Lock()
	refusal := s.meter.TopUp(c.g.now(), b.reservation, b.likely(b.target, 0, more))
	s.feed()
	s.mu.Unlock()
	b.covered += more
	if refusal == nil {
		return nil
	}
	return &failure{problem: ofOverrun(refusal), result: dispatch.Abandoned}
}

// serve asks the limits that name the model a deployment serves, where that is
// another than the one asked for. Both count the request from here on.
func (b *booking) serve(t *target) *failure {
	if t.serves == b.who.Model && !b.otherModel || b.holds&holdsTokens == 0 {
		return nil
	}
	s := &b.g.spend
	s.mu.Lock()
	r, refusal := s.meter.Serve(b.g.now(), b.reservation, b.who, t.serves, b.expected)
	s.feed()
	s.mu.Unlock()
	if refusal != nil {
		return &failure{problem: ofRefusal(refusal), result: dispatch.Rejected, retry: true}
	}
	b.reservation, b.otherModel = r, t.serves != b.who.Model
	return nil
}

// ofOverrun words a budget that was used up in the middle of an answer.
func ofOverrun(r *meter.Refusal) *problem {
	p := ofRefusal(r)
	p.message = "the answer was cut: " + p.message
	return p
}
