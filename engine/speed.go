package engine

import (
	"math"
	"time"
)

// Picoseconds is the unit step times are counted in. It is an integer, so that
// a stretch of steps summed in closed form is exactly what the single steps
// add up to; it is finer than a nanosecond, because a step's cost per KV token
// is a few dozen nanoseconds on one GPU and less on several.
type Picoseconds int64

const picosPerNano = 1000

// Picos converts seconds, rounding to the nearest.
func Picos(seconds float64) Picoseconds { return Picoseconds(math.Round(seconds * 1e12)) }

// Duration rounds up to nanoseconds.
func (p Picoseconds) Duration() time.Duration {
	return time.Duration((p + picosPerNano - 1) / picosPerNano)
}

// Batch is the work of one forward step.
type Batch struct {
	Prefill int   // prompt tokens computed in it
	Prompts int   // prompts they belong to
	Pairs   int64 // for each of them, the tokens it attends to, summed
	Ends    int   // prompts that end in it, so that a token is sampled for each
	Decode  int   // sequences that get one more token each
	// Held is the tokens those sequences hold in the KV cache. It is set in a
	// step that also prefills, which is never summed with others.
	Held int64
}

// Cost is the time of a step: Fixed + PerKV x the tokens that the decoding
// sequences hold in the KV cache when it begins.
type Cost struct {
	Fixed, PerKV Picoseconds
}

// Of is the time of one step with that many tokens held.
func (c Cost) Of(kvTokens int) Picoseconds { return c.Fixed + c.PerKV*Picoseconds(kvTokens) }

// Speed says how long a forward step takes. It is a pure function: equal
// batches cost the same. A step's time must grow linearly in the KV tokens
// held; that decode attention reads them once makes it so.
type Speed interface {
	Step(Batch) Cost
}
