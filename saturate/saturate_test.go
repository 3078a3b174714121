package saturate

import (
	"errors"
	"testing"
	"time"

	"weir"
	"weir/engine"
)

func TestAReplicaSustainsLessUnderATighterSLO(t *testing.T) {
	spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	rate := func(ttft, tpot time.Duration) float64 {
		r, err := Of(spec, Load{Prompt: 1000, Output: 200, SLO: weir.SLO{TTFT: ttft, TPOT: tpot}})
		if err != nil {
			t.Fatal(err)
		}
		return r.Rate
	}
	loose, tight := rate(2*time.Second, 100*time.Millisecond), rate(300*time.Millisecond, 15*time.Millisecond)
	if !(loose > tight && tight > 0) {
		t.Errorf("loose %v, tight %v requests a second", loose, tight)
	}
	if none := rate(time.Microsecond, 0); none != 0 {
		t.Errorf("%v requests a second within a microsecond", none)
	}
}

// With a model so small that no probe is long enough to overload it, the search
// still ends.
func TestARateBeyondWhatAProbeCanShowIsBounded(t *testing.T) {
	spec, err := engine.Lookup("H100-80GB", "Qwen3-0.6B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	slo := weir.SLO{TTFT: 20 * time.Second, TPOT: time.Second}
	most, err := Of(spec, Load{Prompt: 1, Output: 1, SLO: slo})
	if err != nil || !(most.Rate > 10 && most.Rate <= maxProbe/(30*slo.TTFT.Seconds())) {
		t.Errorf("%v requests a second, %v", most, err)
	}
}

// The found rate meets the goal, a rate a few per cent above misses it, and the
// figures agree with each other.
func TestTheFoundRateIsTheHighest(t *testing.T) {
	for _, goal := range []float64{0, 0.9} {
		spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
		if err != nil {
			t.Fatal(err)
		}
		l := Load{Prompt: 1000, Output: 200, SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 100 * time.Millisecond}, Goal: goal}
		most, err := Of(spec, l)
		if err != nil {
			t.Fatal(err)
		}
		at := func(rate float64) float64 {
			share, err := Attained(spec, l, rate)
			if err != nil {
				t.Fatal(err)
			}
			return share
		}
		want := max(goal, DefaultGoal)
		if goal == 0.9 {
			want = 0.9
		}
		if have := at(most.Rate); have < want {
			t.Errorf("goal %v: %.4f attained at %.4g/s", want, have, most.Rate)
		}
		if have := at(1.2 * most.Rate); have >= want {
			t.Errorf("goal %v: %.4f attained at 1.2 times %.4g/s", want, have, most.Rate)
		}
		if most.InFlight < most.Rate || !(most.Busy > 0.8 && most.Busy <= 1) {
			t.Errorf("have %+v", most)
		}
	}
}

func TestALoadThatCannotBeAnswered(t *testing.T) {
	spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	ok := Load{Prompt: 1000, Output: 200, SLO: weir.SLO{TTFT: time.Second}}
	for _, change := range []func(*Load){
		func(l *Load) { l.SLO.TTFT = 0 }, func(l *Load) { l.SLO.TPOT = -1 }, func(l *Load) { l.Prompt = -1 },
		func(l *Load) { l.Output = -1 }, func(l *Load) { l.Goal = 1.1 }, func(l *Load) { l.Goal = -1 },
	} {
		l := ok
		change(&l)
		if _, err := Of(spec, l); !errors.Is(err, ErrLoad) {
			t.Errorf("%+v: %v", l, err)
		}
	}
	if _, err := Of(spec, Load{Prompt: 10_000_000, Output: 1, SLO: ok.SLO}); err == nil {
		t.Error("ten million tokens fit a replica")
	}
}

// A third of all prompts is too long for an idle replica to read in time: they
// count for nothing, and the others are served.
func TestWhatNoReplicaServesInTimeCountsForNothing(t *testing.T) {
	spec, err := engine.Lookup("H100-80GB", "Llama-3.1-8B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	l := Load{Prompt: 8000, Output: 50, SLO: weir.SLO{TTFT: time.Second, TPOT: 100 * time.Millisecond}}
	if longest := l.longest(spec); longest < l.Prompt || longest > 8*l.Prompt {
		t.Errorf("prompts up to %d tokens are in time", longest)
	}
	if most, err := Of(spec, l); err != nil || !(most.Rate > 0.1) {
		t.Errorf("have %+v, %v", most, err)
	}
}
