package dispatch

import (
	"fmt"
	"math/bits"
	"time"

	"weir"
)

// Quota is what the provider of a deployment lets through, whatever its servers
// could do. Knowing it, the Core does not ask when the answer would be 429, and
// knows when there will be room. The zero Quota is none.
//
// Provisioned throughput is the leaky bucket Azure describes (Microsoft,
// "Provisioned throughput concepts", 2026-02-10): a request that comes while
// the bucket is not over its brim is let in, whatever its size, and booked with
// its prompt, less what is cached, and the output it may have; when it has ended
// the booking is corrected to what it used; the bucket drains at a rate that the
// number of PTUs gives. Tokens are normalised: one prompt token counts one.
//
// Standard deployments (Microsoft, "Azure OpenAI quota", 2026-05-06) count the
// tokens that requests may use in a minute and refuse once the limit is reached,
// and count requests in windows of 1 s or 10 s, so that 600 a minute are 10 in
// any second. When a provider's windows begin is not known, so each limit is kept in
// every interval of that length.
type Quota struct {
	Drain  int           // provisioned: normalised tokens a minute, all PTUs together; 0: not provisioned
	Output int           // thousandths of a normalised token that a token of output counts; 0: 1,000
	Cached int           // the same for a prompt token that is cached
	Burst  time.Duration // what stands in the bucket when it is full, as the time it takes to drain; 0: 1 min

	TokensPerMinute   int // standard; 0: no limit
	RequestsPerMinute int // standard; 0: no limit

	// Headroom is the percentage of the bucket, or of the windows, that batch
	// leaves to interactive requests; 0 to 99.
	Headroom int
}

// maxPerMinute bounds rates, far above any provider's, so that their arithmetic
// does not overflow.
const maxPerMinute = 1_000_000_000_000

// Validate returns the first fault of q.
func (q Quota) Validate() error {
	for _, n := range [...]int{q.Drain, q.TokensPerMinute, q.RequestsPerMinute} {
		if n < 0 || n > maxPerMinute {
			return fmt.Errorf("quota of %d a minute; allowed are 0, which is none, to %d", n, maxPerMinute)
		}
	}
	const maxWeight = 1_000_000
	if q.Output < 0 || q.Output > maxWeight || q.Cached < 0 || q.Cached > maxWeight {
		return fmt.Errorf("quota weights of %d for output and %d for cached tokens, in thousandths; allowed are 0 to %d", q.Output, q.Cached, maxWeight)
	}
	if q.Burst < 0 || q.Burst > time.Hour || q.Headroom < 0 || q.Headroom > 99 {
		return fmt.Errorf("quota burst of %v and headroom of %d %%; allowed are 0 to 1h and 0 to 99", q.Burst, q.Headroom)
	}
	return nil
}

// defaultBurst is long: what a provider's own bucket holds is not published. One
// believed larger than it is costs a refusal, which is free and says when to come
// back, at the beginning of a burst; one believed smaller costs what would have
// fitted (docs/benchmarks/spill.md).
const defaultBurst = time.Minute

// quota is the present use of a Quota.
type quota struct {
	Quota
	burst time.Duration
	empty weir.Instant // when the bucket has drained if nothing is added
	share int          // thousandths of the recent prompts that were cached

	tokens, second, tenth window // the last two: requests in 1 s and in 10 s
	said                  Quota  // lower limits the provider has told of
	all                   Booked // since the beginning
}

// newQuota returns the use of q that goes on from old; nil for no quota. What is in
// the bucket stays in it, and drains at the new rate. What a provider said of
// another limit counts no more.
func newQuota(now weir.Instant, q Quota, old *quota) *quota {
	if q == (Quota{Headroom: q.Headroom}) {
		return nil
	}
	u := &quota{}
	if old != nil {
		*u = *old
		u.refill(now, q.Drain)
		if q.TokensPerMinute != old.TokensPerMinute || q.RequestsPerMinute != old.RequestsPerMinute {
			u.said = Quota{}
		}
	}
	u.Quota, u.burst = q, q.Burst
	if u.burst <= 0 {
		u.burst = defaultBurst
	}
	if u.Output <= 0 {
		u.Output = 1000
	}
	u.limit()
	return u
}

// refill keeps the tokens in the bucket while the rate at which it drains changes.
func (u *quota) refill(now weir.Instant, drain int) {
	if u.Drain > 0 && drain > 0 && u.empty > now {
		hi, lo := bits.Mul64(uint64(u.empty.Sub(now)), uint64(u.Drain))
		u.empty = now.Add(ratio(hi, lo, uint64(drain)))
	}
}

// limit sets the windows to the lower of what is configured and what was said.
func (u *quota) limit() {
	tokens, requests := lower(u.TokensPerMinute, u.said.TokensPerMinute), lower(u.RequestsPerMinute, u.said.RequestsPerMinute)
	u.tokens.set(int64(tokens), time.Second, maxSlots)
	// Fewer than 60 a minute are less than one a second: only the longer window
	// says something.
	u.second.set(int64(requests/60), time.Second/windowSlots, windowSlots+1)
	u.tenth.set((int64(requests)+5)/6, 10*time.Second/windowSlots, windowSlots+1)
}

