package gateway

import (
	"math"

	"weir/dispatch"
	"weir/meter"
)

// Bounds of reservations made while an answer streams. Each one doubles the tokens
// reserved for the answer, so twelve reach any possible length. Tokens beyond that are
// settled at the end.
const (
	leastTopUp = 64 // tokens
	maxTopUps  = 12
)

// topUp reserves more for an answer that has outgrown its reservation. Later requests
// then see the real state of the limits. If this uses up a budget with Budget.Cut, the
// answer is cut. Otherwise it may finish, and the excess is a debt.
func (c *call) topUp() *failure {
	b, s := &c.booking, &c.g.spend
	most := int64(math.MaxInt64)
	if n := c.ask.mayAnswer(); n > 0 && b.covered < int64(n)*int64(b.answers) { // otherwise the server exceeds the requested limit
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

// serve reserves in the limits of the model that a deployment really serves, if it
// differs from the requested one. Both then count the request.
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
