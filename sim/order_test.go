package sim

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/trace"
)

func drawTrace(t *rapid.T) trace.Slice {
	var list trace.Slice
	at := time.Duration(0)
	for range rapid.IntRange(1, 80).Draw(t, "requests") {
		at += time.Duration(rapid.IntRange(0, 300).Draw(t, "gap")) * time.Millisecond
		list = append(list, trace.Arrival{At: at, Prompt: rapid.IntRange(1, 3000).Draw(t, "prompt"), Output: rapid.IntRange(1, 150).Draw(t, "output")})
	}
	return list
}

// An engine that is observed in between behaves the same: however often control
// and the timeline look, all events happen at the same nanosecond.
func TestLookingChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list, n := drawTrace(t), rapid.IntRange(1, 3).Draw(t, "replicas")
		f := func(tick, sample, scrape time.Duration) string {
			source := trace.Slice(list)
			c := config(&source, ownFleet(n))
			c.Tick, c.Sample, c.Scrape = tick, sample, scrape
			r, err := Run(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			return r.Log
		}
		ms := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(1, 500).Draw(t, name)) * time.Millisecond
		}
		seldom := f(time.Hour, time.Hour, 0)
		if often := f(ms("tick"), ms("sample"), ms("scrape")); often != seldom {
			t.Fatal("looked at often, the run was another")
		}
	})
}

// One more replica may delay one caller, which then shares a step with a longer
// prompt; it does not delay callers on average.
func TestMoreReplicasAreNotSlowerOnTheWhole(t *testing.T) {
	var mean [4]time.Duration
	rapid.Check(t, func(t *rapid.T) {
		list := drawTrace(t)
		for n := range mean {
			source := trace.Slice(list)
			r, err := Run(t.Context(), config(&source, ownFleet(n+1)))
			if err != nil {
				t.Fatal(err)
			}
			mean[n] += r.TTFT.Mean
		}
	})
	for n := 1; n < len(mean); n++ {
		if mean[n] > mean[n-1] {
			t.Errorf("first tokens after %v with %d replicas, after %v with %d", mean[n], n+1, mean[n-1], n)
		}
	}
}
