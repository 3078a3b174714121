package dispatch

import (
	"math/bits"
	"time"

	"weir"
)

// solo learns how fast a deployment's replicas serve a request that they hold
// alone: no other request was there when it was granted, and none joined it.
// What misses an SLO at that speed misses it with any number of replicas.
//
// The times are kept by the prompt's length without its cached part, as the server
// counted it, 8 lengths to the doubling, as a time per token: within an eighth of a
// length the time is nearly proportional to it. Of each length the least of some dozen recent
// times counts, so that a slow network or a busy host does not make a request
// look out of reach.
type solo struct {
	first [soloLengths]least // to the first token
	gap   [soloLengths]least // between tokens after it
}

const (
	soloLengths = 160 // the last length holds prompts of 4 M tokens and more
	soloEnough  = 3   // times before they are believed
	soloRenew   = 48  // times after which the oldest are forgotten
)

// least is the least of the last soloRenew to 2*soloRenew values.
type least struct {
	now, before float64 // 0: none
	seen        int     // in now
	known       bool    // soloEnough were seen
}

func (l *least) saw(v float64) {
	if l.now == 0 || v < l.now {
		l.now = v
	}
	if l.seen++; l.seen >= soloEnough {
		l.known = true
	}
	if l.seen == soloRenew {
		l.now, l.before, l.seen = 0, l.now, 0
	}
}

func (l *least) value() float64 {
	if l.now == 0 || l.before > 0 && l.before < l.now {
		return l.before
	}
	return l.now
}

// soloAt is the index of a length.
func soloAt(prompt int) int {
	if prompt < 8 {
		return max(prompt, 0)
	}
	exp := bits.Len(uint(prompt)) - 1
	return min((exp-2)*8+prompt>>(exp-3)&7, soloLengths-1)
}

// soloFrom is the shortest prompt of an index.
func soloFrom(i int) int {
	if i < 8 {
		return i
	}
	return (8 + i%8) << (i/8 - 1)
}

// at returns the time of a prompt; where its length was not seen, that of the
// next shorter one, which cannot be longer. A longer prompt cannot take less: what
// it was served in is the most that this one takes, so that the few slow answers
// of one length do not count against the many of others. 0: unknown.
func (a *solo) at(of *[soloLengths]least, prompt int, perToken bool) time.Duration {
	i, n := soloAt(prompt), prompt
	j := i
	for ; j >= 0 && !of[j].known; j-- {
	}
	if j < 0 {
		return 0
	}
	if j < i {
		n = soloFrom(j)
	}
	most := of[j].time(n, perToken)
	for k := i + 1; k < soloLengths; k++ {
		if l := &of[k]; l.known {
			most = min(most, l.time(soloFrom(k+1), perToken))
		}
	}
	return time.Duration(most)
}

// time is that of a prompt of that many tokens.
func (l *least) time(tokens int, perToken bool) float64 {
	if perToken {
		return l.value() * float64(max(tokens, 1))
	}
	return l.value()
}

// calm is called at a grant, with the replica as q leaves it.
func (q *call) calm(r *replica) {
	q.solo = 0
	if r.requests == 1 && q.of == 0 {
		q.solo = r.granted
	}
}

// undisturbed says whether q has had its replica for itself since its grant.
func (q *call) undisturbed() bool {
	return q.solo > 0 && q.solo == q.on.granted
}

// sawSolo learns from an answer that came to its true end.
func (c *Core) sawSolo(q *call, used weir.Usage) {
	if q.firstAt == 0 || q.on == nil {
		return
	}
	d := q.on.d
	if d.solo == nil {
		d.solo = new(solo)
	}
	whole := q.Prompt // a guess from the request's text
	if used.Prompt > 0 {
		whole = int(min(used.Prompt, maxWork))
	}
	prompt := max(whole-int(min(used.Cached, int64(whole))), 1)
	d.solo.first[soloAt(prompt)].saw(float64(q.firstAt.Sub(q.sent)) / float64(prompt))
	if n := used.Completion; n > 1 && q.undisturbed() {
		d.solo.gap[soloAt(whole)].saw(float64(c.now.Sub(q.firstAt)) / float64(n-1))
	}
}

// Alone returns how long an idle replica of a deployment takes to the first
// token of a prompt of that many tokens, cached ones left out, and then from
// token to token with all of the prompt in its context: the least of what was
// measured on replicas that held nothing else. 0: not known.
func (c *Core) Alone(deployment string, prompt, cached int) (first, gap time.Duration) {
	d := c.deployment(deployment)
	if d == nil || d.solo == nil {
		return 0, 0
	}
	return d.solo.at(&d.solo.first, max(prompt-cached, 1), true), d.solo.at(&d.solo.gap, prompt, false)
}
