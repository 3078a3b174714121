package engine

import (
	"math"
	"time"
)

// Picoseconds is the unit of step times. It is an integer: a closed-form sum of
// steps equals the sum of the single steps exactly. It is finer than a
// nanosecond, because a step's cost per KV token is a few dozen nanoseconds on
// one GPU and less on several.
type Picoseconds int64

const picosPerNano = 1000

// Picos converts seconds, rounded to the nearest picosecond.
func Picos(seconds float64) Picoseconds { return Picoseconds(math.Round(seconds * 1e12)) }

// Duration rounds up to nanoseconds.
func (p Picoseconds) Duration() time.Duration {
	return time.Duration((p + picosPerNano - 1) / picosPerNano)
}

// Batch is the work of one forward step.
type Batch struct {
	Prefill int   // prompt tokens computed in it
	Prompts int   // number of prompts they belong to
	Pairs   int64 // number of tokens that each of them attends to, summed
	Ends    int   // prompts that end in it: each samples a token
	Decode  int   // sequences that get one more token each
	// Held is the KV tokens held by those sequences. It is set only in a step
	// that also prefills, which is never summed with others.
	Held int64
}

// Cost is the time of a step: Fixed + PerKV x the KV tokens held by the
// decoding sequences when it begins.
type Cost struct {
	Fixed, PerKV Picoseconds
}

// Of returns the time of one step with that many tokens held.
func (c Cost) Of(kvTokens int) Picoseconds { return c.Fixed + c.PerKV*Picoseconds(kvTokens) }

// Speed computes the time of a forward step. It is a pure function: equal
// batches cost the same. A step's time must grow linearly in the held KV
// tokens, as decode attention reads them once.
type Speed interface {
	Step(Batch) Cost
}
