package scale

import (
	"fmt"
	"math"
	"time"

	"weir"
)

// Learned is the learned capacity of one replica, in nominal replicas: 1 is
// Policy.Capacity, or the nominal speeds if that is unset. It is the throughput
// of a saturated replica. Safety learns how far below it the SLO is met.
//
// While requests wait, replicas are saturated and their throughput is their
// capacity. A load that met the SLO shows that the capacity is no less. While
// all goes well the estimate rises slowly, up to the observed or given
// capacity; otherwise one bad hour would be paid for forever. Where no capacity
// is given, a load that piles up a backlog shows that it is less than that
// load.
type Learned struct {
	Factor float64 `json:"factor"` // capacity
	Weight float64 `json:"weight"` // number of observations behind it; the profile counts for profileWeight
	Limit  float64 `json:"limit"`  // throughput when saturated; 0: never seen

	// The current observation.
	From   Sample `json:"from,omitzero"`
	Ready  int    `json:"ready,omitempty"`
	Always bool   `json:"always,omitempty"` // requests waited at every step
	Ever   bool   `json:"ever,omitempty"`   // requests waited at some step
	Before bool   `json:"before,omitempty"` // requests waited at some step of the previous observation
}

const (
	learnEvery    = 15 * time.Second
	warmFor       = 10 * time.Second // a replica fills up after it became ready
	profileWeight = 12
	maxWeight     = 40
	probeFrom     = 0.6   // share of the capacity above which a good observation raises it
	probeStep     = 1.002 // per observation: a third in half an hour
	usualUse      = 0.8
	trusted       = 0.5 // least confidence for the learned capacity to be used
)

// Confidence is between 0, unknown, and 1.
func (l Learned) Confidence() float64 { return l.Weight / (l.Weight + 4) }

// capacity compares the arriving work with one replica's capacity.
func (t *turn) capacity() (need, bool) {
	l := &t.s.Learned
	if l.Factor == 0 || !t.rates.known || l.Confidence() < trusted {
		return need{}, false
	}
	load := t.rates.work / l.Factor
	margin, use := t.workMargin(), t.p.use()
	n := staffed(load, margin)
	if use > 0 {
		n = load / use
	}
	return need{RuleCapacity, n, func() string {
		how := fmt.Sprintf("headroom %.2g times the square root of that", margin)
		if use > 0 {
			how = fmt.Sprintf("target use %.4g %%", 100*use)
		}
		return fmt.Sprintf("work for %.3g replicas arrives%s, %s, confidence %.0f %%",
			load, t.surging(), how, 100*l.Confidence())
	}}, true
}

// use is the share of the capacity to plan for; 0: the headroom is learned.
// That needs an SLO.
func (p *Policy) use() float64 {
	if p.TargetUse == 0 && p.SLO.TTFT == 0 && p.SLO.TPOT == 0 {
		return usualUse
	}
	return p.TargetUse
}

// learn observes the replicas for learnEvery at a time. An observation ends
// unused when the number of replicas changes or one is still warming up.
func (t *turn) learn() {
	l, o := &t.s.Learned, t.o
	if l.Weight == 0 && t.p.Capacity != (Capacity{}) {
		l.Factor, l.Weight = 1, profileWeight
	}
	now := sampled(o)
	if l.From.At == 0 || t.fresh || l.Ready != t.ready || !l.From.before(now) || t.warming(l.From.At) {
		t.watch(now)
		return
	}
	queued := t.saturated()
	l.Always, l.Ever = l.Always && queued, l.Ever || queued
	if now.At.Sub(l.From.At) < learnEvery {
		return
	}
	done := t.p.work(now.Prefill-l.From.Prefill, now.Decode-l.From.Decode, 1)
	each := done / seconds(now.At.Sub(l.From.At)) / float64(max(t.ready, 1))
	attained, missed := now.Attained-l.From.Attained, now.Missed-l.From.Missed
	if t.ready > 0 && each > 0 {
		t.saw(each, attained, missed)
	}
	t.watch(now)
}

func (t *turn) watch(now Sample) {
	l := &t.s.Learned
	queued := t.saturated()
	l.From, l.Ready, l.Before, l.Always, l.Ever = now, t.ready, l.Ever, queued, queued
}

// warming says whether a replica became ready less than warmFor before at, or
// later.
func (t *turn) warming(at weir.Instant) bool {
	for i := range t.o.Replicas {
		if r := &t.o.Replicas[i]; r.State == weir.Ready && r.ReadyAt.Add(warmFor) > at {
			return true
		}
	}
	return false
}

// saw learns from one observation; each is a replica's throughput in nominal
// replicas.
func (t *turn) saw(each float64, attained, missed uint64) {
	l, n := &t.s.Learned, attained+missed
	switch {
	case l.Always:
		l.towards(&l.Limit, each, 0.3)
		gain := 0.3
		if each > l.Factor && l.Factor > 0 || t.p.Capacity != (Capacity{}) {
			gain = 0.1 // one observation is weak evidence against a given capacity, or for a higher one
		}
		l.towards(&l.Factor, each, max(gain, 1/(1+l.Weight)))
		l.Weight = min(l.Weight+1, maxWeight)
	case l.Ever || l.Before:
		// The queue decided whether requests met the SLO.
	case n >= 5 && missed == 0 && each > l.Factor:
		l.towards(&l.Factor, each, 0.2)
	case n >= 5 && missed == 0 && each > probeFrom*l.Factor:
		l.Factor = max(l.Factor, min(l.Factor*probeStep, t.most()))
	}
}

// saturated says whether replicas work at their capacity: each has waiting
// requests, where engines report them. Requests waiting at the gateway may lack
// only a slot; they count where no capacity is given or engines do not report.
func (t *turn) saturated() bool {
	if t.o.EngineWaiting >= 0 && t.p.Capacity != (Capacity{}) {
		return t.o.EngineWaiting >= 2*t.ready
	}
	return t.queued() > 0
}

// tooMuch learns from a load that piled up a backlog before any other rule
// called for more replicas: the work of the short window exceeds the capacity.
func (t *turn) tooMuch() {
	if t.stale || t.extra == 0 || t.p.Capacity != (Capacity{}) || t.n <= t.have || t.starting > 0 || t.ready == 0 ||
		t.rates.surge || t.rates.work <= 0 || t.warming(t.o.Now.Add(-longWindow/2)) {
		return
	}
	l, each := &t.s.Learned, 0.95*max(t.rates.work, t.rates.burst)/float64(t.ready)
	if l.Weight == 0 || each < l.Factor {
		l.towards(&l.Factor, max(each, t.least()), max(0.1, 1/(1+l.Weight)))
		l.Weight = min(l.Weight+1, maxWeight)
	}
}

// least is the lower bound of the learned capacity: half of the observed one,
// or of the given one if none was observed. A fault unrelated to load must not
// grow the fleet without end.
func (t *turn) least() float64 {
	if seen := t.s.Learned.Limit; seen > 0 {
		return seen / 2
	}
	if t.p.Capacity != (Capacity{}) {
		return 0.5
	}
	return 0
}

// most is the upper bound of the estimated capacity: the throughput of
// saturated replicas, or the given one if none was saturated.
func (t *turn) most() float64 {
	if seen := t.s.Learned.Limit; seen > 0 {
		return seen
	}
	if t.p.Capacity != (Capacity{}) {
		return 1
	}
	return math.Inf(1)
}

// towards moves v to x by gain, or all the way if v was unknown.
func (l *Learned) towards(v *float64, x, gain float64) {
	if *v == 0 {
		gain = 1
	}
	*v += gain * (x - *v)
}
