package gateway

import (
	"sync"

	"weir"
	"weir/meter"
)

// spend is what callers may use and how long their answers are, behind one lock.
type spend struct {
	mu      sync.Mutex
	meter   *meter.Meter
	learned meter.Learned
	wake    func(shards uint8) // nil: no limit is shared
}

// reserve takes what the request is likely to use from every limit that counts
// it, all of it or nothing. It returns the tokens expected of the prompt and of
// all answers.
func (c *call) reserve() (prompt, output int, err error) {
	l, s := &c.lease, &c.g.spend
	prompt = c.ask.promptTokens()
	l.answers = c.answers()
	l.who = meter.Who{Tenant: l.rec.Tenant, Key: l.rec.Key, Model: l.rec.Model, Class: l.rec.Class}
	if first := l.served.first; first != nil {
		if f := c.unpriced(first); f != nil {
			return 0, 0, f.problem
		}
	}
	now := c.g.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	l.leaveDoor()
	if !c.s.do.Counted() {
		prompt = 0
	}
	if c.s.do.Answers() {
		c.trim(&s.learned)
		output = s.learned.Expect(l.rec.Tenant, l.rec.Model, c.ask.mayAnswer()) * l.answers
	}
	likely := l.likely(l.served.first, int64(prompt), int64(output))
	// What is only expected never makes a request too large for its limit.
	if largest := s.meter.Largest(l.who); likely.Tokens > largest && int64(prompt) <= largest {
		likely.Tokens = largest
	}
	claim := c.claim(now, int64(prompt), likely)
	r, refusal := s.meter.Claim(now, l.who, claim)
	s.feed()
	if refusal != nil {
		return 0, 0, ofRefusal(refusal)
	}
	l.reservation, l.expected, l.held = r, claim, claim.Held.Cost
	l.holds |= holdsTokens
	l.covered = claim.Likely.Tokens - int64(prompt)
	return prompt, min(output, int(l.promised.answer)), nil
}

// answers is how many the upstream produces and bills: n, or the candidates it
// picks them from, for each prompt.
func (c *call) answers() int {
	const most = 1 << 20 // beyond it any budget is used up
	n := min(max(c.ask.n, c.ask.candidates, c.ask.bestOf), most)
	if c.s.do.EachPart && c.s.do.Answers() {
		n = min(n*c.ask.prompts(c.body), most)
	}
	return n
}

// likely is what so many tokens come to: their price is that of the deployment
// the request would prefer, or has, and is settled with that of the one it had.
func (l *lease) likely(t *target, prompt, output int64) meter.Spent {
	s := meter.Spent{Tokens: prompt + output}
	if t != nil {
		s.Cost = t.Rates.Cost(weir.Usage{Prompt: prompt, Completion: output})
	}
	return s
}

// settle closes a reservation with what was used. An answer that came to its
// true end teaches how long answers are.
func (s *spend) settle(now weir.Instant, l *lease, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.used == (weir.Usage{}) {
		s.meter.Release(now, l.reservation)
		return
	}
	spent := meter.Spent{Tokens: max(l.used.Prompt, 0) + max(l.used.Completion, 0)}
	if l.target != nil {
		spent.Cost = l.rates().Cost(l.used)
	}
	s.meter.Settle(now, l.reservation, spent)
	if whole && l.used.Completion > 0 && !l.used.Estimated {
		s.learned.Saw(l.rec.Tenant, l.rec.Model, int(l.used.Completion)/max(l.answers, 1))
	}
}

// RestoreBudget says what a ledger knows a scope to have used in the present day
// and month, in UTC: at the start, and when budgets were added since. What the
// gateway knows itself, where it is more, stays.
func (g *Gateway) RestoreBudget(scope meter.Scope, day, month meter.Spent) {
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.Restore(g.now(), scope, day, month)
}

// LimitUses says how much of the limits that are used most is used, so many at
// most. For metrics: callers are held up for the reading alone.
func (g *Gateway) LimitUses(most int) []meter.Use {
	s := &g.spend
	s.mu.Lock()
	uses := s.meter.Uses(g.now(), nil)
	s.mu.Unlock()
	return meter.MostUsed(uses, most)
}

// limitsOf collects all limits by what they count.
func limitsOf(c *Config) map[meter.Scope]meter.Limits {
	limits := map[meter.Scope]meter.Limits{}
	for _, t := range c.Tenants {
		limits[meter.Scope{Tenant: t.Name}] = t.Limits
		for _, k := range t.Keys {
			limits[meter.Scope{Tenant: t.Name, Key: k.Name}] = k.Limits
		}
	}
	for _, m := range c.Models {
		limits[meter.Scope{Model: m.Name}] = m.Limits
	}
	for _, l := range c.Limits {
		limits[l.Scope] = l.Limits
	}
	return limits
}
