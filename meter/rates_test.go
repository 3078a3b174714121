package meter

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

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
		{Rates{Prompt: math.MaxInt64, Cached: math.MaxInt64, Completion: math.MaxInt64}, weir.Usage{Prompt: math.MaxInt64, Completion: math.MaxInt64}, math.MaxInt64},
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
		r := Rates{Prompt: weir.Money(p), Cached: weir.Money(c), Completion: weir.Money(o)}
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

// Each class of tokens has its own rate; one without a rate costs as its whole.
func TestEveryClassOfTokensHasItsPrice(t *testing.T) {
	opus := Rates{Prompt: 5_000_000, Cached: 500_000, Completion: 25_000_000, Written: 6_250_000, WrittenHour: 10_000_000}
	voice := Rates{Prompt: 2_500_000, Cached: 1_250_000, Completion: 10_000_000, AudioPrompt: 40_000_000, AudioAnswer: 80_000_000, Reasoning: 20_000_000}
	for _, c := range []struct {
		rates Rates
		usage weir.Usage
		want  weir.Money
	}{
		{opus, weir.Usage{Prompt: 159_223, Written: 159_217, Completion: 2745}, 1_063_761},
		{opus, weir.Usage{Prompt: 400, Cached: 100, Written: 100, WrittenHour: 100}, 500 + 50 + 625 + 1000},
		{Rates{Prompt: 5_000_000, Written: 6_250_000}, weir.Usage{Prompt: 100, WrittenHour: 100}, 625},
		{Rates{Prompt: 5_000_000}, weir.Usage{Prompt: 100, Written: 50}, 500},
		{voice, weir.Usage{Prompt: 100, AudioPrompt: 80, Completion: 50, AudioAnswer: 30, Reasoning: 10}, 50 + 3200 + 100 + 2400 + 200},
		{voice, weir.Usage{Prompt: 10, Cached: 8, Written: 8, AudioPrompt: 8, Completion: 5, Reasoning: 9, AudioAnswer: 9}, 15 + 100}, // parts never exceed the whole: 10 + 5 rounds once
		{Rates{Prompt: 1_000_000, Request: 30}, weir.Usage{Prompt: 5}, 35},
		{Rates{Prompt: 1_000_000, Request: 30}, weir.Usage{}, 0},
		{Rates{Prompt: 1_000_000, Priority: 175, Flex: 50}, weir.Usage{Prompt: 100, Tier: weir.PriorityTier}, 175},
		{Rates{Prompt: 1_000_000, Priority: 175, Flex: 50}, weir.Usage{Prompt: 101, Tier: weir.FlexTier}, 51},
		{Rates{Prompt: 1_000_000}, weir.Usage{Prompt: 100, Tier: weir.OtherTier}, 100},
		{Rates{Prompt: math.MaxInt64, Priority: math.MaxInt64}, weir.Usage{Prompt: math.MaxInt64, Tier: weir.PriorityTier}, math.MaxInt64},
	} {
		if got := c.rates.Cost(c.usage); got != c.want {
			t.Errorf("%+v at %+v cost %d, want %d", c.usage, c.rates, got, c.want)
		}
	}
	if have := opus.String(); have != "prompt $5.00, cached $0.50, completion $25.00, cache write $6.25, cache write for an hour $10.00" {
		t.Error(have)
	}
	if !opus.Prices(weir.StandardTier) || opus.Prices(weir.PriorityTier) || opus.PricesAudio() || !voice.PricesAudio() || !(Rates{}).Prices(weir.OtherTier) || !(Rates{}).PricesAudio() {
		t.Error("what costs something is priced or not at all")
	}
}

// However a request is counted, it costs no more than its reservation, and the
// answer that fits an amount costs no more than that.
func TestWhatIsHeldIsTheMostARequestCosts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string, most int64) int64 { return rapid.Int64Range(0, most).Draw(t, name) }
		rate := func(name string) weir.Money { return weir.Money(n(name, 100_000_000)) }
		r := Rates{Prompt: rate("prompt"), Cached: rate("cached"), Completion: rate("completion"), Written: rate("written"), WrittenHour: rate("hour"),
			Reasoning: rate("reasoning"), AudioPrompt: rate("in"), AudioAnswer: rate("out"), Request: rate("request"), Priority: n("priority", 300), Flex: n("flex", 100)}
		u := weir.Usage{Prompt: n("p", 100_000), Cached: n("c", 100_000), Completion: n("o", 100_000), Written: n("w", 100_000), WrittenHour: n("h", 100_000),
			Reasoning: n("r", 100_000), AudioPrompt: n("ai", 100_000), AudioAnswer: n("ao", 100_000), Tier: weir.Tier(n("tier", 3))}
		if cost, most := r.Cost(u), r.Most(u.Prompt, u.Completion); cost > most {
			t.Fatalf("%+v at %+v costs %d, %d at most", u, r, cost, most)
		}
		amount := weir.Money(n("amount", 1_000_000_000))
		if answer := r.Answer(u.Prompt, amount); answer >= 0 && answer < maxTokens && r.Most(u.Prompt, answer) > amount+1 {
			t.Fatalf("%d tokens of answer cost %d, not %d", answer, r.Most(u.Prompt, answer), amount)
		}
	})
}
