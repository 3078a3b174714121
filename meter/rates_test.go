package meter

import (
	"math"
	"math/big"
	"testing"

	"weir"
)

func TestCostOfOneUsage(t *testing.T) {
	gpt4o := Rates{Prompt: 2_500_000, Cached: 1_250_000, Completion: 10_000_000}
	for _, c := range []struct {
		rates Rates
		usage weir.Usage
		want  weir.Money
	}{
		{gpt4o, weir.Usage{Prompt: 1000, Cached: 400, Completion: 200}, 4000},
		{gpt4o, weir.Usage{Prompt: 1_000_000}, 2_500_000},
		{gpt4o, weir.Usage{}, 0},
		{gpt4o, weir.Usage{Prompt: 100, Cached: 200}, 125}, // more cached than prompt: all cached
		{Rates{Prompt: 20_000}, weir.Usage{Prompt: 24}, 0}, // $0.02 per million: 0.48
		{Rates{Prompt: 20_000}, weir.Usage{Prompt: 25}, 1}, // 0.50 goes up
		{Rates{Prompt: 20_000}, weir.Usage{Prompt: 74}, 1}, // 1.48
		{gpt4o, weir.Usage{Prompt: -5, Cached: -7, Completion: -1}, 0},
		{Rates{Prompt: -1}, weir.Usage{Prompt: 1_000_000}, 0},
		{Rates{math.MaxInt64, math.MaxInt64, math.MaxInt64}, weir.Usage{Prompt: math.MaxInt64, Completion: math.MaxInt64}, math.MaxInt64},
	} {
		if got := c.rates.Cost(c.usage); got != c.want {
			t.Errorf("%+v at %+v cost %s, want %s", c.usage, c.rates, got, c.want)
		}
	}
}

func FuzzCostIsExact(f *testing.F) {
	f.Add(int64(2_500_000), int64(1_250_000), int64(10_000_000), int64(1000), int64(400), int64(200))
	f.Add(int64(math.MaxInt64), int64(1), int64(math.MaxInt64), int64(math.MaxInt64), int64(1), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, p, c, o, prompt, cached, completion int64) {
		r := Rates{weir.Money(p), weir.Money(c), weir.Money(o)}
		got := r.Cost(weir.Usage{Prompt: prompt, Cached: cached, Completion: completion})
		n := func(v int64) *big.Int { return big.NewInt(max(v, 0)) }
		cached = min(max(cached, 0), max(prompt, 0))
		want := new(big.Int).Mul(n(max(prompt, 0)-cached), n(p))
		want.Add(want, new(big.Int).Mul(n(cached), n(c)))
		want.Add(want, new(big.Int).Mul(n(completion), n(o)))
		want.Add(want, big.NewInt(perRate/2))
		want.Div(want, big.NewInt(perRate))
		if !want.IsInt64() {
			want.SetInt64(math.MaxInt64)
		}
		if want.Int64() != int64(got) {
			t.Fatalf("%d, want %s", got, want)
		}
	})
}
