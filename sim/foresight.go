package sim

import (
	"sort"
	"time"

	"weir"
	"weir/scale"
	"weir/trace"
)

// Foresee lets a decider see the arrivals of the next lead as if they had come
// already: the totals of arrivals it is given are those of lead later. What a
// policy loses against the clairvoyant schedule with this is its control; what
// it gains by this is what its forecast fails to see.
//
// The arrivals are those of the trace that began at start. Answers yet to come
// are as long as the gateway expects those that came, in proportion to what they
// turn out to be: only time is foreseen. The decider is for one run: what it has
// told must not shrink, so it keeps that beside the State.
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
