package scale

import (
	"math"
	"time"

	"weir"
)

// Safety learns the headroom: the margin times the square root of the load,
// both in replicas. Work from many independent callers varies by about the
// square root of its amount. The same margin therefore keeps the same share of
// requests waiting with 2 replicas and with 50. A fixed share of the capacity
// is too little for few and too much for many (Halfin and Whitt, 1981,
// "square-root staffing").
//
// The right margin depends on the lengths of prompts and answers, their
// arrivals and the SLO, so it is learned from the SLO results. Each miss raises
// it and each request that met the SLO lowers it, in the allowed proportion of
// the two. It settles where as many miss as may. It learns fast at first and
// ever more slowly. What a day's allowance of misses has left is spent over the
// next day. A negative margin means that the capacity is
// underestimated.
type Safety struct {
	Margin float64 `json:"margin"` // the learned margin, if Judged is above 0
	Judged float64 `json:"judged"` // number of requests it was learned from

	At weir.Instant `json:"at"` // when it last learned

	// Totals at the last step, and results not yet learned from.
	Attained uint64  `json:"attained"`
	Missed   uint64  `json:"missed"`
	Met      float64 `json:"met"`
	Miss     float64 `json:"miss"`

	Budget Budget `json:"budget,omitzero"`
}

// Budget is the misses of about a day, and how many the policy allows of that
// day's requests.
type Budget struct {
	Since weir.Instant `json:"since"` // of its first request
	Ended float64      `json:"ended"` // requests; older ones fade
	Spent float64      `json:"spent"` // of them: misses
}

const (
	marginFirst = 0.9
	marginLeast = -0.3
	marginSpare = -1.0 // the same while much of the budget is left: replicas may be too few on purpose
	marginMost  = 5.0
	mostLumps   = 10.0   // upper bound of the dispersion that raises the first margin
	safetyAim   = 0.62   // least part of the allowed misses to aim at: bad hours come on top
	safetyBatch = 100    // requests per learning step
	safetyClip  = 0.3    // share of misses above which more makes no difference
	safetyRise  = 0.4    // highest rise of the margin per cold start: until replicas are ready, all misses have one cause
	safetyPace  = 0.001  // change of the margin per miss
	safetyBoost = 30.0   // factor on the pace at first ...
	safetySoon  = 3000.0 // ... halved after this many requests

	spareShare = 0.05
	spareFrom  = 500 // requests before a queue may be left alone

	urgentSure  = 1.5              // standard deviations by which a minute's misses must exceed those expected
	urgentFrom  = 2.0              // times the share aimed at from which misses are urgent
	urgentSteep = 2.0              // one more of the margin divides misses by about e to this
	urgentOver  = 10 * time.Minute // time for which the rest of the budget should last at the present rate of misses
)

// margin returns the present margin.
func (s *Safety) margin() float64 {
	if s.Judged == 0 {
		return marginFirst
	}
	return s.Margin
}

// workMargin returns the margin for work. Lumpy work (long prompts or bursts)
// varies by more than the root of its amount, and its margin starts higher.
// After a day the learned part dominates.
func (t *turn) workMargin() float64 {
	lumps := min(max(t.s.Chance.dispersion(), 1), mostLumps)
	return t.s.Safety.margin() + marginFirst*(math.Sqrt(lumps)-1) + t.urgent()
}

// staffed returns how many replicas an offered load calls for.
func staffed(offered, margin float64) float64 { return offered + margin*math.Sqrt(offered) }

// adjust learns from the SLO results since the last step.
func (t *turn) adjust() {
	s, o := &t.s.Safety, t.o
	met, miss := o.Attained-s.Attained, o.Missed-s.Missed
	follows := o.Attained >= s.Attained && o.Missed >= s.Missed && !t.fresh
	s.Attained, s.Missed = o.Attained, o.Missed
	switch {
	case !follows, t.p.SLO.TTFT == 0 && t.p.SLO.TPOT == 0:
		return
	case t.s.Learned.Confidence() < trusted:
		s.Met, s.Miss = 0, 0 // misses while the capacity is being learned do not show chance
		return
	}
	s.Met, s.Miss = s.Met+float64(met), s.Miss+float64(miss)
	s.Budget.saw(t, float64(met), float64(miss))
	all := s.Met + s.Miss
	if all < safetyBatch {
		return
	}
	pace := safetyPace * (1 + safetyBoost/(1+s.Judged/safetySoon))
	off := min(s.Miss/all, safetyClip) - s.Budget.aim(t)*(1-t.p.Attainment)
	rise := safetyRise * seconds(o.Now.Sub(s.At)) / seconds(t.cold)
	least := marginLeast
	if s.Budget.spare(t) {
		least = marginSpare
	}
	s.Margin = min(max(s.margin()+min(pace*all*off, rise), least), marginMost)
	s.Judged += all
	s.Met, s.Miss, s.At = 0, 0, o.Now
}
