package scale_test

import (
	"strings"
	"testing"
	"time"

	"weir/scale"
)

// Misses that no number of replicas avoids leave the headroom where it would be
// without them; others raise it. The decision says how many there are.
func TestWhatIsOutOfReachRaisesNothing(t *testing.T) {
	learned := func(outOfReach bool) (float64, string) {
		var s scale.State
		var d scale.Decision
		for i := range 3600 {
			o := served(time.Duration(i) * 4 * time.Second)
			n := uint64(i) * 100
			o.Arrived, o.ArrivedPrompt, o.Completed, o.DonePrompt = n, 100*n, n, 100*n
			o.Missed = n * 60 / 1000 // 6 %
			o.Attained = n - o.Missed
			if outOfReach {
				o.OutOfReach = o.Missed
			}
			d, s = scale.Decide(profiled, s, o)
		}
		return s.Safety.Margin, d.Reasons.String()
	}
	with, said := learned(true)
	if with > 0 || !strings.Contains(said, "; 6 % of requests miss the SLO at any number of replicas") {
		t.Errorf("a margin of %.2f, because %s", with, said)
	}
	if without, said := learned(false); without < 4 || strings.Contains(said, "at any number") {
		t.Errorf("the same misses, which more replicas may avoid: a margin of %.2f, because %s", without, said)
	}
}
