package scale

import (
	"math"

	"weir"
)

// Safety is how much more than the offered load is kept ready: a number times
// the square root of the load, both in replicas. Work that many callers send
// independently varies by about the square root of its amount, so the same
// number keeps the same share of requests waiting with 2 replicas and with 50,
// where a share of the capacity is too little for the few and too much for the
// many (Halfin and Whitt, 1981, "square-root staffing").
//
// Which number is right depends on how long prompts and answers are, how they
// come and what the SLO is, so it is learned from who meets the SLO: each miss
// raises it, each request that met the SLO lowers it, in the proportion in which
// both may happen. It comes to rest where as many miss as may. It learns fast at
// first and ever more slowly. Below zero, capacity was said to be less than it is.
type Safety struct {
	Margin float64 `json:"margin"` // the number, from when Judged is above 0
	Judged float64 `json:"judged"` // requests it was learned from

	At weir.Instant `json:"at"` // when it was last learned from

	// Totals at the last step, and those that are still to be learned from.
	Attained uint64  `json:"attained"`
	Missed   uint64  `json:"missed"`
	Met      float64 `json:"met"`
	Miss     float64 `json:"miss"`
}

const (
	marginFirst = 0.9
	marginLeast = -0.3
	marginMost  = 5.0
	mostLumps   = 10.0   // dispersion beyond which the margin begins no higher
	safetyAim   = 0.62   // of the misses that are allowed, so many are aimed at: bad hours come on top
	safetyBatch = 100    // requests that are learned from at a time
	safetyClip  = 0.3    // share of misses above which more says nothing more
	safetyRise  = 0.4    // the margin rises by that in a cold start at most: until replicas are ready, all misses are one
	safetyPace  = 0.001  // of the margin, for each miss
	safetyBoost = 30.0   // so many times faster at first ...
	safetySoon  = 3000.0 // ... and half of that after so many requests
)

// margin is the present number.
func (s *Safety) margin() float64 {
	if s.Judged == 0 {
		return marginFirst
	}
	return s.Margin
}

// workMargin is the margin for work. Where the work comes in lumps, long prompts
// or bursts, it varies by more than the root of its amount, and the margin begins
// higher; a day later it is the learned part that says the most.
func (t *turn) workMargin() float64 {
	lumps := min(max(t.s.Chance.dispersion(), 1), mostLumps)
	return t.s.Safety.margin() + marginFirst*(math.Sqrt(lumps)-1)
}

// staffed is how many replicas an offered load calls for.
func staffed(offered, margin float64) float64 { return offered + margin*math.Sqrt(offered) }

// adjust learns from the requests judged since the last step.
func (t *turn) adjust() {
	s, o := &t.s.Safety, t.o
	met, miss := o.Attained-s.Attained, o.Missed-s.Missed
	follows := o.Attained >= s.Attained && o.Missed >= s.Missed && !t.fresh
	s.Attained, s.Missed = o.Attained, o.Missed
	switch {
	case !follows, t.p.SLO.TTFT == 0 && t.p.SLO.TPOT == 0:
		return
	case t.s.Learned.Confidence() < trusted:
		s.Met, s.Miss = 0, 0 // what is missed while learning the capacity says nothing of chance
		return
	}
	s.Met, s.Miss = s.Met+float64(met), s.Miss+float64(miss)
	all := s.Met + s.Miss
	if all < safetyBatch {
		return
	}
	pace := safetyPace * (1 + safetyBoost/(1+s.Judged/safetySoon))
	off := min(s.Miss/all, safetyClip) - safetyAim*(1-t.p.Attainment)
	rise := safetyRise * seconds(o.Now.Sub(s.At)) / seconds(t.cold)
	s.Margin = min(max(s.margin()+min(pace*all*off, rise), marginLeast), marginMost)
	s.Judged += all
	s.Met, s.Miss, s.At = 0, 0, o.Now
}
