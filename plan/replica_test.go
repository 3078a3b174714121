package plan

import (
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
		r, err := sustains(spec, 1000, 200, weir.SLO{TTFT: ttft, TPOT: tpot})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	loose, tight := rate(2*time.Second, 100*time.Millisecond), rate(300*time.Millisecond, 15*time.Millisecond)
	if !(loose > tight && tight > 0) {
		t.Errorf("loose %v, tight %v requests a second", loose, tight)
	}
	if none := rate(time.Microsecond, 0); none != 0 {
		t.Errorf("%v requests a second within a microsecond", none)
	}
}

// A model so small that no trial is long enough to overload it ends all the
// same.
func TestARateBeyondWhatATrialCanShowIsBounded(t *testing.T) {
	spec, err := engine.Lookup("H100-80GB", "Qwen3-0.6B", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	slo := weir.SLO{TTFT: 20 * time.Second, TPOT: time.Second}
	rate, err := sustains(spec, 1, 1, slo)
	if err != nil || !(rate > 10 && rate <= maxTrial/(30*slo.TTFT.Seconds())) {
		t.Errorf("%v requests a second, %v", rate, err)
	}
}
