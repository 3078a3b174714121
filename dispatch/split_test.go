package dispatch

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

// splitCore is a core of one tier with these weights, one replica each.
func splitCore(weights ...int) (*Core, Options) {
	o := splitOf(weights...)
	c := New(o, 1)
	for _, d := range o.Deployments {
		c.Replicas(epoch, d.Name, ready("r"))
	}
	return c, o
}

func splitOf(weights ...int) (o Options) {
	for i, w := range weights {
		o.Deployments = append(o.Deployments, Deployment{Name: string(rune('a' + i)), Weight: w})
	}
	return o
}

// assign sends one request of each of n callers and returns their deployments.
func assign(c *Core, n int) []string {
	at := make([]string, n)
	for i := range at {
		id := uint64(i + 1)
		at[i] = c.Arrive(epoch, Request{ID: id, Output: 1, Sticky: mix(id)})[0].Deployment
		c.Done(epoch, id, OK, weir.Usage{})
	}
	return at
}

// A share is within four standard deviations of its weight.
func TestStickyCallersAreSharedByWeight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 1000), 2, 5).Draw(t, "weights")
		c, _ := splitCore(weights...)
		const callers = 4000
		count, total := map[string]int{}, 0
		for _, d := range assign(c, callers) {
			count[d]++
		}
		for _, w := range weights {
			total += w
		}
		for i, w := range weights {
			p := float64(w) / float64(total)
			off := math.Abs(float64(count[string(rune('a'+i))]) - p*callers)
			if off > 1+4*math.Sqrt(callers*p*(1-p)) {
				t.Fatalf("weights %v: %v", weights, count)
			}
		}
	})
}

// A caller that moves when one weight grows moves to that deployment; when it
// shrinks, away from it; all other callers stay.
func TestOnlyCallersThatMustMoveWhenWeightsChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(1, 100), 2, 5).Draw(t, "weights")
		c, _ := splitCore(weights...)
		before := assign(c, 500)
		i := rapid.IntRange(0, len(weights)-1).Draw(t, "which")
		was := weights[i]
		weights[i] = rapid.IntRange(0, 200).Draw(t, "weight")
		factor := rapid.IntRange(1, 50).Draw(t, "factor") // of all together: moves no caller
		for k := range weights {
			weights[k] *= factor
		}
		c.Configure(epoch, splitOf(weights...))
		changed := string(rune('a' + i))
		for n, now := range assign(c, 500) {
			grew := weights[i] >= was*factor
			if now != before[n] && (grew && now != changed || !grew && before[n] != changed) {
				t.Fatalf("caller %d moved from %s to %s, and the weight of %s went from %d to %d", n, before[n], now, changed, was*factor, weights[i])
			}
		}
	})
}

// Weights that change together: some by one factor, the rest by another. Then no
// caller moves between two that both gain or both lose, so that as many move as
// the deployments that gain have more.
func TestOnlyAsManyCallersMoveAsTheSharesDifferBy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was := rapid.SliceOfN(rapid.IntRange(1, 100), 2, 5).Draw(t, "weights")
		factors := rapid.SliceOfN(rapid.IntRange(1, 20), 2, 2).Draw(t, "factors")
		now := make([]int, len(was))
		for i, w := range was {
			now[i] = w * rapid.SampledFrom(factors).Draw(t, "factor")
		}
		before, after := reassigned(was, now)
		moved, more := 0, map[string]int{}
		for n := range before {
			if before[n] != after[n] {
				moved++
			}
			more[before[n]]--
			more[after[n]]++
		}
		gained := 0
		for _, n := range more {
			gained += max(n, 0)
		}
		if moved != gained {
			t.Fatalf("weights %v, then %v: %d callers move, and those that gain have %d more: %v", was, now, moved, gained, more)
		}
	})
}

func TestACallerMovesOnlyToADeploymentWhoseWeightGrewMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		was := rapid.SliceOfN(rapid.IntRange(1, 100), 2, 5).Draw(t, "weights")
		now := rapid.SliceOfN(rapid.IntRange(1, 100), len(was), len(was)).Draw(t, "then")
		before, after := reassigned(was, now)
		for n := range before {
			from, to := before[n][0]-'a', after[n][0]-'a'
			if from != to && now[to]*was[from] <= now[from]*was[to] {
				t.Fatalf("caller %d moves from %s to %s, with weights %v, then %v", n, before[n], after[n], was, now)
			}
		}
	})
}

// reassigned says where each of 500 callers goes with weights was, and then with now.
func reassigned(was, now []int) (before, after []string) {
	c, _ := splitCore(was...)
	before = assign(c, 500)
	c.Configure(epoch, splitOf(now...))
	return before, assign(c, 500)
}

func TestACallerWhoseDeploymentIsFullIsServedByAnotherAndComesBack(t *testing.T) {
	c, o := splitCore(1, 1)
	at := assign(c, 1)[0]
	for i := range o.Deployments {
		o.Deployments[i].MaxRequests = 1
	}
	c.Configure(epoch, o)
	ask := func(id uint64) string {
		return c.Arrive(epoch, Request{ID: id, Output: 1, Sticky: mix(1)})[0].Deployment
	}
	first, second := ask(10), ask(11)
	c.Done(epoch, 10, OK, weir.Usage{})
	if third := ask(12); first != at || second == at || third != at {
		t.Errorf("at %s: %s, %s, %s", at, first, second, third)
	}
}

func TestRequestsThatDoNotStickAreSharedExactly(t *testing.T) {
	c, _ := splitCore(9, 1)
	count := map[string]int{}
	for id := range uint64(1000) {
		count[c.Arrive(epoch, Request{ID: id + 1, Output: 1})[0].Deployment]++
	}
	if count["a"] != 900 {
		t.Error(count)
	}
}
