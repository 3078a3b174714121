package gateway

import (
	"weir"
	"weir/dispatch"
	"weir/jsonscan"
	"weir/meter"
)

// The most a request may use, and how it is kept near the end of a budget: its
// max_tokens is lowered to what the budget can still cover, or set if the caller set
// none. So the requests in flight can never overrun a budget together, streamed or not,
// however short earlier answers were.
const (
	// unstated is the possible length of an answer without a stated bound, if the
	// deployment's context is not known: the longest of any model offered (GPT-5: 128,000
	// tokens, OpenAI, "Models", 2026).
	unstated = 131_072
	// leastAnswer is the shortest answer worth a request: the Responses API accepts no
	// lower limit (OpenAI, "Create a model response", max_output_tokens).
	leastAnswer = 16
	// unstatedMost is the highest max_tokens set for a caller that set none, unless longer
	// answers are expected: every model allows more.
	unstatedMost = 4096
	// denseBytes of a prompt make at least one token, even in the densest scripts and
	// codes. template is the server's wrapping, in tokens.
	denseBytes = 2
	template   = 16
)

// promised is the most a request may use as it is sent.
type promised struct {
	prompt  int64 // tokens, as estimated
	dense   int64 // upper bound of the prompt
	answer  int64 // the most tokens of all its answers in total
	ordered bool  // the budget lowered or set max_tokens
}

// longest is the most tokens that all answers may have in total, and whether the
// request states a bound.
func (c *call) longest(t *target, prompt int64) (tokens int64, stated bool) {
	if !c.s.do.Answers() {
		return 0, true
	}
	most, n := int64(c.ask.mayAnswer()), int64(c.booking.answers)
	if stated = most > 0; !stated {
		most = unstated
		if t != nil && t.Context > 0 {
			most = max(int64(t.Context)-prompt, leastAnswer)
		}
	}
	return most * n, stated
}

// worst is the most that the request can use at a deployment.
func (t *target) worst(prompt, answer int64) meter.Spent {
	s := meter.Spent{Tokens: prompt + answer}
	if t == nil {
		return s
	}
	s.Cost = t.Rates.Most(prompt, answer)
	if r := t.Spillover.Rates; r != nil {
		s.Cost = max(s.Cost, r.Most(prompt, answer))
	}
	return s
}

// answerFor is how many answer tokens fit into an amount.
func (t *target) answerFor(prompt int64, s meter.Spent) int64 {
	answer := s.Tokens - prompt
	if t == nil {
		return answer
	}
	answer = min(answer, t.Rates.Answer(prompt, s.Cost))
	if r := t.Spillover.Rates; r != nil {
		answer = min(answer, r.Answer(prompt, s.Cost))
	}
	return answer
}

// claim is what the request asks of its limits, after lowering max_tokens where budgets
// cannot cover as much. The spending lock is held.
func (c *call) claim(now weir.Instant, prompt int64, likely meter.Spent) meter.Claim {
	b, t := &c.booking, c.booking.served.first
	p := promised{prompt: prompt, dense: max(prompt, int64(c.ask.promptBytes/denseBytes+c.ask.binaries*tokensPerBinary)+template)}
	answer, stated := c.longest(t, prompt)
	p.answer = answer
	bound := t.worst(prompt, answer)
	if share := c.g.spend.meter.Share(now, b.who, likely, bound); share != bound && answer > 0 {
		if c.order(&p, stated, t.answerFor(prompt, share), likely.Tokens-prompt) {
			bound = t.worst(prompt, p.answer)
		}
	}
	b.promised = p
	likely.Tokens, likely.Cost = min(likely.Tokens, bound.Tokens), min(likely.Cost, bound.Cost)
	return meter.Claim{Likely: likely, Bound: bound, Held: t.worst(p.dense, p.answer)}
}

// order lowers or sets max_tokens to keep all answers together within so many tokens,
// never below leastAnswer each. It says whether it changed anything.
func (c *call) order(p *promised, stated bool, answers, expected int64) bool {
	n := int64(c.booking.answers)
	each := max(answers/n, min(leastAnswer, p.answer/n))
	if !stated {
		each = min(each, max(unstatedMost, 2*expected/n))
		if c.booking.served.context > 0 {
			each = min(each, max(int64(c.booking.served.context)-p.prompt, leastAnswer))
		}
	}
	if each*n >= p.answer {
		return false
	}
	c.ask.trim, p.answer, p.ordered = int(each), each*n, true
	return true
}

// afford raises the amount held in budgets when a deployment costs more than the one
// expected. It lowers max_tokens again if the budgets do not have that much.
func (c *call) afford(t *target) *failure {
	b, s := &c.booking, &c.g.spend
	if b.holds&holdsTokens == 0 {
		return nil
	}
	p := &b.promised
	more := t.worst(p.dense, p.answer).Cost - b.held
	if more <= 0 {
		return nil
	}
	now := c.g.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	refusal := s.meter.Widen(now, b.reservation, meter.Spent{Cost: more})
	if refusal != nil && p.answer > 0 {
		_, stated := c.longest(t, p.prompt)
		left := meter.Spent{Tokens: p.prompt + p.answer, Cost: s.meter.Left(now, b.reservation).Cost}
		if !c.order(p, stated, t.answerFor(p.dense, left), p.answer) {
			return &failure{problem: ofRefusal(refusal), result: dispatch.Rejected, retry: true}
		}
		more = t.worst(p.dense, p.answer).Cost - b.held
		if more > 0 {
			refusal = s.meter.Widen(now, b.reservation, meter.Spent{Cost: more})
		} else {
			refusal = nil
		}
	}
	s.feed()
	if refusal != nil {
		return &failure{problem: ofRefusal(refusal), result: dispatch.Rejected, retry: true}
	}
	b.held += max(more, 0)
	return nil
}

// limitName is the member that bounds an answer at this deployment.
func (t *target) limitName(op weir.Op) string {
	o := t.Upstream
	name := o.Dialect.Limit(&o, op)
	for _, addr := range t.Addrs {
		o.BaseURL = addr
		if at := o.Dialect.Limit(&o, op); at != name {
			return at
		}
	}
	return name
}

// prompts is how many prompts a request of completions or embeddings holds. Each gets
// its own answers.
func (a *ask) prompts(body []byte) int {
	s := jsonscan.Scanner{B: body}
	i := a.prompt.From
	if a.prompt.Absent() || body[i] != '[' {
		return 1
	}
	i = s.Space(i + 1)
	if body[i] != '"' && body[i] != '[' { // token IDs, or nothing
		return 1
	}
	n := 1
	for {
		end, err := s.Value(i)
		if err != nil {
			return n
		}
		if i = s.Space(end); i >= a.prompt.To || body[i] != ',' {
			return n
		}
		i, n = s.Space(i+1), n+1
	}
}
