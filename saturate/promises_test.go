package saturate_test

import (
	"testing"
	"time"

	"weir"
	"weir/engine"
	"weir/saturate"
)

// Promises in the package's comments, seen from outside. internal/mutants has a
// wrong change for each.

func llama(t *testing.T) engine.Spec {
	t.Helper()
	spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// An answer of two tokens has one time between tokens, which is a decode step.
func TestTheFirstTokenIsNoTimePerToken(t *testing.T) {
	spec := llama(t)
	step := spec.Speed.Step(engine.Batch{Decode: 1}).Of(11).Duration()
	for _, c := range []struct {
		tpot  time.Duration
		meets bool
	}{{step * 95 / 100, false}, {step * 2, true}} {
		most, err := saturate.Of(spec, saturate.Load{Prompt: 10, Output: 2, SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: c.tpot}})
		if err != nil || (most.Rate > 0) != c.meets {
			t.Errorf("a step takes %v, %v a token are allowed: %v requests a second, %v", step, c.tpot, most.Rate, err)
		}
	}
}

// The answer is within 1 % of the highest rate: slightly above that the goal is
// missed.
func TestTheRateIsFoundToAHundredth(t *testing.T) {
	for _, l := range []saturate.Load{
		{Prompt: 1000, Output: 200, SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 100 * time.Millisecond}},
		{Prompt: 500, Output: 100, SLO: weir.SLO{TTFT: time.Second, TPOT: 50 * time.Millisecond}},
		{Prompt: 2000, Output: 50, SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 80 * time.Millisecond}},
	} {
		most, err := saturate.Of(llama(t), l)
		if err != nil {
			t.Fatal(err)
		}
		if share, err := saturate.Attained(llama(t), l, 1.012*most.Rate); err != nil || share >= saturate.DefaultGoal {
			t.Errorf("%+v: %.4g requests a second, and %.4f attained at 1.012 times that, %v", l, most.Rate, share, err)
		}
	}
}

// While the batch fills, everything is in time. That says nothing about the
// steady state, and does not count.
func TestTheTimeInWhichTheBatchFillsDoesNotCount(t *testing.T) {
	spec := llama(t)
	l := saturate.Load{Prompt: 1000, Output: 200, SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 100 * time.Millisecond}}
	most, err := saturate.Of(spec, l)
	if err != nil {
		t.Fatal(err)
	}
	share, err := saturate.Attained(spec, l, 2*most.Rate)
	if err != nil || share > 0.01 {
		t.Errorf("at twice the rate %.3f attain the SLO, %v", share, err)
	}
}

// Of prompts with an exponential length those longer than an idle replica reads
// in time are out of reach: e to the minus length over mean.
func TestTheShareOutOfReachIsThatOfThePromptsTooLong(t *testing.T) {
	share := func(ttft time.Duration) float64 {
		most, err := saturate.Of(llama(t), saturate.Load{Prompt: 4000, Output: 50, SLO: weir.SLO{TTFT: ttft, TPOT: 100 * time.Millisecond}})
		if err != nil {
			t.Fatal(err)
		}
		return most.OutOfReach
	}
	if far, near := share(20*time.Second), share(400*time.Millisecond); far != 0 || near < 0.02 || near > 0.6 {
		t.Errorf("%.3f are out of reach of 20 s, %.3f of 400 ms", far, near)
	}
}
