package trace

import (
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWhatIsCountedArrivesInItsStretch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []Count
		at := time.Duration(0)
		for range rapid.IntRange(0, 8).Draw(t, "stretches") {
			n := rapid.IntRange(0, 40).Draw(t, "requests")
			c := Count{
				At: at, Over: time.Duration(rapid.Int64Range(0, int64(time.Minute)).Draw(t, "over")), Requests: n,
				Prompt: n + rapid.IntRange(0, 100_000).Draw(t, "prompt"), Output: n + rapid.IntRange(0, 5_000).Draw(t, "output"),
			}
			list = append(list, c)
			at += c.Over + time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "gap"))
		}
		seed := rapid.Uint64().Draw(t, "seed")
		all, err := ReadAll(Spread(Counts(list), rand.New(rand.NewPCG(seed, 1))))
		if err != nil {
			t.Fatal(err)
		}
		again, err := ReadAll(Spread(Counts(list), rand.New(rand.NewPCG(seed, 1))))
		if err != nil || !reflect.DeepEqual(all, again) {
			t.Fatalf("the same seed gives something else (%v)", err)
		}
		for _, c := range list {
			prompt, output := 0, 0
			for _, a := range all[:c.Requests] {
				if a.At < c.At || a.At > c.At+c.Over || a.Prompt < 1 || a.Output < 1 {
					t.Fatalf("%+v is not of %+v", a, c)
				}
				prompt, output = prompt+a.Prompt, output+a.Output
			}
			if c.Requests > 0 && (prompt != c.Prompt || output != c.Output) {
				t.Fatalf("%d and %d tokens of %+v", prompt, output, c)
			}
			all = all[c.Requests:]
		}
		if len(all) > 0 {
			t.Fatalf("%d arrivals that nobody counted", len(all))
		}
	})
}

func TestRequestsWithoutCountedTokensHaveOneEach(t *testing.T) {
	all, err := ReadAll(Spread(Counts([]Count{{Over: time.Minute, Requests: 3}}), rand.New(rand.NewPCG(1, 1))))
	if err != nil || len(all) != 3 || all[0].Prompt != 1 || all[2].Output != 1 {
		t.Errorf("have %+v, %v", all, err)
	}
}

func TestCountsOutOfOrderAreRefused(t *testing.T) {
	_, err := ReadAll(Spread(Counts([]Count{{At: time.Minute, Requests: 1}, {At: 0, Requests: 1}}), rand.New(rand.NewPCG(1, 1))))
	if err == nil {
		t.Error("a count before the one before it is taken")
	}
}

func TestADelayedTraceIsTheSameLater(t *testing.T) {
	first := Slice{{At: time.Second, Prompt: 1, Output: 2}, {At: 3 * time.Second, Prompt: 4, Output: 5}}
	all, err := ReadAll(Delayed(&first, time.Minute))
	want := []Arrival{{At: 61 * time.Second, Prompt: 1, Output: 2}, {At: 63 * time.Second, Prompt: 4, Output: 5}}
	if err != nil || !reflect.DeepEqual(all, want) {
		t.Errorf("have %+v, %v", all, err)
	}
}
