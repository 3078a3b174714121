package plan

import (
	"math"
	"testing"

	"pgregory.net/rapid"
)

// bill is the whole bill of n PTUs, summed minute by minute.
func bill(n int, rent float64, needs, costs []float64, stands, x float64) float64 {
	sum := rent * float64(n)
	for i, p := range needs {
		if p*x > float64(n) {
			sum += stands * costs[i] * x * (1 - float64(n)/(p*x))
		}
	}
	return sum
}

// The number of PTUs is the cheapest of all on offer, none included.
func TestTheCheapestNumberOfPTUsEqualsBruteForce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 60).Draw(t, "minutes")
		needs, costs := make([]float64, n), make([]float64, n)
		for i := range needs {
			needs[i] = float64(rapid.IntRange(0, 4000).Draw(t, "need")) / 10
			// Minutes with the same mix cost in proportion; with another they
			// do not.
			costs[i] = needs[i] * rapid.Float64Range(1, 20).Draw(t, "cost per PTU")
		}
		increment := rapid.SampledFrom([]int{1, 5, 25, 50, 100}).Draw(t, "increment")
		s := steps{minimum: rapid.SampledFrom([]int{1, 15, 25, 50, 100}).Draw(t, "minimum"), increment: increment,
			limit: rapid.IntRange(0, 600).Draw(t, "limit")}
		rent := rapid.Float64Range(0, 1000).Draw(t, "rent")
		stands := float64(MinutesPerMonth) / float64(n) / 1000
		x := rapid.SampledFrom([]float64{0.01, 0.5, 1, 1.5, 64}).Draw(t, "times")

		l := newLoad(needs, costs, stands)
		have := l.cheapest(s, rent, x)

		want, best := 0, bill(0, rent, needs, costs, stands, x)
		for c := s.minimum; c <= s.limit; c++ {
			if c != s.minimum && c%increment != 0 {
				continue
			}
			if b := bill(c, rent, needs, costs, stands, x); b < best {
				want, best = c, b
			}
		}
		if got := bill(have, rent, needs, costs, stands, x); math.Abs(got-best) > 1e-9*(1+best) {
			t.Fatalf("have %d PTUs at %v, want %d at %v", have, got, want, best)
		}
		if have != 0 && (have > s.limit || have < s.minimum || have != s.minimum && have%increment != 0) {
			t.Fatalf("%d PTUs cannot be had: %+v", have, s)
		}
		if direct := bill(have, 0, needs, costs, stands, x); math.Abs(direct-l.spilled(float64(have), x)) > 1e-6*(1+direct) {
			t.Fatalf("%v spills over, minute by minute %v", l.spilled(float64(have), x), direct)
		}
	})
}

// A demand with a quiet night: PTUs for the day's base, not for its peak.
func TestPTUsAreSizedByTheDemandPerMinuteNotByItsPeak(t *testing.T) {
	needs, costs := make([]float64, 100), make([]float64, 100)
	for i := range needs {
		needs[i] = 100
		if i == 0 {
			needs[i] = 1000
		}
		costs[i] = needs[i]
	}
	l := newLoad(needs, costs, 438)
	// A PTU in every minute is worth 43,800; in one of a hundred, 438.
	if have := l.cheapest(steps{15, 5, maxPTUs}, 30_000, 1); have != 100 {
		t.Errorf("have %d PTUs, want those of the 99 minutes", have)
	}
}
