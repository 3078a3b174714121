package scale

import (
	"testing"
	"time"
)

// Promises of comments about learned values.

func TestFewAnswersDoNotSayHowLongTheyAre(t *testing.T) {
	for done, want := range map[float64]float64{19: 1, 20: 0.5} {
		a := Answers{Arrived: 100, Expected: 10_000, Done: done, Real: 50 * done}
		if got := a.ratio(); got != want {
			t.Errorf("%v answers, half as long as expected: taken for %v times, want %v", done, got, want)
		}
	}
}

func TestATrendIsNoMoreThanTwiceWhatWasSeen(t *testing.T) {
	f := Outlook{Level: 10, Trend: 100, Top: 10, Width: 10}
	o := Unknown(monday)
	if said := f.say(&o, 5*time.Minute, 10); said[byTrend] != 20 {
		t.Errorf("10 was the most of late, rising by 100: %v is forecast, want 20", said[byTrend])
	}
}

func TestADayCountsAsMuchAsAllBefore(t *testing.T) {
	day := noted(nil, slotsDay, 3, 10, dayGain)
	if day = noted(day, slotsDay, 3, 20, dayGain); day[3] != 15 {
		t.Errorf("10, and 20 the day after: %v is expected, want 15", day[3])
	}
}
