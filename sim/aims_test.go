package sim

import (
	"math/rand/v2"
	"testing"
	"time"

	"weir"
	"weir/scale"
	"weir/trace"
)

// A higher scaling.attainment attains more and costs more, also where replicas
// run out of slots long before they run out of work. The whole traces are swept
// by: bench/sim -policy "weir, swept".
func TestEveryAimMovesCostAndAttainment(t *testing.T) {
	for name, of := range map[string]struct {
		prompt, output, slots int
		rate                  float64
	}{
		"slots": {200, 120, 4, 3}, "prompts": {2500, 4, 16, 7},
	} {
		var cost, share []float64
		for _, aim := range []float64{0.5, 0.95, 0.999} {
			rng := rand.New(rand.NewPCG(1, 2))
			src, err := trace.Gamma(of.rate, 1, 90*time.Minute, rng, func(rng *rand.Rand) (int, int) {
				return 1 + int(rng.ExpFloat64()*float64(of.prompt)), 1 + int(rng.ExpFloat64()*float64(of.output))
			})
			if err != nil {
				t.Fatal(err)
			}
			own := ownFleet(4)
			own.MaxRequests, own.Own.Decide = of.slots, nil
			own.Own.Policy = scale.Policy{Min: 1, Max: 30, MaxConcurrency: of.slots, Attainment: aim, ColdStart: 30 * time.Second,
				SLO: weir.SLO{TTFT: time.Second, TPOT: 50 * time.Millisecond}, Capacity: scale.Capacity{Prefill: 10_000, Decode: 1000}}
			r := run(t, config(src, own))
			cost, share = append(cost, r.GPU.Allocated.Hours()), append(share, r.Attainment)
		}
		for i := 1; i < len(cost); i++ {
			if cost[i] < 0.97*cost[i-1] || share[i] < share[i-1]-0.01 { // chance
				t.Errorf("%s: aims from 50 to 99.9 %% cost %.1f GPU-h and attain %.3f", name, cost, share)
				break
			}
		}
		if last := len(cost) - 1; cost[last] < 1.1*cost[0] {
			t.Errorf("%s: the aim does nothing: %.1f GPU-h, %.3f", name, cost, share)
		}
	}
}
