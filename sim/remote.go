package sim

import (
	"math"
	"math/rand/v2"
	"time"

	"weir"
)

// Remote is an external service: provisioned throughput, paid by the hour and
// answering 429 beyond its capacity, or pay-as-you-go, paid by the token.
type Remote struct {
	// A request takes TTFT + PerPrompt x prompt tokens to its first token and
	// TPOT for each later one, times a random factor per request.
	TTFT      time.Duration
	PerPrompt time.Duration
	TPOT      time.Duration
	Sigma     float64 // standard deviation of the factor's logarithm

	// TokensPerMinute is its limit; 0: none. An output token counts as
	// OutputWeight prompt tokens (0: 1). Use above the rate accumulates and
	// drains at the rate. While more than Burst (0: 10 s) of the rate has
	// accumulated, requests are answered 429 with the time until it has
	// drained.
	TokensPerMinute   int
	RequestsPerMinute int
	OutputWeight      float64
	Burst             time.Duration

	// In the windows of Throttled a share Throttle of its requests is answered
	// 429, whatever its use, with RetryAfter (0: 1 s).
	Throttled  []Window
	Throttle   float64
	RetryAfter time.Duration

	Units       int        // provisioned; paid whether used or not
	UnitPrice   weir.Money // of one unit for one hour
	PromptPrice weir.Money // of a million prompt tokens
	OutputPrice weir.Money // of a million output tokens
}

// remote is a Remote in a run.
type remote struct {
	Remote
	rng      *rand.Rand
	start    weir.Instant
	tokens   bucket
	requests bucket
	prompt   uint64 // tokens billed
	output   uint64
	busy     int // requests in progress
	rejected uint64
}

// bucket is a leaky bucket: level drains at rate and must be at most depth
// before an addition.
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

// wait returns how long until an addition is possible; 0: now.
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

// admit admits a request, or returns how long it should stay away.
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

// times draws a request's times to its first and last token.
func (r *remote) times(prompt, output int) (first, last time.Duration) {
	factor := 1.0
	if r.Sigma > 0 {
		factor = math.Exp(r.Sigma * r.rng.NormFloat64())
	}
	scaled := func(d time.Duration) time.Duration { return time.Duration(factor * float64(d)) }
	first = max(1, scaled(r.TTFT+r.PerPrompt*time.Duration(prompt)))
	return first, first + scaled(r.TPOT*time.Duration(max(0, output-1)))
}

// ended bills a request's use and corrects its expected use.
func (r *remote) ended(now weir.Instant, prompt, expected, output int) {
	r.busy--
	r.tokens.wait(now)
	r.tokens.add(r.weight(prompt, output) - r.weight(prompt, expected))
	r.prompt += uint64(prompt)
	r.output += uint64(output)
}

// cost returns its cost over that time.
func (r *remote) cost(length time.Duration) weir.Money {
	paid := perHour(r.UnitPrice*weir.Money(r.Units), length)
	return paid + perMillion(r.PromptPrice, r.prompt) + perMillion(r.OutputPrice, r.output)
}

// perHour returns the cost of a time at an hourly price, to the millisecond,
// rounded down.
func perHour(price weir.Money, d time.Duration) weir.Money {
	hours := weir.Money(d / time.Hour)
	return price*hours + price*weir.Money(d%time.Hour/time.Millisecond)/weir.Money(time.Hour/time.Millisecond)
}

func perMillion(price weir.Money, n uint64) weir.Money {
	const million = 1_000_000
	return price*weir.Money(n/million) + price*weir.Money(n%million)/million
}
