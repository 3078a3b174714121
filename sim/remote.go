package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"weir"
)

// Remote is a service of somebody else: provisioned throughput that is paid by
// the hour and answers 429 beyond what was bought, or pay-as-you-go that is
// paid by the token.
type Remote struct {
	// A request takes TTFT + PerPrompt x prompt tokens to its first token and
	// TPOT for each one after it, times a random factor that is its own.
	TTFT      time.Duration
	PerPrompt time.Duration
	TPOT      time.Duration
	Sigma     float64 // standard deviation of the factor's logarithm

	// TokensPerMinute is what it admits; 0: no limit. An output token counts as
	// OutputWeight prompt tokens (0: 1). What is used above the rate counts
	// against the next requests until it has run off; when it is more than Burst
	// (0: 10 s) of the rate, they are answered 429 with the time that takes.
	TokensPerMinute   int
	RequestsPerMinute int
	OutputWeight      float64
	Burst             time.Duration

	// While it is throttled, Throttle of its requests are answered 429, however
	// little is used, with RetryAfter (0: 1 s).
	Throttled  []Window
	Throttle   float64
	RetryAfter time.Duration

	Units       int        // bought; paid whether used or not
	UnitPrice   weir.Money // of one unit for one hour
	PromptPrice weir.Money // of a million prompt tokens
	OutputPrice weir.Money // of a million output tokens
}

// remote is a Remote under way.
type remote struct {
	Remote
	rng      *rand.Rand
	start    weir.Instant
	tokens   bucket
	requests bucket
	prompt   uint64 // tokens billed
	output   uint64
	busy     int // requests it is working on
	rejected uint64
}

// bucket is a leaky one: level runs off at rate and may not exceed depth
// before something is added.
type bucket struct {
	rate  float64 // per nanosecond; 0: no limit
	depth float64
	level float64
	at    weir.Instant
}

func newBucket(perMinute float64, burst time.Duration, at weir.Instant) bucket {
	rate := perMinute / float64(time.Minute)
	return bucket{rate: rate, depth: rate * float64(burst), at: at}
}

// wait is how long until something may be added; 0: now.
func (b *bucket) wait(now weir.Instant) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.level = max(0, b.level-b.rate*float64(now.Sub(b.at)))
	b.at = now
	if b.level <= b.depth {
		return 0
	}
	return time.Duration(math.Ceil((b.level - b.depth) / b.rate))
}

func (b *bucket) add(n float64) { b.level = max(0, b.level+n) }

func newRemote(r Remote, start weir.Instant, rng *rand.Rand) *remote {
	if r.Burst == 0 {
		r.Burst = 10 * time.Second
	}
	if r.OutputWeight == 0 {
		r.OutputWeight = 1
	}
	if r.RetryAfter == 0 {
		r.RetryAfter = time.Second
	}
	return &remote{
		Remote: r, rng: rng, start: start,
		tokens:   newBucket(float64(r.TokensPerMinute), r.Burst, start),
		requests: newBucket(float64(r.RequestsPerMinute), r.Burst, start),
	}
}

// admit takes a request in, or says how long it should stay away.
func (r *remote) admit(now weir.Instant, prompt, expected int) time.Duration {
	at := now.Sub(r.start)
	for _, w := range r.Throttled {
		if at >= w.From && at < w.To && r.rng.Float64() < r.Throttle {
			r.rejected++
			return r.RetryAfter
		}
	}
	if wait := max(r.tokens.wait(now), r.requests.wait(now)); wait > 0 {
		r.rejected++
		return wait
	}
	r.tokens.add(r.weight(prompt, expected))
	r.requests.add(1)
	r.busy++
	return 0
}

func (r *remote) weight(prompt, output int) float64 {
	return float64(prompt) + r.OutputWeight*float64(output)
}

// times draws how long the request takes to its first and to its last token.
func (r *remote) times(prompt, output int) (first, last time.Duration) {
	factor := 1.0
	if r.Sigma > 0 {
		factor = math.Exp(r.Sigma * r.rng.NormFloat64())
	}
	scaled := func(d time.Duration) time.Duration { return time.Duration(factor * float64(d)) }
	first = max(1, scaled(r.TTFT+r.PerPrompt*time.Duration(prompt)))
	return first, first + scaled(r.TPOT*time.Duration(max(0, output-1)))
}

// ended bills a request for what it used and corrects what was expected of it.
func (r *remote) ended(now weir.Instant, prompt, expected, output int) {
	r.busy--
	r.tokens.wait(now)
	r.tokens.add(r.weight(prompt, output) - r.weight(prompt, expected))
	r.prompt += uint64(prompt)
	r.output += uint64(output)
}

// cost is what it has cost in that time.
func (r *remote) cost(length time.Duration) weir.Money {
	paid := perHour(r.UnitPrice*weir.Money(r.Units), length)
	return paid + perMillion(r.PromptPrice, r.prompt) + perMillion(r.OutputPrice, r.output)
}

// perHour is what something costs for a time, to the millisecond, rounded down.
func perHour(price weir.Money, d time.Duration) weir.Money {
	hours := weir.Money(d / time.Hour)
	return price*hours + price*weir.Money(d%time.Hour/time.Millisecond)/weir.Money(time.Hour/time.Millisecond)
}

func perMillion(price weir.Money, n uint64) weir.Money {
	const million = 1_000_000
	return price*weir.Money(n/million) + price*weir.Money(n%million)/million
}
