package dispatch

import (
	"fmt"
	"math/bits"
	"time"

	"weir"
)

// Quota is the rate a provider allows a deployment, independent of its servers'
// capacity. With it the Core sends no request that would get a 429, and knows
// when there will be room. The zero Quota is none.
//
// Provisioned throughput is the leaky bucket Azure describes (Microsoft,
// "Provisioned throughput concepts", 2026-02-10). A request is admitted while
// the bucket is not above its brim, whatever the request's size. It is booked
// with its uncached prompt and its maximum output, and corrected to its usage
// when it has ended. The bucket drains at a rate set by the number of PTUs.
// Tokens are normalised: one prompt token counts one.
//
// Standard deployments (Microsoft, "Azure OpenAI quota", 2026-05-06) count the
// tokens that requests may use in a minute and refuse when the limit is
// reached. They count requests in windows of 1 s or 10 s: 600 a minute are 10
// in any second. The start of a provider's windows is unknown, so each limit is
// kept in every interval of that length.
type Quota struct {
	Drain  int           // provisioned: normalised tokens a minute, for all PTUs together; 0: not provisioned
	Output int           // weight of an output token in thousandths of a normalised token; 0: 1,000
	Cached int           // the same for a cached prompt token
	Burst  time.Duration // capacity of the bucket, as the time it takes to drain; 0: 1 min

	TokensPerMinute   int // standard; 0: no limit
	RequestsPerMinute int // standard; 0: no limit

	// Headroom is the percentage of the bucket, or of the windows, that batch
	// leaves to interactive requests; 0 to 99.
	Headroom int
}

// maxPerMinute bounds rates far above any provider's. It prevents overflow.
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

// defaultBurst is long, because providers do not publish their bucket's
// capacity. If it is too large, the start of a burst gets a refusal, which is
// free and says when to come back. If it is too small, requests that would have
// fitted are not sent (docs/benchmarks/spill.md).
const defaultBurst = time.Minute

// quota is the current use of a Quota.
type quota struct {
	Quota
	burst time.Duration
	empty weir.Instant // when the bucket is empty if nothing is added
	share int          // cached share of recent prompts, in thousandths

	tokens, second, tenth window // second and tenth: requests in 1 s and in 10 s
	said                  Quota  // lower limits reported by the provider
	all                   Booked // since the start
}

// newQuota returns the use of q, continued from old; nil for no quota. The
// bucket keeps its content and drains at the new rate. A provider's report
// about another limit no longer counts.
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

// refill keeps the bucket's tokens when its drain rate changes.
func (u *quota) refill(now weir.Instant, drain int) {
	if u.Drain > 0 && drain > 0 && u.empty > now {
		hi, lo := bits.Mul64(uint64(u.empty.Sub(now)), uint64(u.Drain))
		u.empty = now.Add(ratio(hi, lo, uint64(drain)))
	}
}

// limit sets each window to the lower of the configured and the reported limit.
func (u *quota) limit() {
	tokens, requests := lower(u.TokensPerMinute, u.said.TokensPerMinute), lower(u.RequestsPerMinute, u.said.RequestsPerMinute)
	u.tokens.set(int64(tokens), time.Second, maxSlots)
	// Fewer than 60 a minute is less than one a second: only the longer window
	// applies.
	u.second.set(int64(requests/60), time.Second/windowSlots, windowSlots+1)
	u.tenth.set((int64(requests)+5)/6, 10*time.Second/windowSlots, windowSlots+1)
}

// lower returns the lower of a limit and a reported limit; 0 is no limit and no
// report.
func lower(limit, said int) int {
	if limit > 0 && said > 0 {
		return min(limit, said)
	}
	return limit
}

// spread returns how long a number of thousandths of a token takes at a rate of
// tokens a minute, at most a day.
func spread(thousandths uint64, perMinute int) time.Duration {
	hi, lo := bits.Mul64(thousandths, uint64(time.Minute))
	return ratio(hi, lo, uint64(perMinute)*1000)
}

// ratio returns (hi, lo) nanoseconds divided by per, at most a day.
func ratio(hi, lo, per uint64) time.Duration {
	const day = 24 * time.Hour
	if hi >= per {
		return day
	}
	d, _ := bits.Div64(hi, lo, per)
	return time.Duration(min(d, uint64(day)))
}

// cost returns what a usage adds to the bucket.
func (u *quota) cost(prompt, cached, output int) time.Duration {
	return spread(u.thousandths(prompt, cached, output), u.Drain)
}

// thousandths of normalised tokens of a usage; no count is negative.
func (u *quota) thousandths(prompt, cached, output int) uint64 {
	const most = 1 << 40 // of a queue's tokens
	prompt, output, cached = min(prompt, most), min(output, most), min(cached, prompt, most)
	return uint64(prompt-cached)*1000 + uint64(cached)*uint64(u.Cached) + uint64(output)*uint64(u.Output)
}

// lag returns how long the quota takes to admit so many waiting tokens.
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

// expectCached returns the expected cached part of a prompt.
func (u *quota) expectCached(prompt int) int {
	return int(int64(prompt) * int64(u.share) / 1000)
}

// at returns when a request of that class is admitted if no other comes; not
// after now if it is admitted now.
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

// book enters a request and returns the amount added to the bucket, in
// thousandths of tokens: the drain rate may change before the correction.
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

// correct replaces a booking by the actual usage.
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

// unbook takes back the booking of a request the provider did not admit.
func (u *quota) unbook(now weir.Instant, booked uint64) {
	if u.Drain == 0 {
		return
	}
	d := spread(booked, u.Drain)
	u.empty = max(u.empty, now).Add(-d)
	u.all.Drain -= d
}

// refused learns from a refusal that lasts until a time: the bucket is fuller
// than believed, because of other users or a different way of counting.
func (u *quota) refused(until weir.Instant) {
	if u.Drain > 0 {
		u.empty = max(u.empty, until.Add(u.burst))
	}
}

// use returns how full the quota is: 1 at the brim.
func (u *quota) use(now weir.Instant) float64 {
	full := u.tokens.use(now)
	full = max(full, u.tenth.use(now))
	if u.Drain > 0 {
		full = max(full, float64(u.empty.Sub(min(now, u.empty)))/float64(u.burst))
	}
	return full
}
