package scale

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

var byLength = []Speed{{100, 8000, 2000}, {1000, 8000, 2000}, {10_000, 4000, 500}, {100_000, 1000, 100}}

// After some dozen requests the capacity is that of the lengths that arrive,
// whatever was assumed before.
func TestTheCapacityIsThatOfTheLengthsThatArrive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		prompt, output := rapid.IntRange(100, 50_000).Draw(t, "prompt"), rapid.IntRange(1, 5000).Draw(t, "output")
		p := Policy{Max: 1, Speeds: byLength}
		const n = 2000
		a := Answers{Arrived: n, Prompt: float64(n * prompt), Done: n, Real: float64(n * output)}
		have := p.capacity(&a)
		want := Capacity{
			p.speedAt(float64(prompt), func(s *Speed) float64 { return s.Prefill }),
			p.speedAt(float64(prompt+output/2), func(s *Speed) float64 { return s.Decode }),
		}
		if math.Abs(have.Prefill/want.Prefill-1) > 0.03 || math.Abs(have.Decode/want.Decode-1) > 0.03 {
			t.Fatalf("%d and %d tokens: %v, want %v", prompt, output, have, want)
		}
	})
}

func TestWithoutSpeedsTheCapacityIsThatGiven(t *testing.T) {
	p := Policy{Capacity: Capacity{1, 2}}
	if have := p.capacity(&Answers{Arrived: 100, Prompt: 1e6}); have != p.Capacity {
		t.Errorf("have %v", have)
	}
}

func TestASpeedLiesBetweenItsNeighbours(t *testing.T) {
	p := Policy{Speeds: byLength}
	f := func(tokens, want float64) {
		t.Helper()
		if have := p.speedAt(tokens, func(s *Speed) float64 { return s.Prefill }); math.Abs(have-want) > 1 {
			t.Errorf("%v tokens: %v, want %v", tokens, have, want)
		}
	}
	f(1, 8000)
	f(1000, 8000)
	f(math.Sqrt(1000*10_000), 6000)
	f(10_000, 4000)
	f(1e9, 1000)
}
