package scale

import (
	"fmt"
	"math"
	"time"

	"weir"
)

// Learned is what has been learned about one replica's capacity, in nominal
// replicas: 1 is what Policy.Capacity says, or the nominal speeds where it
// says nothing. It is what a replica does when it does all it can; how far below
// that it meets the SLO is the matter of Safety.
//
// While requests wait, replicas do all they can, and what they do is their
// capacity. Load that went well says that it is no less; while it goes well, the
// capacity is slowly taken to be more, up to what was seen or given, or one bad
// hour would be paid for ever. Where nothing is given, load that piles up a
// backlog says that it is less than that.
type Learned struct {
	Factor float64 `json:"factor"` // capacity
	Weight float64 `json:"weight"` // how much stands behind it, in observations; the profile counts for profileWeight
	Limit  float64 `json:"limit"`  // throughput when saturated; 0: never seen

	// The observation under way.
	From   Sample `json:"from,omitzero"`
	Ready  int    `json:"ready,omitempty"`
	Always bool   `json:"always,omitempty"` // requests waited at every step
	Ever   bool   `json:"ever,omitempty"`   // requests waited at some step
	Before bool   `json:"before,omitempty"` // requests waited at some step of the one before
}

const (
	learnEvery    = 15 * time.Second
	warmFor       = 10 * time.Second // a replica fills up after it became ready
	profileWeight = 12
	maxWeight     = 40
	probeFrom     = 0.6   // share of the capacity from which on all going well raises it
	probeStep     = 1.002 // for each observation: a third in half an hour
	usualUse      = 0.8
	trusted       = 0.5 // confidence from which on the learned capacity asks for replicas
)

// Confidence is between 0, nothing known, and 1.
func (l Learned) Confidence() float64 { return l.Weight / (l.Weight + 4) }

// capacity is the work that arrives against what one replica can do.
func (t *turn) capacity() (need, bool) {
	l := &t.s.Learned
	if l.Factor == 0 || !t.rates.known || l.Confidence() < trusted {
		return need{}, false
	}
	load := t.rates.work / l.Factor
	n, how := staffed(load, t.workMargin()), fmt.Sprintf("headroom %.2g times the square root of that", t.workMargin())
	if use := t.p.use(); use > 0 {
		n, how = load/use, fmt.Sprintf("target use %.4g %%", 100*use)
	}
	return need{RuleCapacity, n, func() string {
		return fmt.Sprintf("work for %.3g replicas arrives%s, %s, confidence %.0f %%",
			load, t.surging(), how, 100*l.Confidence())
	}}, true
}

// use is the share of the capacity to plan for; 0: what is kept free is learned.
// Without an SLO there is nothing to learn it from.
func (p *Policy) use() float64 {
	if p.TargetUse == 0 && p.SLO.TTFT == 0 && p.SLO.TPOT == 0 {
		return usualUse
	}
	return p.TargetUse
}

// learn watches the replicas for learnEvery at a time. It looks away when
// their number changes or one is still warming up.
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

// warming says whether a replica became ready too short before at.
func (t *turn) warming(at weir.Instant) bool {
	for i := range t.o.Replicas {
		if r := &t.o.Replicas[i]; r.State == weir.Ready && r.ReadyAt.Add(warmFor) > at {
			return true
		}
	}
	return false
}

// saw learns from one observation: each is what a replica did, in nominal
// replicas.
func (t *turn) saw(each float64, attained, missed uint64) {
	l, n := &t.s.Learned, attained+missed
	switch {
	case l.Always:
		l.towards(&l.Limit, each, 0.3)
		gain := 0.3
		if each > l.Factor && l.Factor > 0 || t.p.Capacity != (Capacity{}) {
			gain = 0.1 // one observation says little against what was given, or for more
		}
		l.towards(&l.Factor, each, max(gain, 1/(1+l.Weight)))
		l.Weight = min(l.Weight+1, maxWeight)
	case l.Ever || l.Before:
		// Who met the SLO or not was decided in the queue.
	case n >= 5 && missed == 0 && each > l.Factor:
		l.towards(&l.Factor, each, 0.2)
	case n >= 5 && missed == 0 && each > probeFrom*l.Factor:
		l.Factor = max(l.Factor, min(l.Factor*probeStep, t.most()))
	}
}

// saturated says whether replicas do all they can: each has requests that wait
// for it, where engines tell. Requests that wait at the gateway may only lack a
// slot; where the capacity is not given and nothing else is known, they count.
func (t *turn) saturated() bool {
	if t.o.EngineWaiting >= 0 && t.p.Capacity != (Capacity{}) {
		return t.o.EngineWaiting >= 2*t.ready
	}
	return t.queued() > 0
}

// tooMuch learns from load that piled up a backlog before anything else called
// for more replicas: the work of the short window is what they could not do.
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

// least is what the capacity is never learned below: half of what was seen, or
// of what is given where nothing was. A fault that has nothing to do with load
// must not grow the fleet without end.
func (t *turn) least() float64 {
	if seen := t.s.Learned.Limit; seen > 0 {
		return seen / 2
	}
	if t.p.Capacity != (Capacity{}) {
		return 0.5
	}
	return 0
}

// most is what the capacity is never guessed above: what saturated replicas
// were seen to do, or what is given where none was.
func (t *turn) most() float64 {
	if seen := t.s.Learned.Limit; seen > 0 {
		return seen
	}
	if t.p.Capacity != (Capacity{}) {
		return 1
	}
	return math.Inf(1)
}

// towards moves v to x by gain, or all the way when it was not known.
func (l *Learned) towards(v *float64, x, gain float64) {
	if *v == 0 {
		gain = 1
	}
	*v += gain * (x - *v)
}
