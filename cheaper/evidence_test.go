package cheaper

import (
	"math"
	"math/rand/v2"
	"testing"

	"weir"
)

func TestWilson(t *testing.T) {
	z := Sides(0.95)
	if math.Abs(z-1.959964) > 1e-6 {
		t.Error(z)
	}
	f := func(k, n int, low, high float64) {
		t.Helper()
		if l, h := Wilson(k, n, z); math.Abs(l-low) > 5e-4 || math.Abs(h-high) > 5e-4 {
			t.Errorf("%d of %d: %.4f to %.4f", k, n, l, h)
		}
	}
	f(0, 0, 0, 1)
	f(81, 263, 0.2553, 0.3662) // Newcombe, "Two-sided confidence intervals", 1998, table I
	f(15, 148, 0.0624, 0.1605)
	f(0, 20, 0, 0.1611)
	f(1, 29, 0.0061, 0.1718)
}

func TestChoicesCountWhatEachWayPays(t *testing.T) {
	pairs := []Pair{
		{Confidence: 0.9, Agree: true, Large: 10, Small: 1},
		{Confidence: 0.6, Large: 20, Small: 2},
		{Judged: Cut, Confidence: 0.99, Large: 40, Small: 4},
	}
	ways := Choices(pairs, 0.95, true)
	f := func(w Choice, moved, agreed int, after weir.Money) {
		t.Helper()
		if w.Requests != 3 || w.Moved != moved || w.Agreed != agreed || w.Before != 70 || w.After != after {
			t.Errorf("%+v", w)
		}
	}
	f(ways[0], 3, 1, 7)
	f(ways[1], 2, 1, 47)
	f(ways[3], 2, 1, 47)  // 0.6
	f(ways[4], 1, 1, 67)  // 0.7
	f(ways[10], 0, 0, 77) // 0.99: dearer than none
	if n := len(Choices(pairs, 0.95, false)); n != 2 {
		t.Error(n)
	}
	if best, ok := Best(ways, 0); !ok || best.How != Moved {
		t.Errorf("%+v", best)
	}
	same := []Choice{{MinConfidence: 0.5, Moved: 1, Before: 2, Least: 1}, {MinConfidence: 0.6, Moved: 1, Before: 2, Least: 1}}
	if best, _ := Best(same, 0.5); best.MinConfidence != 0.6 {
		t.Errorf("%+v", best)
	}
	if _, ok := Best(ways, 0.99); ok {
		t.Error("three pairs prove 99 %")
	}
}

// Of many samples, at most one in twenty shows a best way whose answers agree less often
// than it says.
func TestTheBestWayIsSeldomWorseThanItSays(t *testing.T) {
	const trials, quality = 400, 0.9
	draw, wrong := rand.New(rand.NewPCG(1, 2)), 0
	for range trials {
		pairs := make([]Pair, 300)
		for i := range pairs {
			c := draw.Float64()
			pairs[i] = Pair{Confidence: c, Agree: draw.Float64() < 0.89, Large: 10, Small: 1} // whatever the confidence
		}
		if _, ok := Best(Choices(pairs, 0.95, true), quality); ok {
			wrong++
		}
	}
	if wrong > trials/20 {
		t.Errorf("%d of %d", wrong, trials)
	}
}
