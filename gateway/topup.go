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
	l, s := &c.lease, &c.g.spend
	most := int64(math.MaxInt64)
	if n := c.ask.mayAnswer(); n > 0 && l.covered < int64(n)*int64(l.answers) { // else the server goes beyond what it was told
		most = int64(n) * int64(l.answers)
	}
	more := min(max(l.covered, leastTopUp), most-l.covered)
	if l.holds&holdsTokens == 0 || l.topUps == maxTopUps {
		l.covered = math.MaxInt64
		return nil
	}
	l.topUps++
	s.mu.Lock()
	refusal := s.meter.TopUp(c.g.now(), l.reservation, l.likely(l.target, 0, more))
	s.feed()
	s.mu.Unlock()
	l.covered += more
	if refusal == nil {
		return nil
	}
	return &failure{problem: ofOverrun(refusal), result: dispatch.Abandoned}
}

// serve asks the limits that name the model a deployment serves, where that is
// another than the one asked for. Both count the request from here on.
func (l *lease) serve(t *target) *failure {
	if t.serves == l.who.Model && !l.elsewhere || l.holds&holdsTokens == 0 {
		return nil
	}
	s := &l.g.spend
	s.mu.Lock()
	r, refusal := s.meter.Serve(l.g.now(), l.reservation, l.who, t.serves, l.expected)
	s.feed()
	s.mu.Unlock()
	if refusal != nil {
		return &failure{problem: ofRefusal(refusal), result: dispatch.Rejected, retry: true}
	}
	l.reservation, l.elsewhere = r, t.serves != l.who.Model
	return nil
}

// ofOverrun words a budget that was used up in the middle of an answer.
func ofOverrun(r *meter.Refusal) *problem {
	p := ofRefusal(r)
	p.message = "the answer was cut: " + p.message
	return p
}
