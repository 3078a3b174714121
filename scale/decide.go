package scale

import (
	"fmt"
	"math"
	"time"

	"weir"
)

// turn is one call of Decide: its input, its intermediate results and the
// resulting chain.
type turn struct {
	p *Policy
	s *State // the next one
	o *Observation

	// Numbers of replicas, in units.
	starting, ready, draining, late int
	have                            int // starting plus ready

	rates rates
	stale bool
	fresh bool // first step, or the first after a gap
	idle  bool // no request is in flight or waits, and none arrived since the last step
	cold  time.Duration

	n       int     // the number so far
	asked   int     // requested by the load: signals, forecast and backlog
	exact   float64 // requested by the signals, before rounding up
	wanted  int     // n before holds and bounds
	extra   int     // of wanted: requested by the backlog only
	reasons []Reason
}

// rules is the chain: every step may move t.n.
var rules = [...]func(*turn){
	(*turn).demand,
	(*turn).forecast,
	(*turn).decode,
	(*turn).backlog,
	(*turn).schedule,
	(*turn).wantedSoFar,
	(*turn).holdRestart,
	(*turn).holdWindow,
	(*turn).holdBreakEven,
	(*turn).holdTooFew,
	(*turn).holdRising,
	(*turn).holdProjection,
	(*turn).holdZero,
	(*turn).replaceLate,
	(*turn).atLeastMin,
	(*turn).withinBudget,
	(*turn).atMostMax,
	(*turn).withinQuota,
	(*turn).withinStock,
}

func decide(p Policy, s State, o Observation) (Decision, State) {
	p.Capacity = p.capacity(&s.Answers)
	s.Reach.saw(&o)
	o.Missed -= min(o.OutOfReach, o.Missed) // from here on: those that more replicas could have served in time
	t := turn{p: &p, s: &s, o: &o, reasons: make([]Reason, 0, 4)}
	t.observe()
	t.n = t.have
	for _, rule := range rules {
		rule(&t)
	}
	t.conclude()
	d := Decision{Have: t.have, Wanted: t.wanted, Want: t.n, Reasons: t.reasons}
	if t.n < t.have {
		d.Victims = victims(&o, t.have-t.n)
	}
	return d, s
}

// observe counts the replicas and updates the state.
func (t *turn) observe() {
	s, o := t.s, t.o
	t.fresh = s.Now == 0 || o.Now < s.Now || o.Now.Sub(s.Now) > gapAfter
	if t.fresh {
		s.Started, s.Samples, s.GPU = o.Now, nil, Sustained{}
	}
	s.sawStarts(o)
	t.cold = s.coldStart(t.p, 0.9)
	t.count()
	t.stale = o.SignalAge > t.p.StaleAfter
	if t.stale {
		return
	}
	s.remember(o)
	t.rates = t.rateNow()
	t.active()
	t.s.Answers.saw(o)
	t.s.Chance.saw(t)
	t.learn()
	t.adjust()
	t.foresee()
}

func (t *turn) count() {
	patience := 3*t.cold + 30*time.Second
	known := len(t.s.Cold) >= 3 // otherwise the policy's guess may be wrong
	for i := range t.o.Replicas {
		switch r := &t.o.Replicas[i]; r.State {
		case weir.Starting:
			t.starting += r.Size()
			if known && t.o.Now.Sub(r.Asked) > patience && t.o.Now > r.ReadyAt {
				t.late += r.Size()
			}
		case weir.Ready:
			t.ready += r.Size()
		case weir.Draining:
			t.draining += r.Size()
		}
	}
	t.have = t.starting + t.ready
}

// conclude leaves the state for the next step.
func (t *turn) conclude() {
	t.s.regret(t)
	t.weigh()
	t.tooMuch()
	t.s.Now, t.s.Want = t.o.Now, t.n
}

// wantedSoFar notes the number that demand, forecast and calendar ask for, and
// remembers it for the holds.
func (t *turn) wantedSoFar() {
	t.wanted = t.n
	s, now := t.s, t.o.Now
	if t.fresh {
		n := max(t.n, t.have)
		s.Peaks, s.Steady = []Peak{{At: now, N: n}}, []Peak{{At: now, N: n}}
		return
	}
	// While idle the signals show only past load. It was noted when the last
	// request was there.
	if !t.stale && (!t.idle || t.n > t.asked) {
		steady := Peak{At: now, N: t.n - t.extra}
		if n := t.nearly(); n > steady.N {
			steady.N, steady.Near = n, true
		}
		s.Peaks, s.Steady = needed(s.Peaks, Peak{At: now, N: t.n}), needed(s.Steady, steady)
	}
	s.Peaks = within(s.Peaks, now, t.breakEven())
	s.Steady = within(s.Steady, now, t.p.ScaleInAfter)
}

// to moves the number to n, for a reason. A rule that moves nothing leaves no
// reason, except the first: a decision always states the demand.
func (t *turn) to(rule Rule, n int, format string, args ...any) {
	if n == t.n && len(t.reasons) > 0 {
		return
	}
	t.reasons = append(t.reasons, Reason{Rule: rule, From: t.n, To: n, Note: fmt.Sprintf(format, args...)})
	t.n = n
}

// raise is to if n is above the number so far.
func (t *turn) raise(rule Rule, n int, format string, args ...any) {
	if n > t.n {
		t.to(rule, n, format, args...)
	}
}

// lower is to if n is below the number so far.
func (t *turn) lower(rule Rule, n int, format string, args ...any) {
	if n < t.n {
		t.to(rule, n, format, args...)
	}
}

// Whole returns x rounded up to whole replicas, with a tiny tolerance.
func Whole(x float64) int {
	switch {
	case !(x > 0):
		return 0
	case x > maxReplicas:
		return maxReplicas
	}
	return int(math.Ceil(x - 1e-9))
}
