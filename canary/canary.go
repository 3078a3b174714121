// Package canary decides how much of the traffic a new version of a deployment
// gets. It starts with a small share, gives more while the canary is no worse
// than the stable version beside it, and gives none once it is significantly
// worse.
//
// Its input is the result of each attempt at either version. Its state is a
// value that can be stored and restored. It knows no routing and no clock: it
// returns a share, and its owner routes the traffic. It is separate from
// dispatch because a trial outlives every request, reload and restart.
//
//   - canary.go: the steps of a trial.
//   - evidence.go: the test, valid at any number of requests.
//   - window.go: the limits of fast and slow, from the stable version's last attempts.
package canary

import (
	"errors"
	"fmt"
	"math"
	"time"

	"weir"
)

// Whole is all of the traffic, in the unit of Plan.Steps.
const Whole = 10_000

// Plan is the course of a trial.
type Plan struct {
	// Steps are the canary's shares of the traffic, in order, in hundredths of
	// a per cent, ascending. If the last is Whole the trial ends there.
	// Otherwise the canary stays at it and is compared further.
	Steps []int
	// MinRequests is the least number of attempts at the canary in a step; 0:
	// 200.
	MinRequests int
	// MinTime is the least duration of a step; 0: 5 min.
	MinTime time.Duration
	// FalseAlarm bounds the probability that a canary no worse than the stable
	// version is stepped back, over all steps together; 0: 0.01.
	FalseAlarm float64
	// Slower is how much slower a canary may be and still count as no worse, as
	// a fraction of the stable version's times.
	Slower float64
	// Trial names the version on trial. Another name begins another trial.
	Trial string
}

// MaxSteps bounds a Plan.
const MaxSteps = 20

// Validate returns every fault of p, joined.
func (p Plan) Validate() error {
	var faults []error
	bad := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(p.Steps) == 0 || len(p.Steps) > MaxSteps {
		bad("%d steps; a canary has 1 to %d", len(p.Steps), MaxSteps)
	}
	last := 0
	for _, s := range p.Steps {
		if s <= last || s > Whole {
			bad("step of %s; steps must rise, to 100%% at most", percent(s))
		}
		last = s
	}
	if p.MinRequests < 0 || p.MinTime < 0 {
		bad("min_requests %d and min_time %v must not be negative; 0 means the default", p.MinRequests, p.MinTime)
	}
	if p.FalseAlarm < 0 || p.FalseAlarm > 0.5 || math.IsNaN(p.FalseAlarm) {
		bad("false_alarm %v; must be 0 to 0.5, 0 means the default", p.FalseAlarm)
	}
	if p.Slower < 0 || p.Slower > 10 || math.IsNaN(p.Slower) {
		bad("slower %v; must be 0 to 10", p.Slower)
	}
	return errors.Join(faults...)
}

func (p Plan) withDefaults() Plan {
	if p.MinRequests == 0 {
		p.MinRequests = 200
	}
	if p.MinTime == 0 {
		p.MinTime = 5 * time.Minute
	}
	if p.FalseAlarm == 0 {
		p.FalseAlarm = 0.01
	}
	return p
}

// threshold is the evidence at which the canary is stepped back. Each measure
// of each step that compares has an equal part of FalseAlarm (Bonferroni).
func (p Plan) threshold() float64 {
	compared := len(p.Steps)
	if p.Steps[compared-1] == Whole {
		compared-- // no stable traffic is left to compare with
	}
	return float64(measures) * float64(max(compared, 1)) / p.FalseAlarm
}

// Phase is the phase of a trial.
type Phase string

const (
	Stepping    Phase = "stepping"     // at a step, in comparison
	Promoted    Phase = "promoted"     // it has all of the traffic
	SteppedBack Phase = "stepped_back" // it was significantly worse and gets nothing
)

// Arm is one of the two versions.
type Arm uint8

const (
	Stable Arm = iota
	Canary
	arms
)

// Outcome is the result of one attempt.
type Outcome struct {
	Granted weir.Instant  // when it was sent
	Failed  bool          // by the version's own fault; not by throttling or a disconnected caller
	TTFT    time.Duration // from Granted to the first token; 0: unknown
	TPOT    time.Duration // per token after it; 0: unknown
}

// State is the state of a trial. It holds no references: a copy is independent.
// The zero State has not begun.
type State struct {
	Trial    string           `json:"trial"`
	Phase    Phase            `json:"phase"`
	Step     int              `json:"step"` // index into Plan.Steps
	Began    weir.Instant     `json:"began"`
	Since    weir.Instant     `json:"since"`    // when Step or the final phase began
	Requests [arms]int        `json:"requests"` // attempts measured in this step, by Arm
	Tests    [measures]test   `json:"tests"`
	Windows  [measures]window `json:"windows"`       // of the stable version; errors have none
	Why      string           `json:"why,omitempty"` // the measure that was worse
}

