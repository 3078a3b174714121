package emulate

import (
	"time"

	"weir"
)

// ptuBucket is the utilisation of a provisioned deployment, a leaky bucket of
// normalised tokens ("Provisioned throughput", section on how utilisation
// works, 2026-02-10):
//
//  1. a request that finds utilisation above 100 % is refused, with the time until it
//     is below;
//  2. otherwise its estimated cost goes in: the prompt less its cached tokens, and
//     max_tokens;
//  3. when it has ended, the difference to its actual cost goes in or out;
//  4. the bucket drains all the time, at a rate proportional to the PTUs.
//
// A request that finds 99 % is accepted whatever its size: bursts slightly over
// 100 % are allowed, as documented. The size of the bucket at 100 % is not
// documented; it is a window of its rate, from the options.
type ptuBucket struct {
	drain float64 // normalised tokens per second
	full  float64 // normalised tokens at 100 %
	level float64
	at    weir.Instant

	worked float64 // normalised tokens drained, in all
}

func newPTUBucket(drain float64, window time.Duration) *ptuBucket {
	return &ptuBucket{drain: drain, full: drain * window.Seconds()}
}

// flow drains until now.
func (b *ptuBucket) flow(now weir.Instant) {
	if now <= b.at {
		return
	}
	out := min(b.drain*now.Sub(b.at).Seconds(), max(b.level, 0))
	b.level -= out
	b.worked += out
	b.at = now
}

// take puts tokens in, or says how long to wait.
func (b *ptuBucket) take(now weir.Instant, tokens float64) (wait time.Duration) {
	b.flow(now)
	if over := b.level - b.full; over > 0 {
		return max(time.Duration(over/b.drain*float64(time.Second)), time.Millisecond)
	}
	b.level += tokens
	return 0
}

// correct adds the difference between the booking and the usage. The level
// never falls below zero: the drained part of a booking that was too high is
// lost to the deployment, and does not count as work.
func (b *ptuBucket) correct(now weir.Instant, tokens float64) {
	b.flow(now)
	b.level += tokens
	if b.level < 0 {
		b.worked += b.level
		b.level = 0
	}
}

// percent is the utilisation.
func (b *ptuBucket) percent(now weir.Instant) float64 {
	b.flow(now)
	return 100 * b.level / b.full
}

// rpmPerTPM is the requests per minute that come with each 1,000 tokens per
// minute, for chat models before the o series ("Manage quota", 2026-09-16).
const rpmPerTPM = 6

// tpmQuota is the limit of a standard deployment ("Manage quota", section on
// understanding rate limits, 2026-09-16). An estimate of each request's tokens
// (prompt and max_tokens) is added to a counter that is reset each minute and
// never corrected. Requests are counted over windows of 1 or 10 seconds, with a
// proportional limit, and refused ones count too.
type tpmQuota struct {
	tpm, rpm int // as sent in headers; tpm may be lowered for a while
	most     int // requests per window
	window   time.Duration

	tokens   int
	minute   weir.Instant // when the counter began; 0: never
	requests int
	began    weir.Instant // when the window did; 0: never
}

// newTPMQuota picks the window: 1 second if that holds 10 requests or more (600
// a minute: "more than 10 requests in a 1-second period"), else 10.
func newTPMQuota(tpm, rpm int) *tpmQuota {
	q := &tpmQuota{tpm: tpm, rpm: rpm, most: rpm / 60, window: time.Second}
	if rpm < 600 {
		q.most, q.window = max(1, rpm/6), 10*time.Second
	}
	return q
}

// roll starts new counters when their time is over.
func (q *tpmQuota) roll(now weir.Instant) {
	if q.minute == 0 || now.Sub(q.minute) >= time.Minute {
		q.minute, q.tokens = now, 0
	}
	if q.began == 0 || now.Sub(q.began) >= q.window {
		q.began, q.requests = now, 0
	}
}

// take counts a request, or returns the wait and the exceeded limit. The
// request that fills the counter is served; the next is not.
func (q *tpmQuota) take(now weir.Instant, tokens int) (wait time.Duration, over string) {
	q.roll(now)
	q.requests++
	if q.requests > q.most {
		return q.window - now.Sub(q.began), "call"
	}
	if q.tokens >= q.tpm {
		return time.Minute - now.Sub(q.minute), "token"
	}
	q.tokens += tokens
	return 0, ""
}

// promptCache remembers the beginnings of prompts ("Prompt caching",
// 2025-11-08). For a prompt of 1,024 tokens or more, the first 1,024 must be
// the same, and hits go on in steps of 128. Entries unused for some minutes are
// removed, and the size is bounded.
type promptCache struct {
	seen  map[uint64]weir.Instant
	order []uint64
}

const (
	cacheStep   = 128
	cacheLeast  = 1024
	cacheKept   = 10 * time.Minute
	cacheBlocks = 1 << 16
)

// see returns how many of a prompt's tokens are cached, and caches it.
func (p *promptCache) see(now weir.Instant, q *prompt) (cached int) {
	if q.tokens < cacheLeast {
		return 0
	}
	if p.seen == nil {
		p.seen = map[uint64]weir.Instant{}
	}
	hit := true
	for _, block := range q.prefixBlocks(cacheStep) {
		at, ok := p.seen[block]
		if hit = hit && ok && now.Sub(at) < cacheKept; hit {
			cached += cacheStep
		}
		if !ok {
			p.order = append(p.order, block)
		}
		p.seen[block] = now
	}
	for len(p.order) > cacheBlocks {
		delete(p.seen, p.order[0])
		p.order = p.order[1:]
	}
	if cached >= q.tokens { // the last token is always computed
		cached -= cacheStep
	}
	if cached < cacheLeast {
		return 0
	}
	return cached
}
