package gateway

import (
	"sync"

	"weir"
	"weir/meter"
)

// spend is the use of limits and the learned lengths of answers, behind one lock.
type spend struct {
	mu      sync.Mutex
	meter   *meter.Meter
	learned meter.Learned
	wake    func(shards uint8) // nil: limits are not shared
}

// reserve takes the likely usage of the request from every limit that counts it: all of
// it or nothing. It returns the expected tokens of the prompt and of all answers.
func (c *call) reserve() (prompt, output int, err error) {
	b, s := &c.booking, &c.g.spend
	prompt = c.ask.promptTokens()
	b.answers = c.answers()
	b.who = meter.Who{Tenant: b.rec.Tenant, Key: b.rec.Key, Model: b.rec.Model, Class: b.rec.Class}
	if first := b.served.first; first != nil {
		if f := c.unpriced(first); f != nil {
			return 0, 0, f.problem
		}
	}
	now := c.g.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	b.leaveDoor()
	if !c.s.do.Counted() {
		prompt = 0
	}
	if c.s.do.Answers() {
		c.trim(&s.learned)
		output = s.learned.Expect(b.rec.Tenant, b.rec.Model, c.ask.mayAnswer()) * b.answers
	}
	likely := b.likely(b.served.first, int64(prompt), int64(output))
	// What is only expected never makes a request too large for its limit.
	if largest := s.meter.Largest(b.who); likely.Tokens > largest && int64(prompt) <= largest {
		likely.Tokens = largest
	}
	claim := c.claim(now, int64(prompt), likely)
	r, refusal := s.meter.Claim(now, b.who, claim)
	s.feed()
	if refusal != nil {
		return 0, 0, ofRefusal(refusal)
	}
	b.reservation, b.expected, b.held = r, claim, claim.Held.Cost
	b.holds |= holdsTokens
	b.covered = claim.Likely.Tokens - int64(prompt)
	return prompt, min(output, int(b.promised.answer)), nil
}

// answers is how many answers the upstream produces and bills: for each prompt n, or
// the candidates it picks them from.
func (c *call) answers() int {
	const most = 1 << 20 // beyond it any budget is used up
	n := min(max(c.ask.n, c.ask.candidates, c.ask.bestOf), most)
	if c.s.do.EachPart && c.s.do.Answers() {
		n = min(n*c.ask.prompts(c.body), most)
	}
	return n
}

// likely is the expected usage. It is priced at the preferred or present deployment,
// and settled at the price of the one that answered.
func (b *booking) likely(t *target, prompt, output int64) meter.Spent {
	s := meter.Spent{Tokens: prompt + output}
	if t != nil {
		s.Cost = t.Rates.Cost(weir.Usage{Prompt: prompt, Completion: output})
	}
	return s
}

// settle closes a reservation with the real usage. An answer that came to its true end
// teaches how long answers are.
func (s *spend) settle(now weir.Instant, b *booking, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b.used == (weir.Usage{}) && !b.free {
		s.meter.Release(now, b.reservation)
		return
	}
	spent := meter.Spent{Tokens: max(b.used.Prompt, 0) + max(b.used.Completion, 0)}
	if b.target != nil {
		spent.Cost = b.rates().Cost(b.used)
	}
	s.meter.Settle(now, b.reservation, spent)
	if whole && b.used.Completion > 0 && !b.used.Estimated {
		s.learned.Saw(b.rec.Tenant, b.rec.Model, int(b.used.Completion)/max(b.answers, 1))
	}
}

// RestoreBudget sets the usage of a scope in the current UTC day and month, as the
// ledger has it: at the start, and when budgets are added. Where the gateway has
// counted more, its own figure stays.
func (g *Gateway) RestoreBudget(scope meter.Scope, day, month meter.Spent) {
	s := &g.spend
	s.mu.Lock()
	defer s.mu.Unlock()
	s.meter.Restore(g.now(), scope, day, month)
}

// LimitUses returns the use of the limits used most, at most so many, for metrics. It
// holds the lock only while reading.
func (g *Gateway) LimitUses(most int) []meter.Use {
	s := &g.spend
	s.mu.Lock()
	uses := s.meter.Uses(g.now(), nil)
	s.mu.Unlock()
	return meter.MostUsed(uses, most)
}

// limitsOf collects all limits by scope.
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
