package scale

import (
	"fmt"
	"math"
	"time"

	"weir"
)

// need is one signal's request.
type need struct {
	rule     Rule
	replicas float64 // before rounding up
	note     func() string
}

// signals are evaluated in this order. The first of those that ask for the most
// gives the reason.
var signals = [...]func(*turn) (need, bool){
	(*turn).requests,
	(*turn).concurrency,
	(*turn).queue,
	(*turn).gpu,
	(*turn).capacity,
	(*turn).slots,
}

// demand takes the most that any signal asks for. Without a signal, or with
// stale ones, the present number stays.
func (t *turn) demand() {
	if t.stale {
		t.to(RuleStale, t.have, "signals are %s old, more than %v: holding", above(t.o.SignalAge, t.p.StaleAfter), t.p.StaleAfter)
		return
	}
	if t.over() {
		t.to(RuleZero, 0, "no request for %s; scaling to zero after %v without one", t.unused().Round(time.Second), t.p.ZeroAfter)
		return
	}
	var most need
	for _, signal := range signals {
		if n, ok := signal(t); ok && (most.note == nil || n.replicas > most.replicas) {
			most = n
		}
	}
	if most.note == nil {
		t.to(RuleHold, t.have, "no signal yet: holding")
		return
	}
	if most.rule != RuleGPU && most.rule != RuleQueue { // these two count whole replicas
		t.exact = most.replicas
	}
	t.to(most.rule, Whole(most.replicas), "%s%s", most.note(), t.s.Reach.note())
}

// requests compares the rate with its target.
func (t *turn) requests() (need, bool) {
	rate, target := t.rates.requests, t.p.TargetRequests
	return need{RuleRequests, rate / target, func() string {
		return fmt.Sprintf("%.3g requests/s%s, target %.3g per replica", rate, t.surging(), target)
	}}, target > 0 && t.rates.known
}

func (t *turn) surging() string {
	if t.rates.surge {
		return " (surge)"
	}
	return ""
}

// concurrency compares the requests in flight with their target. Full replicas
// hide part of the demand, and replicas that work off a queue show more than
// the demand. While requests wait, the signal is therefore the number of
// arrivals during one request's stay (Little's law). The waiting requests
// themselves are the backlog's concern, unless no replica is ready.
func (t *turn) concurrency() (need, bool) {
	target := t.p.TargetConcurrency
	if target == 0 && !t.p.hasTarget() && t.s.Learned.Confidence() < trusted {
		target = t.p.UsualConcurrency()
	}
	load := t.flying()
	return need{RuleConcurrency, load / target, func() string {
		return fmt.Sprintf("%.3g requests in flight without a queue%s, target %.3g per replica", load, t.surging(), target)
	}}, target > 0
}

// flying returns how many requests would be in flight without a queue.
func (t *turn) flying() float64 {
	r := t.rates
	switch {
	case t.ready == 0:
		return r.flying + float64(t.queued())
	case t.queued() > 0 && r.completed > 0:
		return r.flying * r.requests / r.completed
	}
	return r.flying
}

func (p *Policy) hasTarget() bool {
	return p.TargetRequests > 0 || p.TargetConcurrency > 0 || p.TargetQueue > 0 || p.GPU.High > 0
}

// UsualConcurrency is the assumed good load of a replica when the target is
// unknown: 70 % of its admissions, or of 32.
func (p *Policy) UsualConcurrency() float64 {
	if p.MaxConcurrency > 0 {
		return 0.7 * float64(p.MaxConcurrency)
	}
	return 0.7 * 32
}

// queue compares the waiting requests with their target. An empty queue does
// not show how busy the replicas are. Scale-in is left to the projection.
func (t *turn) queue() (need, bool) {
	waiting, target := t.queued(), t.p.TargetQueue
	return need{RuleQueue, float64(waiting) / target, func() string {
		return fmt.Sprintf("%d requests queued, target %.3g per replica", waiting, target)
	}}, target > 0
}

// queued counts requests at the gateway and, where reported, in engines.
func (t *turn) queued() int { return t.o.Waiting + max(0, t.o.EngineWaiting) }

// Sustained is a level over time: an exponential mean over the time it must
// last.
type Sustained struct {
	Ready int          `json:"ready"` // number of replicas behind the mean; another number starts a new mean
	Since weir.Instant `json:"since"` // when it began
	At    weir.Instant `json:"at"`    // last update
	Mean  float64      `json:"mean"`
}

// gpu asks for more when the utilisation has been high for long enough, for one
// less when it has been low, and otherwise for the ready replicas. It uses the
// mean over about that time: a single sample of a GPU that works in bursts can
// have any value. GPU utilisation says that the GPU was active, not how much of
// it was used. It is here because it is widely known, and best used beside
// another target.
func (t *turn) gpu() (need, bool) {
	use, p, s := t.o.GPUUtilisation, t.p.GPU, &t.s.GPU
	if p.High == 0 || use < 0 || t.ready == 0 {
		*s = Sustained{}
		return need{}, false
	}
	s.add(use, t.ready, t.o.Now, p.Sustain)
	n, lasted := float64(t.ready), t.o.Now.Sub(s.Since)
	switch enough := lasted >= p.Sustain; {
	case enough && s.Mean > p.High:
		n = max(n*s.Mean/p.High, n+1)
	case enough && s.Mean < p.Low:
		n--
	}
	return need{RuleGPU, n, func() string {
		return fmt.Sprintf("utilisation of %s is %s over %s, %s", count(t.ready, "replica", "replicas"),
			percentBeside(s.Mean, p.Low, p.High), lasting(lasted, p.Sustain), besideBand(s.Mean, p.Low, p.High))
	}}, true
}

func (s *Sustained) add(level float64, ready int, now weir.Instant, over time.Duration) {
	if s.Ready != ready || s.Since == 0 {
		*s = Sustained{Ready: ready, Since: now, At: now, Mean: level}
		return
	}
	weight := 1.0
	if over > 0 {
		weight = -math.Expm1(-now.Sub(s.At).Seconds() / over.Seconds())
	}
	s.Mean += weight * (level - s.Mean)
	s.At = now
}
