package scale

import (
	"fmt"
	"math"
)

const (
	slotShare = 0.75 // part of the margin for work: requests in flight vary less than arrivals
	slotSure  = 2.0  // standard deviations beyond which a rise of requests in flight counts at once
)

// slots compares the requests in flight with the replicas' admissions. Where
// answers are long these are the limit, not the work: by Little's law the
// number in flight is the number of arrivals during one request's stay. Waiting
// requests count for the slots they will take.
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

// slotMargin has no least value of its own: a policy that allows many misses may
// let requests wait for slots.
func (t *turn) slotMargin() float64 { return slotShare * (t.s.Safety.margin() + t.urgent()) }

// heldAlone returns how many replicas' admissions would be in flight if the
// replicas did no prefill. During prefill answers stand still and stay longer.
func (t *turn) heldAlone() (float64, bool) {
	if t.p.TargetConcurrency > 0 || t.p.MaxConcurrency == 0 || t.p.use() > 0 || !t.rates.known || t.ready == 0 ||
		t.s.Learned.Confidence() < trusted {
		return 0, false
	}
	return t.held() * (1 - t.prefilling(t.rates.prefill, float64(t.ready))) / float64(t.p.MaxConcurrency), true
}

// held returns the number of requests in flight: a mean, or the certain part of
// a rise, plus the waiting requests weighted by stay.
func (t *turn) held() float64 {
	held := max(t.rates.held, t.rates.flying-slotSure*math.Sqrt(t.rates.flying))
	if q := t.o.Waiting; q > 0 {
		held = max(held, float64(t.o.InFlight)) + float64(q)*t.stay()
	}
	return held
}

// stay returns the fraction of the drain time for which each queued request
// takes a slot: 1 where answers last that long.
func (t *turn) stay() float64 {
	if t.rates.finished <= 0 {
		return 1
	}
	return min(t.rates.held/t.rates.finished/seconds(max(t.p.DrainWithin, t.cold)), 1)
}

// prefilling returns the share of their time that n replicas spend on prefill.
func (t *turn) prefilling(work, n float64) float64 {
	const most = 0.9
	if l := t.s.Learned.Factor; l > 0 && n > 0 {
		return min(work/(l*n), most)
	}
	return 0
}

// slotsFor returns the least number of replicas that admit the requests in
// flight on that number. More replicas prefill less each, and fewer requests
// are then in flight.
func (t *turn) slotsFor(alone, prefill float64) float64 {
	margin := t.slotMargin()
	low, high := alone, staffed(10*alone, marginMost)
	for range 40 { // bisections: precise to far below a replica
		n := (low + high) / 2
		if staffed(alone/(1-t.prefilling(prefill, n)), margin) <= n {
			high = n
		} else {
			low = n
		}
	}
	return high
}
