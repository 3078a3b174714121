package sim

import (
	"testing"
	"time"

	"weir"
	"weir/scale"
	"weir/trace"
)

// A tenth of the requests have a prompt that takes an idle replica longer than
// the SLO allows. More replicas would not help them: the fleet is that for the others. And
// the result says which they are.
func TestNoReplicasAreAddedForWhatNoReplicaDoesInTime(t *testing.T) {
	f := func(slo time.Duration) *Result {
		var src trace.Slice
		for i := range 12_000 {
			prompt := 1000
			if i%10 == 9 {
				prompt = 12_000 // 1.2 s
			}
			src = append(src, trace.Arrival{At: time.Duration(i) * 500 * time.Millisecond, Prompt: prompt, Output: 10})
		}
		own := ownFleet(1)
		own.Own.Decide, own.Own.Policy = nil, scale.Policy{
			Min: 1, Max: 20, SLO: weir.SLO{TTFT: slo, TPOT: 50 * time.Millisecond}, Capacity: scale.Capacity{Prefill: 10_000, Decode: 1000},
		}
		c := config(&src, own)
		c.SLO.TTFT = slo
		return run(t, c)
	}
	loose, tight := f(2*time.Second), f(time.Second)
	if tight.OutOfReach != 1200 || tight.Reachable < 0.985 || tight.Attainment > 0.9 {
		t.Errorf("%d are out of reach, %.4f of the others attain, %.4f of all", tight.OutOfReach, tight.Reachable, tight.Attainment)
	}
	if a, b := loose.GPU.Allocated, tight.GPU.Allocated; b > a*3/2 {
		t.Errorf("%v of GPU time for 1 s, %v for 2 s", b, a)
	}
	if loose.OutOfReach != 0 || loose.Reachable != loose.Attainment {
		t.Errorf("nothing is out of reach of 2 s: %d, %v of %v", loose.OutOfReach, loose.Reachable, loose.Attainment)
	}
}
