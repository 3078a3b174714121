package scale

import (
	"math"
	"time"
)

// Headroom is the share of a replica's capacity that is planned for, as it has
// turned out to be right for this traffic: bursts that are shorter than a cold
// start must find room, and how much of it they need differs by an order of
// magnitude between services. While fewer requests miss the SLO than may, the
// share rises; while more do, it falls.
type Headroom struct {
	Use  float64 `json:"use"`  // 0: Policy.TargetUse still
	Met  float64 `json:"met"`  // requests that met the SLO of late, decaying
	Miss float64 `json:"miss"` // requests that did not, decaying

	// Totals at the last step.
	Attained uint64 `json:"attained"`
	Missed   uint64 `json:"missed"`
}

const (
	headroomMemory = 2 * time.Hour // in which what was of late counts half
	headroomPace   = 0.05          // of the share, per hour, while no request misses
	headroomFall   = 4             // times that, at most, while too many do
	headroomSafe   = 0.7           // of the misses that are allowed, so many are aimed at
	headroomSure   = 200           // requests before anything is concluded
	headroomLow    = 0.6           // times TargetUse, at least
	headroomHigh   = 1.4           // times TargetUse, at most
	headroomMost   = 1.1           // of the capacity
)

// use is the share of the capacity to plan for.
func (t *turn) use() float64 {
	if u := t.s.Headroom.Use; u > 0 {
		return u
	}
	return t.p.TargetUse
}

// adjust moves the share with the requests judged since the last step.
func (t *turn) adjust() {
	h, o := &t.s.Headroom, t.o
	met, miss := o.Attained-h.Attained, o.Missed-h.Missed
	follows := o.Attained >= h.Attained && o.Missed >= h.Missed && !t.fresh
	h.Attained, h.Missed = o.Attained, o.Missed
	since := o.Now.Sub(t.s.Now)
	if !follows || since <= 0 || t.p.SLO.TTFT == 0 && t.p.SLO.TPOT == 0 {
		return
	}
	if t.s.Learned.Confidence() < trusted {
		h.Met, h.Miss = 0, 0 // what is missed while learning says nothing of bursts
		return
	}
	keep := math.Exp2(-seconds(since) / seconds(headroomMemory))
	h.Met, h.Miss = keep*h.Met+float64(met), keep*h.Miss+float64(miss)
	all := h.Met + h.Miss
	if all < headroomSure {
		return
	}
	// What has the share fall as fast as it may is enough to remember: the rest
	// of one bad hour must not be paid for all day.
	allowed := max(headroomSafe*(1-t.p.Attainment), 1e-6)
	h.Miss = min(h.Miss, (1+headroomFall)*allowed*all)
	way := 1 - h.Miss/(allowed*all)
	use := t.use() + way*headroomPace*since.Hours()
	h.Use = min(max(use, headroomLow*t.p.TargetUse), headroomHigh*t.p.TargetUse, headroomMost)
}
