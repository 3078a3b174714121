package meaning

import "math"

// bands are ranges of similarity, each counted by itself: it is not true that more similar
// prompts are right more often, since a question's opposite can be nearer than its
// paraphrase.
var bands = [...]float64{0.70, 0.80, 0.85, 0.90, 0.95, 0.98}

// Floor is the similarity below which no stored prompt counts as near.
const Floor = 0.70

// bandOf is the band of a similarity of at least Floor.
func bandOf(similarity float64) int {
	b := 0
	for b+1 < len(bands) && similarity >= bands[b+1] {
		b++
	}
	return b
}

// Counts are answers that were compared.
type Counts struct{ Right, Wrong uint32 }

// mostCounted bounds the counts: beyond it both are halved, and old evidence counts less.
const mostCounted = 10_000

func (c *Counts) add(right bool) {
	if right {
		c.Right++
	} else {
		c.Wrong++
	}
}

// evidence is the counts of one band with their bound, which only a new answer changes.
type evidence struct {
	Counts
	aim, upper float64 // 0: to be computed
}

func (e *evidence) learn(right bool) {
	if e.add(right); e.Right+e.Wrong >= mostCounted {
		e.Right, e.Wrong = e.Right/2, (e.Wrong+1)/2
	}
	e.aim = 0
}

func (e *evidence) bound(aim float64) float64 {
	if e.aim != aim {
		e.aim, e.upper = aim, e.Upper(aim)
	}
	return e.upper
}

// Rate is the share that was wrong; 0 if nothing was counted.
func (c Counts) Rate() float64 {
	n := c.Right + c.Wrong
	if n == 0 {
		return 0
	}
	return float64(c.Wrong) / float64(n)
}

// doubt is the probability that an Upper is ever below the true rate.
const doubt = 0.025

// Upper is an upper bound of the true rate of wrong answers: 1 if nothing was counted. It
// is a confidence sequence: with probability 1 - doubt it is never, at any count, below a
// rate that stays the same, so it may be looked at after every answer. aim is the rate for
// which it is the tightest.
//
// The counts' likelihood under a mixture of rates, Beta(1, 1/aim), divided by that under
// one rate p, is a martingale if p is true; by Ville's inequality it exceeds 1/doubt with
// at most that probability. Upper is the largest p that is not excluded (Robbins 1970;
// Howard et al. 2021). Worked: with an aim of 1 % and nothing wrong, Upper is 1 % after
// 554 answers; an interval for a single look (Clopper-Pearson) has it after 368.
func (c Counts) Upper(aim float64) float64 {
	n, k := float64(c.Right+c.Wrong), float64(c.Wrong)
	if n == 0 {
		return 1
	}
	b := 1 / aim
	mixture := logBeta(1+k, b+n-k) - logBeta(1, b)
	excluded := func(p float64) bool {
		return mixture-k*math.Log(p)-(n-k)*math.Log1p(-p) >= -math.Log(doubt)
	}
	low, high := k/n, 1.0
	for range 40 {
		if mid := (low + high) / 2; mid > 0 && mid < 1 && excluded(mid) {
			high = mid
		} else {
			low = mid
		}
	}
	return high
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}
