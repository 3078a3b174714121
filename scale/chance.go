package scale

import (
	"math"
	"time"
)

// Chance is how much the work that arrives varies from one bin of time to the
// next: its index of dispersion, which is its variance over its mean, in
// replica-seconds. Requests that know nothing of each other have that of their
// sizes; callers that come in bursts have more.
type Chance struct {
	From Sample  `json:"from,omitzero"` // begin of the bin under way
	Var  float64 `json:"var"`
	Mean float64 `json:"mean"` // work in a bin
	Last float64 `json:"last"` // work in the last bin
	Bins float64 `json:"bins"` // seen; counted to chanceMemory
}

const (
	chanceBin    = 10 * time.Second
	chanceMemory = 180.0 // bins: half an hour
	chanceEnough = 12    // bins, before there is a variance to speak of
	chanceFirst  = 1.0   // dispersion until then
)

// saw closes the bin when it is full. The variance is taken from the differences
// of neighbours, so that a slow rise is not taken for chance.
func (c *Chance) saw(t *turn) {
	now := sampled(t.o)
	if c.From.At == 0 || !c.From.before(now) || t.fresh {
		c.From = now
		return
	}
	if now.At.Sub(c.From.At) < chanceBin {
		return
	}
	work := t.p.work(now.Prompt-c.From.Prompt, now.Output-c.From.Output, t.s.Answers.ratio())
	if c.Bins > 0 {
		gain := max(1/chanceMemory, 1/c.Bins)
		c.Var += gain * ((work-c.Last)*(work-c.Last)/2 - c.Var)
		c.Mean += gain * (work - c.Mean)
	}
	c.Bins = min(c.Bins+1, chanceMemory)
	c.Last, c.From = work, now
}

// dispersion is the variance of the work over its mean, in replica-seconds.
func (c *Chance) dispersion() float64 {
	if c.Bins <= chanceEnough || c.Mean <= 0 {
		return chanceFirst
	}
	return c.Var / c.Mean
}

// deviation is the standard deviation of the mean of a rate of work over a time.
func (c *Chance) deviation(rate float64, over time.Duration) float64 {
	return math.Sqrt(c.dispersion() * rate / seconds(over))
}
