package scale

import (
	"fmt"
	"math"
)

const (
	slotShare = 0.75 // of the margin for work: requests in flight vary less than what arrives
	slotLeast = 0.1  // margin: beyond what replicas admit a request waits, however fast they are
	slotSure  = 2.0  // standard deviations beyond which a rise of what is in flight counts at once
)

// slots is what is in flight against what the replicas admit. Where answers are
// long it is this that binds, and not the work: by Little's law as many are in
// flight as arrive in the time one stays. Those that wait count for the slots they will take.
func (t *turn) slots() (need, bool) {
	alone, ok := t.heldAlone()
	if !ok {
		return need{}, false
	}
	return need{RuleSlots, t.slotsFor(alone, t.rates.prefill), func() string {
		queued := ""
		if t.o.Waiting > 0 {
			queued = " or queued"
		}
		return fmt.Sprintf("%.3g requests in flight%s, at most %d per replica, headroom %.2g times the square root of the replicas",
			t.held(), queued, t.p.MaxConcurrency, t.slotMargin())
	}}, true
}

func (t *turn) slotMargin() float64 { return max(slotShare*t.s.Safety.margin(), slotLeast) }

// heldAlone is how many replicas' admissions would be in flight if the replicas
// did no prefill: while they do, answers stand still and stay longer.
func (t *turn) heldAlone() (float64, bool) {
	if t.p.TargetConcurrency > 0 || t.p.MaxConcurrency == 0 || t.p.use() > 0 || !t.rates.known || t.ready == 0 ||
		t.s.Learned.Confidence() < trusted {
		return 0, false
	}
	return t.held() * (1 - t.prefilling(t.rates.prefill, float64(t.ready))) / float64(t.p.MaxConcurrency), true
}

// held is how many requests are in flight: a mean, or what is certain of a rise,
// and of those that wait as many as take a slot for long.
func (t *turn) held() float64 {
	held := max(t.rates.held, t.rates.flying-slotSure*math.Sqrt(t.rates.flying))
	if q := t.o.Waiting; q > 0 {
		held = max(held, float64(t.o.InFlight)) + float64(q)*t.stay()
	}
	return held
}

// stay is for how much of the time in which a queue should be worked off each of
// its requests takes a slot: all of it where answers are as long as that.
func (t *turn) stay() float64 {
	if t.rates.finished <= 0 {
		return 1
	}
	return min(t.rates.held/t.rates.finished/seconds(max(t.p.DrainWithin, t.cold)), 1)
}

// prefilling is the share of their time that n replicas spend on prefill.
func (t *turn) prefilling(work, n float64) float64 {
	const most = 0.9
	if l := t.s.Learned.Factor; l > 0 && n > 0 {
		return min(work/(l*n), most)
	}
	return 0
}

// slotsFor is the least number of replicas that admit what would be in flight on
// that many. More replicas prefill less each, so what is in flight falls.
func (t *turn) slotsFor(alone, prefill float64) float64 {
	margin := t.slotMargin()
	low, high := alone, staffed(10*alone, marginMost)
	for range 40 { // halvings: far below a replica
		n := (low + high) / 2
		if staffed(alone/(1-t.prefilling(prefill, n)), margin) <= n {
			high = n
		} else {
			low = n
		}
	}
	return high
}