// Begin returns the state of a trial at its first step, or s if it is a valid
// state of the same trial under the plan's steps.
func Begin(p Plan, s State, now weir.Instant) State {
	if s.Trial == p.Trial && s.Phase != "" && s.Step >= 0 && s.Step < len(p.Steps) && s.Since <= now {
		if s.Phase != Promoted || p.Steps[s.Step] == Whole {
			return s
		}
	}
	s = State{Trial: p.Trial, Phase: Stepping, Began: now, Since: now}
	if p.Steps[0] == Whole {
		s.Phase = Promoted
	}
	return s
}

// Share returns the canary's share of the traffic, in parts of Whole.
func (s *State) Share(p Plan) int {
	switch {
	case s.Phase == SteppedBack || s.Step >= len(p.Steps):
		return 0
	default:
		return p.Steps[s.Step]
	}
}

// Change is a step of a trial, with the figures behind it.
type Change struct {
	Phase    Phase
	From, To int // shares, in parts of Whole
	Why      string
	Figures  Figures // of the finished step
}

// Observe counts the result of one attempt at arm. It returns a Change when
// that ends a step, forward or back.
func (s *State) Observe(p Plan, now weir.Instant, arm Arm, o Outcome) (Change, bool) {
	// Attempts sent before the step began belong to other shares. Their late
	// results would be biased to the slow ones.
	if s.Phase != Stepping || o.Granted < s.Since || arm >= arms {
		return Change{}, false
	}
	p = p.withDefaults()
	s.Requests[arm]++
	s.Tests[errorRate].count(arm, 0, o.Failed)
	s.time(p, ttft, arm, o.TTFT)
	s.time(p, tpot, arm, o.TPOT)
	for m := range s.Tests {
		s.Tests[m].settle(m == errorRate)
	}
	return s.step(p, now)
}

// time counts an attempt's time in a measure as slow or not, by the stable
// version's quantiles before the present block.
func (s *State) time(p Plan, m int, arm Arm, took time.Duration) {
	if took <= 0 {
		return
	}
	t, w := &s.Tests[m], &s.Windows[m]
	if t.between() && w.known() {
		t.Cuts = w.cuts()
	}
	judged := took
	if arm == Canary {
		judged = time.Duration(float64(took) / (1 + p.Slower))
	}
	if t.Cuts[0] > 0 {
		for i, cut := range t.Cuts {
			t.count(arm, i, judged > cut)
		}
	}
	if arm == Stable {
		w.add(took)
	}
}

// step ends the present step when its conditions are met.
func (s *State) step(p Plan, now weir.Instant) (Change, bool) {
	limit := math.Log(p.threshold())
	doubt := false
	for m := range s.Tests {
		e := s.Tests[m].Log
		if e >= limit {
			return s.change(p, now, SteppedBack, names[m]), true
		}
		doubt = doubt || e > limit/2
	}
	last := s.Step == len(p.Steps)-1
	if last || doubt || s.Requests[Canary] < p.MinRequests || now.Sub(s.Since) < p.MinTime {
		return Change{}, false
	}
	next := Stepping
	if p.Steps[s.Step+1] == Whole {
		next = Promoted
	}
	return s.change(p, now, next, ""), true
}

func (s *State) change(p Plan, now weir.Instant, to Phase, why string) Change {
	c := Change{Phase: to, From: s.Share(p), Why: why, Figures: s.Figures(p)}
	s.Phase, s.Since, s.Why = to, now, why
	if to != SteppedBack {
		s.Step++
		s.Requests = [arms]int{}
		for m := range s.Tests {
			s.Tests[m].reset()
		}
	}
	c.To = s.Share(p)
	return c
}

// Figures is a step in numbers, for people.
type Figures struct {
	Requests  [2]int    // attempts, stable and canary
	Measures  []Measure // errors, ttft, tpot
	Threshold float64   // of evidence
}

// Measure is the result of one measure: the share of attempts that failed or
// took longer than the stable version's 90th percentile, for both versions, and
// how much more likely the observations are if the canary is worse.
type Measure struct {
	Name           string
	Stable, Canary float64 // shares, 0 to 1
	Evidence       float64
}

// Figures returns the present step in numbers.
func (s *State) Figures(p Plan) Figures {
	f := Figures{Requests: s.Requests, Threshold: p.withDefaults().threshold()}
	for m := range s.Tests {
		t := &s.Tests[m]
		last := cuts - 1
		if m == errorRate {
			last = 0
		}
		f.Measures = append(f.Measures, Measure{Name: names[m], Stable: t.Step[last][Stable].share(), Canary: t.Step[last][Canary].share(),
			Evidence: math.Exp(min(t.Log, 700))})
	}
	return f
}

func percent(share int) string { return fmt.Sprintf("%g%%", float64(share)/100) }
