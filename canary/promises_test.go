package canary_test

import (
	"testing"
	"time"

	"weir"
	"weir/canary"
)

// Promises of the package's comments that its trials do not test, from outside.
// internal/mutants has a wrong change for each.

const begun = weir.Instant(time.Hour)

// observe counts n outcomes of an arm, and says whether a step ended.
func observe(s *canary.State, p canary.Plan, now weir.Instant, arm canary.Arm, n int, o canary.Outcome) (changed bool) {
	o.Granted = now
	for range n {
		_, ended := s.Observe(p, now, arm, o)
		changed = changed || ended
	}
	return changed
}

func TestAStepLastsAsLongAsItMust(t *testing.T) {
	p := canary.Plan{Steps: []int{100, 5000}, MinRequests: 3, MinTime: time.Minute, Trial: "a"}
	s := canary.Begin(p, canary.State{}, begun)
	if observe(&s, p, begun.Add(time.Minute-1), canary.Canary, 10, canary.Outcome{}) {
		t.Error("a step ended a nanosecond before its time")
	}
	if !observe(&s, p, begun.Add(time.Minute), canary.Canary, 1, canary.Outcome{}) {
		t.Error("it did not end in time")
	}
}

// A canary that looks worse, but not significantly, stays at its step: it gets
// no more until that is settled.
func TestACanaryInDoubtGetsNoMore(t *testing.T) {
	p := canary.Plan{Steps: []int{5000, canary.Whole}, MinRequests: 1, MinTime: 1, FalseAlarm: 0.001, Trial: "a"}
	s := canary.Begin(p, canary.State{}, begun)
	s.Observe(p, begun, canary.Stable, canary.Outcome{Granted: begun})
	doubtful := 0
	for i := range 400 {
		now := begun // no step ends before the time has moved
		observe(&s, p, now, canary.Stable, 3, canary.Outcome{})
		observe(&s, p, now, canary.Canary, 3, canary.Outcome{Failed: i%2 == 0})
		f := s.Figures(p)
		evidence := f.Measures[0].Evidence
		if s.Phase != canary.Stepping {
			break
		}
		if evidence*evidence > 1.1*f.Threshold {
			doubtful++
			later := s // at this point, were it time
			if observe(&later, p, now.Add(time.Second), canary.Stable, 1, canary.Outcome{}) {
				t.Fatalf("with evidence of %.3g against %.3g it gets %d of the traffic", evidence, f.Threshold, later.Share(p))
			}
		}
	}
	if doubtful == 0 {
		t.Error("it was never in doubt")
	}
	if s.Phase != canary.SteppedBack {
		t.Errorf("it is %s", s.Phase)
	}
}

// Three measures at each step with stable traffic to compare with.
func TestFalseAlarmsAreDividedAmongMeasuresAndSteps(t *testing.T) {
	for _, c := range []struct {
		steps []int
		alarm float64
		want  float64
	}{
		{[]int{5000}, 0.1, 30},
		{[]int{500, 2000, 5000}, 0.1, 90},
		{[]int{500, 2000, 5000, canary.Whole}, 0.1, 90},
		{[]int{canary.Whole}, 0.1, 30},
		{[]int{500, canary.Whole}, 0, 300},
	} {
		var s canary.State
		if got := s.Figures(canary.Plan{Steps: c.steps, FalseAlarm: c.alarm}).Threshold; got < c.want*(1-1e-9) || got > c.want*(1+1e-9) {
			t.Errorf("steps %v, false alarms %v: evidence of %v is asked for, want %v", c.steps, c.alarm, got, c.want)
		}
	}
}

func TestSlowIsJudgedByTheStableVersionsTimesAlone(t *testing.T) {
	p := canary.Plan{Steps: []int{5000}, Trial: "a"}
	s := canary.Begin(p, canary.State{}, begun)
	slow := func() float64 { return s.Figures(p).Measures[1].Canary }
	observe(&s, p, begun, canary.Canary, 200, canary.Outcome{TTFT: time.Second})
	observe(&s, p, begun, canary.Stable, 31, canary.Outcome{TTFT: 100 * time.Millisecond})
	observe(&s, p, begun, canary.Canary, 1, canary.Outcome{TTFT: time.Second})
	if slow() != 0 {
		t.Error("31 times of the stable version say what is slow, want 32")
	}
	observe(&s, p, begun, canary.Stable, 40, canary.Outcome{TTFT: 100 * time.Millisecond})
	observe(&s, p, begun, canary.Canary, 10, canary.Outcome{TTFT: time.Second})
	if slow() != 1 {
		t.Errorf("%v of the canary's are slow, ten times the stable version's: want all", slow())
	}
}

// The stable version's times become ten times as long while a block is open: what
// was slow when it was opened still is.
func TestWhatIsSlowStaysInsideABlock(t *testing.T) {
	p := canary.Plan{Steps: []int{5000}, Trial: "a"}
	s := canary.Begin(p, canary.State{}, begun)
	observe(&s, p, begun, canary.Stable, 40, canary.Outcome{TTFT: 100 * time.Millisecond})
	observe(&s, p, begun, canary.Canary, 1, canary.Outcome{TTFT: time.Second})
	observe(&s, p, begun, canary.Stable, 200, canary.Outcome{TTFT: 10 * time.Second})
	observe(&s, p, begun, canary.Canary, 1, canary.Outcome{TTFT: time.Second})
	if slow := s.Figures(p).Measures[1].Canary; slow != 1 {
		t.Errorf("%v of the canary's two times are slow, want both", slow)
	}
}

func TestEvidenceOfOneStepIsNoneInTheNext(t *testing.T) {
	p := canary.Plan{Steps: []int{100, 5000}, MinRequests: 6, MinTime: time.Minute, Trial: "a"}
	s := canary.Begin(p, canary.State{}, begun)
	observe(&s, p, begun, canary.Stable, 6, canary.Outcome{})
	observe(&s, p, begun, canary.Canary, 1, canary.Outcome{Failed: true})
	observe(&s, p, begun, canary.Canary, 8, canary.Outcome{})
	if e := s.Figures(p).Measures[0].Evidence; e <= 1 {
		t.Fatalf("a failure is evidence of %v", e)
	}
	if !observe(&s, p, begun.Add(time.Minute), canary.Stable, 1, canary.Outcome{}) {
		t.Fatal("no step forward")
	}
	if e := s.Figures(p).Measures[0].Evidence; e != 1 {
		t.Errorf("the next step begins with evidence of %v, want 1", e)
	}
}
