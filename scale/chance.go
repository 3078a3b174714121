package scale

import (
	"math"
	"time"
)

// Chance is how much the arriving work varies from one bin of time to the next:
// its index of dispersion (variance over mean) in replica-seconds. For
// independent requests it follows from their sizes; callers that come in bursts
// have more.
type Chance struct {
	From Sample  `json:"from,omitzero"` // start of the current bin
	Var  float64 `json:"var"`
	Mean float64 `json:"mean"` // work in a bin
	Last float64 `json:"last"` // work in the last bin
	Bins float64 `json:"bins"` // bins seen, up to chanceMemory
}

const (
	chanceBin    = 10 * time.Second
	chanceMemory = 180.0 // bins: half an hour
	chanceEnough = 12    // bins before the variance is used
	chanceFirst  = 1.0   // dispersion until then
)

// saw closes the bin when it is full. The variance is taken from the
// differences of neighbours: a slow rise does not count as chance.
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

// dispersion returns the variance of the work over its mean, in
// replica-seconds.
func (c *Chance) dispersion() float64 {
	if c.Bins <= chanceEnough || c.Mean <= 0 {
		return chanceFirst
	}
	return c.Var / c.Mean
}

// deviation returns the standard deviation of the mean of a rate of work over a
// time.
func (c *Chance) deviation(rate float64, over time.Duration) float64 {
	return math.Sqrt(c.dispersion() * rate / seconds(over))
}
