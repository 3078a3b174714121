package scale

import "testing"

// What comments promise of what is learned.

func TestFewAnswersDoNotSayHowLongTheyAre(t *testing.T) {
	for done, want := range map[float64]float64{19: 1, 20: 0.5} {
		a := Answers{Arrived: 100, Expected: 10_000, Done: done, Real: 50 * done}
		if got := a.ratio(); got != want {
			t.Errorf("%v answers, half as long as expected: taken for %v times, want %v", done, got, want)
		}
	}
}
