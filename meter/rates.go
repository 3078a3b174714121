package meter

import (
	"math"
	"math/bits"

	"weir"
)

// Rates price tokens, in micro-dollars per 1,000,000 tokens: $2.50 per million
// is 2_500_000. Rates below zero count as zero.
type Rates struct {
	Prompt     weir.Money // prompt tokens that were not cached
	Cached     weir.Money // prompt tokens the upstream had in its cache
	Completion weir.Money
}

// perRate is the number of tokens a rate is for.
const perRate = 1_000_000

// Cost prices one usage: exact in integers, rounded once, half a micro-dollar
// up. More cached than prompt tokens count as all cached; a cost beyond what
// Money holds is the largest Money.
//
// 1,000 prompt tokens, 400 of them cached, and 200 completion tokens at $2.50,
// $1.25 and $10.00 per million are 600 x 2.50 + 400 x 1.25 + 200 x 10 = 4,000
// micro-dollars.
func (r Rates) Cost(u weir.Usage) weir.Money {
	prompt := max(u.Prompt, 0)
	cached := min(max(u.Cached, 0), prompt)
	var s sum
	s.add(prompt-cached, r.Prompt)
	s.add(cached, r.Cached)
	s.add(u.Completion, r.Completion)
	s.plus(0, perRate/2)
	if s.hi >= perRate {
		return math.MaxInt64
	}
	cost, _ := bits.Div64(s.hi, s.lo, perRate)
	return weir.Money(min(cost, math.MaxInt64))
}

// Most is the most so many tokens cost, however the upstream counts them.
func (r Rates) Most(prompt, answer int64) weir.Money {
	return r.dearest().Cost(weir.Usage{Prompt: prompt, Completion: answer})
}

// Answer is the most tokens of an answer that cost no more than most together
// with its prompt; below zero where the prompt alone costs more.
func (r Rates) Answer(prompt int64, most weir.Money) int64 {
	d := r.dearest()
	left := most - d.Cost(weir.Usage{Prompt: prompt})
	switch {
	case left < 0:
		return -1
	case d.Completion <= 0:
		return maxTokens
	}
	hi, lo := bits.Mul64(uint64(left), perRate)
	n, _ := bits.Div64(min(hi, uint64(d.Completion)-1), lo, uint64(d.Completion))
	return int64(min(n, maxTokens))
}

// dearest has the dearest price for every kind of token.
func (r Rates) dearest() Rates {
	return Rates{Prompt: max(r.Prompt, r.Cached), Cached: max(r.Prompt, r.Cached), Completion: r.Completion}
}

// sum is an unsigned 128-bit total; three products of int64 cannot overflow it.
type sum struct{ hi, lo uint64 }

func (s *sum) add(tokens int64, rate weir.Money) {
	hi, lo := bits.Mul64(uint64(max(tokens, 0)), uint64(max(rate, 0)))
	s.plus(hi, lo)
}

func (s *sum) plus(hi, lo uint64) {
	var carry uint64
	s.lo, carry = bits.Add64(s.lo, lo, 0)
	s.hi, _ = bits.Add64(s.hi, hi, carry)
}
