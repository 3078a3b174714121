package meter

import "math/bits"

// Learned estimates the length of a tenant's answers from a model by a running
// distribution. A reservation can then use the likely length instead of
// max_tokens. It is passive: its owner serialises the calls. The zero value is
// ready.
//
// Each pair of tenant and model has a histogram of 8 buckets to the octave (a
// resolution of 1/8 at worst). Its counts are halved every 1,024 answers: it
// follows a change of habit within some thousand answers. At most Max pairs are
// held (0: DefaultLearned); the least recently used pair makes room. A pair
// with too few answers uses the distribution of all tenants on the model; a
// model with too few uses Unknown.
type Learned struct {
	Max      int     // pairs held; 0: DefaultLearned
	Quantile float64 // quantile that Expect returns; 0: 0.9
	Unknown  int     // tokens expected without any data; 0: 512

	Tells bool // keep answers for TakeAnswers

	fresh   []Answer
	entries map[pair]*lengths
	oldest  *lengths // ring by use: oldest.next is the second oldest, oldest.prev the newest
}

// DefaultLearned bounds the pairs of a Learned that sets no Max, at about 1 KiB
// each.
const DefaultLearned = 4096

const (
	enough    = 8    // answers before a pair's own distribution is used
	halfAfter = 1024 // answers after which counts are halved
	octave    = 8    // buckets per doubling
	lastBit   = 24   // answers of 2^24 tokens and more are in the last bucket
	bucketsN  = (lastBit - 3 + 1) * octave
)

// pair is a tenant and a model. The tenant "" without all is for unknown
// tenants only; all tenants together have all set.
type pair struct {
	tenant, model string
	all           bool // all tenants of the model
}

// lengths is the distribution of one pair.
type lengths struct {
	of         pair
	prev, next *lengths
	total      uint32
	counts     [bucketsN]uint16
}

// Expect returns how many tokens to reserve for the answer: the learned
// quantile, but not more than maxTokens where the request sets one (above 0).
func (l *Learned) Expect(tenant, model string, maxTokens int) int {
	expected := l.unknown()
	if e := l.known(pair{tenant: tenant, model: model}); e != nil {
		expected = e.quantile(l.quantile())
	} else if e := l.known(pair{model: model, all: true}); e != nil {
		expected = e.quantile(l.quantile())
	}
	if maxTokens > 0 {
		expected = min(expected, maxTokens)
	}
	return expected
}

// Percentile returns the length that a share q of the tenant's answers on the
// model do not exceed, and whether it is known. It is learned from this tenant
// alone.
func (l *Learned) Percentile(tenant, model string, q float64) (int, bool) {
	e := l.known(pair{tenant: tenant, model: model})
	if e == nil {
		return 0, false
	}
	return e.quantile(q), true
}

// Saw records the length of one answer that came to its true end. Answers cut
// short do not show their length and are not recorded.
func (l *Learned) Saw(tenant, model string, completion int) {
	if l.Tells && completion >= 0 && len(l.fresh) < maxAnswers {
		l.fresh = append(l.fresh, Answer{tenant, model, completion})
	}
	l.learn(tenant, model, completion)
}

func (l *Learned) learn(tenant, model string, completion int) {
	if completion < 0 {
		return
	}
	l.entry(pair{tenant: tenant, model: model}).add(completion)
	l.entry(pair{model: model, all: true}).add(completion)
}

// Answer is the length of one answer that came to its true end.
type Answer struct {
	Tenant, Model string
	Tokens        int
}

// maxAnswers bounds the answers kept for TakeAnswers. Above that rate they are
// a sample.
const maxAnswers = 256

// TakeAnswers returns the answers seen since the last call, for other gateways
// to learn from; at most maxAnswers, the first ones.
func (l *Learned) TakeAnswers() []Answer {
	fresh := l.fresh
	l.fresh = nil
	return fresh
}

// SawRemote records an answer from another gateway.
func (l *Learned) SawRemote(a Answer) { l.learn(a.Tenant, a.Model, a.Tokens) }

// Len returns the number of pairs held.
func (l *Learned) Len() int { return len(l.entries) }

func (l *Learned) unknown() int {
	if l.Unknown > 0 {
		return l.Unknown
	}
	return 512
}

func (l *Learned) quantile() float64 {
	if l.Quantile > 0 && l.Quantile < 1 {
		return l.Quantile
	}
	return 0.9
}

func (l *Learned) known(p pair) *lengths {
	e := l.entries[p]
	if e == nil || e.total < enough {
		return nil
	}
	l.touch(e)
	return e
}

func (l *Learned) entry(p pair) *lengths {
	if e := l.entries[p]; e != nil {
		l.touch(e)
		return e
	}
	if l.entries == nil {
		l.entries = map[pair]*lengths{}
	}
	bound := l.Max
	if bound <= 0 {
		bound = DefaultLearned
	}
	e := new(lengths)
	if len(l.entries) >= bound {
		e = l.oldest
		delete(l.entries, e.of)
		l.unlink(e)
		*e = lengths{}
	}
	e.of = p
	l.entries[p] = e
	l.link(e)
	return e
}

func (l *Learned) touch(e *lengths) {
	if l.oldest.prev == e {
		return
	}
	l.unlink(e)
	l.link(e)
}

// link makes e the newest.
func (l *Learned) link(e *lengths) {
	if l.oldest == nil {
		l.oldest, e.next, e.prev = e, e, e
		return
	}
	e.prev, e.next = l.oldest.prev, l.oldest
	e.prev.next, e.next.prev = e, e
}

func (l *Learned) unlink(e *lengths) {
	if e.next == e {
		l.oldest = nil
		return
	}
	e.prev.next, e.next.prev = e.next, e.prev
	if l.oldest == e {
		l.oldest = e.next
	}
}

func (h *lengths) add(n int) {
	h.counts[bucketOf(n)]++
	h.total++
	if h.total < halfAfter {
		return
	}
	h.total = 0
	for i := range h.counts {
		h.counts[i] /= 2
		h.total += uint32(h.counts[i])
	}
}

// quantile returns the upper end of the bucket below which a share q of the
// answers lie.
func (h *lengths) quantile(q float64) int {
	rank := uint32(q * float64(h.total))
	var seen uint32
	for i, c := range h.counts {
		seen += uint32(c)
		if seen > rank {
			return upperEnd(i)
		}
	}
	return upperEnd(bucketsN - 1)
}

// bucketOf maps 0..7 to themselves and each doubling above to 8 buckets.
func bucketOf(n int) int {
	if n < octave {
		return n
	}
	exp := bits.Len(uint(n)) - 1 // n in [2^exp, 2^(exp+1))
	if exp >= lastBit {
		return bucketsN - 1
	}
	return (exp-2)*octave + (n>>(exp-3))&(octave-1)
}

// upperEnd is the largest length of a bucket.
func upperEnd(i int) int {
	if i < octave {
		return i
	}
	exp := i/octave + 2
	return (octave+i%octave+1)<<(exp-3) - 1
}
