package meter

import (
	"math"
	"math/bits"
	"strconv"

	"weir"
)

// Rates are the prices of the token classes, in micro-dollars per 1,000,000
// tokens: $2.50 per million is 2_500_000. Rates below zero count as zero. A
// class with rate 0 costs the rate of the class it belongs to.
type Rates struct {
	Prompt     weir.Money // prompt tokens in none of the classes below
	Cached     weir.Money // prompt tokens read from the upstream's cache; 0: free
	Completion weir.Money

	Written     weir.Money // prompt tokens written to the upstream's cache; 0: as Prompt
	WrittenHour weir.Money // the same, kept for an hour; 0: as Written
	Reasoning   weir.Money // 0: as Completion
	AudioPrompt weir.Money // 0: as Prompt
	AudioAnswer weir.Money // 0: as Completion

	Request weir.Money // for the request itself, in micro-dollars

	// Price of another service tier in hundredths of the standard one: 200 is
	// twice as much. 0: no price is known.
	Priority, Flex int64
}

// perRate is the number of tokens a rate is for.
const perRate = 1_000_000

// Cost prices one usage: exact in integers, rounded once, half a micro-dollar
// up. A part larger than its whole counts as the whole. A cost beyond the range
// of Money is the largest Money. A tier without a price costs as the standard
// one.
//
// 1,000 prompt tokens, 400 of them cached, and 200 completion tokens at $2.50,
// $1.25 and $10.00 per million are 600 x 2.50 + 400 x 1.25 + 200 x 10 = 4,000
// micro-dollars.
func (r Rates) Cost(u weir.Usage) weir.Money {
	if u.Prompt <= 0 && u.Completion <= 0 {
		return 0 // no upstream worked on it
	}
	r = r.full()
	var s sum
	rest := max(u.Prompt, 0)
	for _, part := range [...]struct {
		tokens int64
		rate   weir.Money
	}{{u.Cached, r.Cached}, {u.WrittenHour, r.WrittenHour}, {u.Written, r.Written}, {u.AudioPrompt, r.AudioPrompt}} {
		n := min(max(part.tokens, 0), rest)
		s.add(n, part.rate)
		rest -= n
	}
	s.add(rest, r.Prompt)
	rest = max(u.Completion, 0)
	thought := min(max(u.Reasoning, 0), rest)
	sound := min(max(u.AudioAnswer, 0), rest-thought)
	s.add(thought, r.Reasoning)
	s.add(sound, r.AudioAnswer)
	s.add(rest-thought-sound, r.Completion)
	s.add(perRate, r.Request)
	return s.cost(r.percent(u.Tier))
}

// full gives every class its rate.
func (r Rates) full() Rates {
	or := func(rate *weir.Money, otherwise weir.Money) {
		if *rate <= 0 {
			*rate = otherwise
		}
	}
	or(&r.Written, r.Prompt)
	or(&r.WrittenHour, r.Written)
	or(&r.AudioPrompt, r.Prompt)
	or(&r.Reasoning, r.Completion)
	or(&r.AudioAnswer, r.Completion)
	return r
}

// percent returns a tier's price in hundredths of the standard one.
func (r Rates) percent(t weir.Tier) int64 {
	switch {
	case t == weir.PriorityTier && r.Priority > 0:
		return r.Priority
	case t == weir.FlexTier && r.Flex > 0:
		return r.Flex
	}
	return 100
}

// Prices says whether a tier has a price: the standard one always, others if
// set or if nothing has a price.
func (r Rates) Prices(t weir.Tier) bool {
	switch t {
	case weir.StandardTier:
		return true
	case weir.PriorityTier:
		return r.Priority > 0 || r == Rates{}
	case weir.FlexTier:
		return r.Flex > 0 || r == Rates{}
	}
	return r == Rates{}
}

// PricesAudio says the same of audio, in prompts and answers.
func (r Rates) PricesAudio() bool { return r.AudioPrompt > 0 && r.AudioAnswer > 0 || r == Rates{} }

// String returns the rates per million tokens by class, with the optional
// classes that have a rate: "prompt $2.00, cached $0.20, completion $12.00".
func (r Rates) String() string {
	b := []byte("prompt " + r.Prompt.String() + ", cached " + r.Cached.String() + ", completion " + r.Completion.String())
	for _, c := range [...]struct {
		name string
		rate weir.Money
	}{{"cache write", r.Written}, {"cache write for an hour", r.WrittenHour}, {"reasoning", r.Reasoning}, {"audio prompt", r.AudioPrompt},
		{"audio completion", r.AudioAnswer}, {"a request", r.Request}} {
		if c.rate > 0 {
			b = append(b, ", "+c.name+" "+c.rate.String()...)
		}
	}
	if r.Priority > 0 {
		b = append(b, ", priority "+strconv.FormatInt(r.Priority, 10)+" %"...)
	}
	if r.Flex > 0 {
		b = append(b, ", flex "+strconv.FormatInt(r.Flex, 10)+" %"...)
	}
	return string(b)
}

// Most returns the highest cost of so many tokens, however the upstream counts
// them.
func (r Rates) Most(prompt, answer int64) weir.Money {
	return r.dearest().Cost(weir.Usage{Prompt: prompt, Completion: answer})
}

// Answer returns the most tokens of an answer that cost no more than most
// together with its prompt; below zero if the prompt alone costs more.
func (r Rates) Answer(prompt int64, most weir.Money) int64 {
	d := r.dearest()
	left := most - max(d.Cost(weir.Usage{Prompt: prompt}), d.Request)
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

// dearest returns the highest price for every kind of token.
func (r Rates) dearest() Rates {
	f := r.full()
	prompt := max(f.Prompt, f.Cached, f.Written, f.WrittenHour, f.AudioPrompt)
	answer := max(f.Completion, f.Reasoning, f.AudioAnswer)
	percent := max(r.Priority, 100)
	of := func(m weir.Money) weir.Money { return (m*weir.Money(percent) + 99) / 100 }
	return Rates{Prompt: of(prompt), Cached: of(prompt), Completion: of(answer), Request: of(f.Request)}
}

// sum is an unsigned 128-bit total. Fewer than 2^64 tokens at rates below 2^63
// plus the price of a request cannot overflow it.
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

// cost returns the sum of tokens times rates as money, at percent hundredths.
func (s *sum) cost(percent int64) weir.Money {
	div := uint64(perRate)
	if percent != 100 {
		hi, carry := bits.Mul64(s.lo, uint64(percent))
		over, top := bits.Mul64(s.hi, uint64(percent))
		if over != 0 {
			return math.MaxInt64
		}
		s.lo = carry
		if s.hi, carry = bits.Add64(top, hi, 0); carry != 0 {
			return math.MaxInt64
		}
		div *= 100
	}
	s.plus(0, div/2)
	if s.hi >= div {
		return math.MaxInt64
	}
	cost, _ := bits.Div64(s.hi, s.lo, div)
	return weir.Money(min(cost, math.MaxInt64))
}