// lower returns the lower of a limit and what was said of it; 0 says nothing.
func lower(limit, said int) int {
	if limit > 0 && said > 0 {
		return min(limit, said)
	}
	return limit
}

// spread is how long a number of thousandths of a token takes to pass at a rate
// of tokens a minute, at most a day.
func spread(thousandths uint64, perMinute int) time.Duration {
	hi, lo := bits.Mul64(thousandths, uint64(time.Minute))
	return ratio(hi, lo, uint64(perMinute)*1000)
}

// ratio is (hi, lo) nanoseconds divided by per, at most a day.
func ratio(hi, lo, per uint64) time.Duration {
	const day = 24 * time.Hour
	if hi >= per {
		return day
	}
	d, _ := bits.Div64(hi, lo, per)
	return time.Duration(min(d, uint64(day)))
}

// cost is what a usage adds to the bucket.
func (u *quota) cost(prompt, cached, output int) time.Duration {
	return spread(u.thousandths(prompt, cached, output), u.Drain)
}

// thousandths of normalised tokens of a usage; none of the counts is negative.
func (u *quota) thousandths(prompt, cached, output int) uint64 {
	const most = 1 << 40 // of a queue's tokens
	prompt, output, cached = min(prompt, most), min(output, most), min(cached, prompt, most)
	return uint64(prompt-cached)*1000 + uint64(cached)*uint64(u.Cached) + uint64(output)*uint64(u.Output)
}

// lag is how long so many tokens of waiting requests take to be let in.
func (u *quota) lag(requests, prompt, output int) time.Duration {
	var d time.Duration
	if u.Drain > 0 {
		d = u.cost(prompt, u.expectCached(prompt), output)
	}
	if n := int(u.tokens.limit); n > 0 {
		d = max(d, spread(uint64(prompt+output)*1000, n))
	}
	if n := int(u.tenth.limit); n > 0 {
		d = max(d, spread(uint64(requests)*1000, n*6))
	}
	return d
}

// expectCached is how much of a prompt is likely to be cached.
func (u *quota) expectCached(prompt int) int {
	return int(int64(prompt) * int64(u.share) / 1000)
}

// at is when a request of that class is let in if no other comes: not after
// now when it is let in now.
func (u *quota) at(now weir.Instant, class weir.Class) weir.Instant {
	keep := 0
	if class == weir.Batch {
		keep = u.Headroom
	}
	at := u.tokens.at(now, keep)
	at = max(at, u.second.at(now, keep), u.tenth.at(now, keep))
	if u.Drain > 0 {
		at = max(at, u.empty.Add(-u.burst*time.Duration(100-keep)/100))
	}
	return at
}

// book enters a request and returns what was added to the bucket, in thousandths of
// tokens: the rate it drains at may change before that is corrected.
func (u *quota) book(now weir.Instant, prompt, output int) uint64 {
	u.tokens.add(now, int64(prompt)+int64(output))
	u.second.add(now, 1)
	u.tenth.add(now, 1)
	u.all.Tokens += int64(prompt) + int64(output)
	u.all.Requests++
	if u.Drain == 0 {
		return 0
	}
	booked := u.thousandths(prompt, u.expectCached(prompt), output)
	d := spread(booked, u.Drain)
	u.all.Drain += d
	u.empty = max(u.empty, now).Add(d)
	return booked
}

// correct replaces what was booked by what was used.
func (u *quota) correct(now weir.Instant, booked uint64, used weir.Usage) {
	if u.Drain == 0 {
		return
	}
	prompt, cached := clampTokens(used.Prompt), clampTokens(used.Cached)
	if prompt > 0 {
		const memory = 16 // requests
		u.share += (min(cached, prompt)*1000/prompt - u.share) / memory
	}
	d := u.cost(prompt, cached, clampTokens(used.Completion)) - spread(booked, u.Drain)
	u.empty = max(u.empty, now).Add(d)
	u.all.Drain += d
}

func clampTokens(n int64) int { return int(min(max(n, 0), maxWork)) }

// unbook takes back what was booked for a request the provider did not let in.
func (u *quota) unbook(now weir.Instant, booked uint64) {
	if u.Drain == 0 {
		return
	}
	d := spread(booked, u.Drain)
	u.empty = max(u.empty, now).Add(-d)
	u.all.Drain -= d
}

// refused learns from a refusal that says until when: the bucket is fuller than
// was believed, since others use it too or count otherwise.
func (u *quota) refused(until weir.Instant) {
	if u.Drain > 0 {
		u.empty = max(u.empty, until.Add(u.burst))
	}
}

// use is how full the quota is: 1 at the brim.
func (u *quota) use(now weir.Instant) float64 {
	full := u.tokens.use(now)
	full = max(full, u.tenth.use(now))
	if u.Drain > 0 {
		full = max(full, float64(u.empty.Sub(min(now, u.empty)))/float64(u.burst))
	}
	return full
}
