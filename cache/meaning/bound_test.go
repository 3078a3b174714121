package meaning

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"weir/internal/seed"
)

func TestTheWorkedFiguresOfUpper(t *testing.T) {
	if a, b := (Counts{Right: 553}).Upper(0.01), (Counts{Right: 554}).Upper(0.01); a <= 0.01 || b > 0.01 {
		t.Errorf("after 553: %v, after 554: %v", a, b)
	}
	if single := 1 - math.Pow(doubt, 1.0/368); single > 0.01 || 1-math.Pow(doubt, 1.0/367) <= 0.01 {
		t.Errorf("Clopper-Pearson after 368: %v", single)
	}
	if (Counts{}).Upper(0.01) != 1 {
		t.Error("nothing is known, and there is a bound")
	}
}

func TestUpperIsAboveTheRateAndFallsWithRightAnswers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := Counts{rapid.Uint32Range(0, mostCounted).Draw(t, "right"), rapid.Uint32Range(0, 1000).Draw(t, "wrong")}
		aim := rapid.Float64Range(0.001, 0.5).Draw(t, "aim")
		u := c.Upper(aim)
		more, worse := Counts{c.Right + 1, c.Wrong}, Counts{c.Right, c.Wrong + 1}
		if u < c.Rate() || u > 1 || more.Upper(aim) > u+1e-9 || worse.Upper(aim) < u-1e-9 {
			t.Errorf("%+v: %v, one more right %v, one more wrong %v", c, u, more.Upper(aim), worse.Upper(aim))
		}
	})
}

// However often one looks: a rate is ever above its bound in at most a share doubt of all
// sequences.
func TestUpperHoldsAtEveryLook(t *testing.T) {
	r, failed := rand.New(rand.NewPCG(seed.Of(t), 1)), 0
	const sequences = 600
	for range sequences {
		var c Counts
		for n := range 400 {
			c.add(r.Float64() >= 0.05)
			if n%4 == 3 && c.Upper(0.05) < 0.05 {
				failed++
				break
			}
		}
	}
	if most := doubt*sequences + 3*math.Sqrt(doubt*sequences); float64(failed) > most {
		t.Errorf("%d of %d sequences went below the true rate", failed, sequences)
	}
}
