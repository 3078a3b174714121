package plan

import (
	"math"
	"strings"
	"testing"
)

// Weights and prices of gpt-6-sol from Microsoft's sizing guide of 2026-09-23
// and its price page, multiplied by hand. A minute has 60,000 fresh tokens,
// half of them written to the cache, 40,000 cached and 10,000 out: 121,500
// normalised ones, or 218,000 in long contexts.
func TestLongContextsAndCacheWritesCountAsMicrosoftWeighsThem(t *testing.T) {
	f := func(long, writes, ptus, dollars float64) {
		t.Helper()
		d := Demand{Model: "gpt-6-sol", Long: long, Writes: writes, Minutes: Constant(Minute{Requests: 100, Input: 100_000, Cached: 40_000, Output: 10_000})}
		m, err := newMarket(catalogue(t), d)
		if err != nil {
			t.Fatal(err)
		}
		if have := m.offers[0].load.peak(); math.Abs(have-ptus) > 1e-6 {
			t.Errorf("long %g, written %g: %.6f PTUs, want %.6f", long, writes, have, ptus)
		}
		o := Answer{Options: m.options(1)}.option(t, "payg/GlobalStandard")
		if have := float64(o.Month) / 1e6; math.Abs(have-dollars*MinutesPerMonth) > 0.005 {
			t.Errorf("long %g, written %g: $%.2f a month, want $%.2f", long, writes, have, dollars*MinutesPerMonth)
		}
	}
	f(0, 0, (60_000+4_000+50_000)/3000., 0.120+0.008+0.100)
	f(0, 0.5, 121_500/3000., 0.060+0.008+0.075+0.100)
	f(1, 0.5, 218_000/3000., 2*0.218)
	f(0.1, 0.5, (0.9*121_500+0.1*218_000)/3000, 0.9*0.243+0.1*0.436)
}

func TestWhatIsNotCountedIsSaid(t *testing.T) {
	f := func(d Demand, want string) {
		t.Helper()
		d.Minutes = Constant(Minute{Requests: 100, Input: 100_000, Cached: 40_000, Output: 10_000})
		a := answer(t, d)
		if !strings.Contains(strings.Join(a.Assumed, "\n"), want) {
			t.Errorf("want %q in %q", want, a.Assumed)
		}
	}
	f(Demand{Model: "gpt-6-sol"}, "the demand states none (cache_writes)")
	f(Demand{Model: "gpt-6-sol"}, "the demand states none (long)")
	f(Demand{Model: "gpt-4o", Long: 0.1}, "no price for long contexts of gpt-4o")
}

func TestProvisionedRefusesLongContextsWhereItsPromptsAreBounded(t *testing.T) {
	d := Demand{Model: "gpt-4.1", Long: 0.1, Minutes: Constant(Minute{Requests: 100, Input: 100_000, Output: 10_000})}
	m, err := newMarket(catalogue(t), d)
	if err != nil {
		t.Fatal(err)
	}
	o := Answer{Options: m.options(1)}.option(t, "ptu/GlobalProvisionedManaged/hour")
	if !strings.Contains(o.Refused, "refuses prompts above") {
		t.Errorf("refused: %q", o.Refused)
	}
}
