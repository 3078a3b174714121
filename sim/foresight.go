package sim

import (
	"sort"
	"time"

	"weir"
	"weir/scale"
	"weir/trace"
)

// Foresee gives a decider the arrivals of the next lead in advance: its totals
// of arrivals are those of lead later. A policy's remaining loss against the
// clairvoyant schedule is its control; its gain is the part its forecast
// misses.
//
// The arrivals are those of the trace that began at start. Future answers have
// the length that the gateway expects of past ones, in proportion to the
// trace's lengths: only time is foreseen. The decider is for one run: its
// totals must not shrink, and it keeps them outside the State.
func Foresee(decide scale.Decider, arrivals []trace.Arrival, start weir.Instant, lead time.Duration) scale.Decider {
	type totals struct{ prompt, output uint64 }
	sums := make([]totals, len(arrivals)+1)
	for i, a := range arrivals {
		sums[i+1] = totals{sums[i].prompt + uint64(a.Prompt), sums[i].output + uint64(a.Output)}
	}
	by := func(at time.Duration) int {
		return sort.Search(len(arrivals), func(i int) bool { return arrivals[i].At > at })
	}
	told := uint64(0)
	return func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
		at := o.Now.Sub(start)
		have, n := by(at-o.SignalAge), by(at+lead)
		ahead := float64(sums[n].output - sums[have].output)
		if sums[have].output > 0 {
			ahead *= float64(o.ArrivedOutput) / float64(sums[have].output)
		}
		told = max(told, o.ArrivedOutput+uint64(ahead))
		o.Arrived, o.ArrivedPrompt, o.ArrivedOutput = uint64(n), sums[n].prompt, told
		return decide(s, o)
	}
}
