package meter

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestNothingKnownExpectsTheDefaultOrLess(t *testing.T) {
	var l Learned
	for _, c := range []struct{ maxTokens, want int }{{0, 512}, {-1, 512}, {100, 100}, {128_000, 512}} {
		if got := l.Expect("demo", "m", c.maxTokens); got != c.want {
			t.Errorf("max_tokens %d: expect %d, want %d", c.maxTokens, got, c.want)
		}
	}
	l.Unknown = 64
	if got := l.Expect("demo", "m", 0); got != 64 {
		t.Error(got)
	}
}

func TestATenantIsExpectedToDoWhatItDid(t *testing.T) {
	var l Learned
	for range 100 {
		l.Saw("short", "m", 40)
		l.Saw("long", "m", 2000)
	}
	if got := l.Expect("short", "m", 0); got < 40 || got > 44 {
		t.Errorf("40 tokens each time, expected %d", got)
	}
	if got := l.Expect("long", "m", 0); got < 2000 || got > 2250 {
		t.Errorf("2000 tokens each time, expected %d", got)
	}
	if got := l.Expect("long", "m", 1000); got != 1000 {
		t.Errorf("not more than max_tokens, expected %d", got)
	}
}

func TestANewTenantIsExpectedToDoWhatTheOthersDoOnTheModel(t *testing.T) {
	var l Learned
	for range 20 {
		l.Saw("old", "m", 100)
	}
	l.Saw("new", "m", 5)
	if got := l.Expect("new", "m", 0); got < 100 || got > 112 {
		t.Errorf("expected %d", got)
	}
	if got := l.Expect("new", "another model", 0); got != 512 {
		t.Errorf("expected %d", got)
	}
}

func TestAChangeOfHabitIsFollowed(t *testing.T) {
	var l Learned
	for range 10_000 {
		l.Saw("demo", "m", 2000)
	}
	for range 4 * halfAfter {
		l.Saw("demo", "m", 50)
	}
	if got := l.Expect("demo", "m", 0); got > 60 {
		t.Errorf("expected %d", got)
	}
}

func TestPairsUsedLongestAgoMakeRoom(t *testing.T) {
	l := Learned{Max: 3} // two tenants and all tenants on the model
	saw := func(tenant string) {
		for range enough {
			l.Saw(tenant, "m", 1000)
		}
	}
	saw("a")
	saw("b")
	l.Expect("a", "m", 0)
	saw("c")
	if l.Len() != 3 || l.entries[pair{tenant: "b", model: "m"}] != nil || l.entries[pair{tenant: "a", model: "m"}] == nil {
		t.Fatalf("b was used longest ago: %d pairs", l.Len())
	}
	for i := range 1000 {
		l.Saw(fmt.Sprint(i), fmt.Sprint(i), i)
	}
	if l.Len() != 3 {
		t.Fatal(l.Len())
	}
}

// The expected length is not below the true quantile, and not more than an
// eighth and one above it.
func TestTheLearnedQuantileIsTrueToAnEighth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Learned{Quantile: rapid.Float64Range(0.01, 0.99).Draw(t, "quantile")}
		saw := rapid.SliceOfN(rapid.IntRange(0, 1<<lastBit-1), enough, halfAfter-1).Draw(t, "lengths")
		for _, n := range saw {
			l.Saw("demo", "m", n)
		}
		slices.Sort(saw)
		truth := saw[min(int(l.Quantile*float64(len(saw))), len(saw)-1)]
		if got := l.Expect("demo", "m", 0); got < truth || got > truth+truth/octave+1 {
			t.Fatalf("expected %d, the true quantile is %d", got, truth)
		}
	})
}

func TestTheSameAnswersTeachTheSame(t *testing.T) {
	teach := func() (out []int) {
		r := rand.New(rand.NewPCG(1, 2))
		l := Learned{Max: 20}
		for range 20_000 {
			tenant := fmt.Sprint(r.IntN(30))
			out = append(out, l.Expect(tenant, "m", 0))
			l.Saw(tenant, "m", r.IntN(4000))
		}
		return out
	}
	if !slices.Equal(teach(), teach()) {
		t.Fatal("differs")
	}
}

func FuzzEveryLengthHasItsBucket(f *testing.F) {
	for _, n := range []int{0, 1, 7, 8, 15, 16, 1<<24 - 1, 1 << 24, 1 << 62, -1} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int) {
		var l Learned
		l.Saw("demo", "m", n)
		if n < 0 {
			if l.Len() != 0 {
				t.Fatal("learned from nothing")
			}
			return
		}
		i := bucketOf(n)
		if i < 0 || i >= bucketsN || n < 1<<lastBit && n > upperEnd(i) || i > 0 && n <= upperEnd(i-1) {
			t.Fatalf("%d is in bucket %d, which ends at %d", n, i, upperEnd(i))
		}
	})
}

func BenchmarkExpectAndSaw(b *testing.B) {
	var l Learned
	var tenants [200]string
	for i := range tenants {
		tenants[i] = fmt.Sprint("tenant", i)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		l.Expect(tenants[i%200], "gpt-4o", 4096)
		l.Saw(tenants[i%200], "gpt-4o", i%3000)
	}
}
