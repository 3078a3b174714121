package dispatch

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// No interval of a window's length admits more than the limit.
func TestAWindowHoldsInEveryStretch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots := rapid.SampledFrom([]int64{windowSlots + 1, maxSlots}).Draw(t, "slots")
		slot := rapid.SampledFrom([]time.Duration{100 * time.Millisecond, time.Second}).Draw(t, "slot")
		var w window
		w.set(rapid.Int64Range(1, 50).Draw(t, "limit"), slot, slots)
		span := slot * time.Duration(slots-1)
		type taken struct {
			at weir.Instant
			n  int64
		}
		var all []taken
		now := weir.Instant(time.Hour)
		for range 200 {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(span)/20).Draw(t, "pause")))
			if at := w.at(now, 0); at > now {
				before, then := w, w
				if before.at(at-1, 0) < at || then.at(at, 0) > at {
					t.Fatalf("it opens at %d, not just then", at)
				}
				continue
			}
			sum := int64(0)
			for _, x := range all {
				if now.Sub(x.at) < span {
					sum += x.n
				}
			}
			if sum >= w.limit {
				t.Fatalf("%d were let through within %v, allowed are %d", sum, span, w.limit)
			}
			n := rapid.Int64Range(1, 20).Draw(t, "n")
			w.add(now, n)
			all = append(all, taken{now, n})
		}
	})
}

// Booking and correcting leave the bucket as if the true use had been booked,
// unless it ran dry in between.
func TestABucketThatIsCorrectedHoldsTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := Quota{Drain: rapid.IntRange(1000, 1_000_000).Draw(t, "drain"), Output: 4000, Cached: 100, Burst: time.Hour}
		guessed, truth := newQuota(0, q, nil), newQuota(0, q, nil)
		now := weir.Instant(time.Hour)
		guessed.book(now, 1_000_000, 0)
		truth.book(now, 1_000_000, 0)
		for range 20 {
			used := weir.Usage{Prompt: rapid.Int64Range(0, 5000).Draw(t, "prompt"), Completion: rapid.Int64Range(0, 5000).Draw(t, "output")}
			booked := guessed.book(now, rapid.IntRange(0, 5000).Draw(t, "guess"), rapid.IntRange(0, 5000).Draw(t, "max"))
			guessed.correct(now, booked, used)
			truth.book(now, int(used.Prompt), int(used.Completion))
		}
		if off := guessed.empty.Sub(truth.empty); off < -time.Microsecond || off > time.Microsecond {
			t.Fatalf("it is off by %v", off)
		}
	})
}

func TestTheCachedShareIsLearned(t *testing.T) {
	u := newQuota(0, Quota{Drain: 60_000}, nil)
	now := weir.Instant(time.Hour)
	for range 200 {
		u.correct(now, u.book(now, 1000, 0), weir.Usage{Prompt: 1000, Cached: 800})
	}
	// Of 1,000 about 200 count.
	if n := u.book(now, 1000, 0); n < 190_000 || n > 230_000 {
		t.Errorf("1,000 tokens are booked with %d thousandths", n)
	}
}

func TestQuotasOutOfBoundsAreFaults(t *testing.T) {
	for _, q := range []Quota{
		{Drain: -1}, {TokensPerMinute: maxPerMinute + 1}, {RequestsPerMinute: -1}, {Drain: 1, Output: -1}, {Drain: 1, Cached: 2_000_000},
		{Drain: 1, Burst: -1}, {Drain: 1, Burst: 2 * time.Hour}, {Drain: 1, Headroom: 100},
	} {
		if (Options{Deployments: []Deployment{{Name: "d", Quota: q}}}).Validate() == nil {
			t.Errorf("%+v is valid", q)
		}
	}
}
