package sim

import (
	"sort"
	"time"

	"weir"
	"weir/scale"
	"weir/trace"
)

// Foresee lets a decider see the arrivals of the next lead, lengths of answers
// included, as if they had come already: the totals it is given are those of
// lead later. What a policy loses against the clairvoyant schedule with this is
// its control; what it gains by this is what its forecast fails to see. The
// arrivals are those of the trace that began at start.
func Foresee(decide scale.Decider, arrivals []trace.Arrival, start weir.Instant, lead time.Duration) scale.Decider {
	type totals struct{ prompt, output uint64 }
	sums := make([]totals, len(arrivals)+1)
	for i, a := range arrivals {
		sums[i+1] = totals{sums[i].prompt + uint64(a.Prompt), sums[i].output + uint64(a.Output)}
	}
	return func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
		until := o.Now.Sub(start) + lead
		n := sort.Search(len(arrivals), func(i int) bool { return arrivals[i].At > until })
		o.Arrived, o.ArrivedPrompt, o.ArrivedOutput = uint64(n), sums[n].prompt, sums[n].output
		return decide(s, o)
	}
}
