package plan

import (
	"math"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// chat is 10 requests a minute of gpt-4o: too few for the fewest PTUs.
func chat() Demand {
	return Demand{Model: "gpt-4o", Region: "eastus", Minutes: Constant(Minute{Requests: 10, Input: 10_000, Output: 2_000})}
}

func (a Answer) measure(t *testing.T, name string) Measure {
	t.Helper()
	for _, m := range a.Measures {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no measure %s", name)
	return Measure{}
}

func TestWhatMeasuresAreWorth(t *testing.T) {
	// Pay-as-you-go of the whole: 438 million in at $2.50, 87.6 million out at $10.
	const whole = 438*2.50 + 87.6*10
	// The same tokens at gpt-4o mini.
	const mini = 438*0.15 + 87.6*0.60
	d := chat()
	d.Batch, d.Answers, d.Smaller = 0.3, 0.1, Smaller{"gpt-4o-mini", 0.4}
	a := answer(t, d)
	f := func(name string, want float64) {
		t.Helper()
		if have := float64(a.measure(t, name).Saves) / 1e6; math.Abs(have-want) > 0.01 {
			t.Errorf("%s: want $%.2f, have $%.2f", name, want, have)
		}
	}
	f(MeasureBatch, whole*0.3/2)
	f(MeasureCache, whole*0.1)
	f(MeasureSmaller, (whole-mini)*0.4)
	// All three: 10 % answered, 30 % of the rest in batches, 40 % of that rest smaller.
	want := whole*0.9*0.3/2 + mini*0.9*0.7*0.4 + whole*0.9*0.7*0.6
	if have := float64(a.Advice.Month) / 1e6; math.Abs(have-want) > 0.01 || len(a.Advice.Measures) != 3 {
		t.Errorf("together: want $%.2f, have $%.2f with %v", want, have, a.Advice.Measures)
	}
	if why := a.measure(t, MeasureSmaller).Why; !strings.Contains(why, "1/16.7") {
		t.Errorf("why: %s", why)
	}
}

func TestADemandThatCanAllWaitNeedsNothingElse(t *testing.T) {
	d := chat()
	d.Batch = 1
	a := answer(t, d)
	if a.Advice.Option != nil || a.Advice.Rest != 0 || a.Services[len(a.Services)-1].Use != "part" {
		t.Errorf("have %+v, %+v", a.Advice, a.Services)
	}
}

func TestBatchOfAModelThatHasNoneIsNamedAsMissing(t *testing.T) {
	d := chat()
	d.Model, d.Batch = "gpt-6-sol", 0.5
	if m := answer(t, d).measure(t, MeasureBatch); len(m.Missing) == 0 || m.Saves != 0 {
		t.Errorf("have %+v", m)
	}
}

func TestSensitivityIsThePlanOfTheOtherDemand(t *testing.T) {
	a := answer(t, chat())
	doubled := answer(t, chat().times(1.5))
	for _, c := range a.Cases {
		if c.What == "1.5 times the demand" && c.Month != doubled.Advice.Month {
			t.Errorf("have %s, planned again %s", c.Month, doubled.Advice.Month)
		}
		if c.What == "as it is" && c.Month != a.Advice.Month {
			t.Errorf("as it is: %s, not %s", c.Month, a.Advice.Month)
		}
	}
	if len(a.Cases) != 8 {
		t.Errorf("%d cases", len(a.Cases))
	}
	d := chat()
	d.Answers = 0.2
	a = answer(t, d)
	without := a.Cases[len(a.Cases)-3]
	if plain := answer(t, chat()).Advice.Month; without.Month != plain || without.What != "the response cache answers nothing" {
		t.Errorf("without its answers: %+v, planned without %s", without, plain)
	}
}

// Own replicas are cheapest somewhere above the demand of chat, and the curve
// finds the point: below it one is cheaper, above it the other.
func TestTheCurveSaysWhereTheCheapestChanges(t *testing.T) {
	d := chat()
	d.OpenModel = "Llama-3.1-8B"
	m, err := newMarket(catalogue(t), d)
	if err != nil {
		t.Fatal(err)
	}
	curve := m.curve()
	if len(curve.Switches) == 0 {
		t.Fatal("nothing changes from a 64th to 64 times the demand")
	}
	for _, s := range curve.Switches {
		below, _ := best(m.options(s.Times * 0.98))
		above, _ := best(m.options(s.Times * 1.001))
		if below.way() != s.From || above.way() != s.To {
			t.Errorf("at %.3f: from %q to %q, but %q below and %q above", s.Times, s.From, s.To, below.way(), above.way())
		}
	}
	low, high := curve.Points[0], curve.Points[len(curve.Points)-1]
	if low.Times != 1/64. || high.Times != 64 {
		t.Errorf("from %v to %v times", low.Times, high.Times)
	}
}

func TestTheUncomfortableTruthIsSaidWithItsArithmetic(t *testing.T) {
	text := strings.Join(answer(t, vector("gpt-5.2", 0)).Words, "\n")
	for _, want := range []string{"by the hour does not beat pay-as-you-go at list price", "730 hours x $1.00 = $730.00", "148.9 million", "$260.61", "280 %"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in: %s", want, text)
		}
	}
}

// Laws of every plan: the alternatives are in order, the first costs no more
// than any other, more demand never costs less, and the same input gives the
// same answer.
func TestLawsOfAPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Demand{Model: rapid.SampledFrom([]string{"gpt-4o", "gpt-5.2", "gpt-4.1-mini", "gpt-6-sol"}).Draw(t, "model"), Region: "eastus"}
		for range rapid.IntRange(1, 200).Draw(t, "minutes") {
			n := rapid.Float64Range(0, 5000).Draw(t, "requests")
			m := Minute{Requests: n, Input: n * 500, Output: n * 100}
			m.Cached = m.Input * rapid.Float64Range(0, 1).Draw(t, "cached")
			d.Minutes = append(d.Minutes, m)
		}
		if !(d.Total().Requests > 0) {
			return
		}
		c, err := embedded()
		if err != nil {
			t.Fatal(err)
		}
		a, err := Plan(c, d, today)
		if err != nil {
			t.Fatal(err)
		}
		more, err := Plan(c, d.times(1.25), today)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(a.Options, func(a, b Option) int { return rank(a)*2 - rank(b)*2 + sign(a.Month-b.Month) }) {
			t.Fatal("the alternatives are not in order")
		}
		if best, ok := a.Best(); ok && a.Advice.Month > best.Month {
			t.Fatalf("recommended at %s, %s at %s", a.Advice.Month, best.ID, best.Month)
		}
		if more.Advice.Month < a.Advice.Month {
			t.Fatalf("more demand costs %s, less %s", more.Advice.Month, a.Advice.Month)
		}
	})
}

func sign(m weir.Money) int { return int(min(1, max(-1, m))) }

func TestAWeekIsAsItsHoursSay(t *testing.T) {
	var hours [24]float64
	hours[9], hours[20] = 1, 0.5
	minutes := Weekly(Minute{Requests: 10}, Daily(hours, 0.2))
	at := func(day, hour int) float64 { return minutes[(day*24+hour)*60+30].Requests }
	for _, c := range []struct {
		day, hour int
		want      float64
	}{{0, 9, 10}, {0, 20, 5}, {0, 10, 0}, {4, 9, 10}, {5, 9, 2}, {6, 20, 1}} {
		if have := at(c.day, c.hour); have != c.want {
			t.Errorf("day %d hour %d: want %v, have %v", c.day, c.hour, c.want, have)
		}
	}
	if len(minutes) != 7*24*60 {
		t.Errorf("%d minutes", len(minutes))
	}
}

func TestCountsOfATraceAddUp(t *testing.T) {
	f := func(gaps []uint16) bool {
		var c Counter
		at, whole := int64(0), 0.0
		for _, g := range gaps {
			at += int64(g) * 1e6
			if c.Add(time.Duration(at), 10, 4, 2) != nil {
				return false
			}
			whole++
		}
		have := 0.0
		for _, m := range c.minutes {
			have += m.Requests
			if m.Input != 10*m.Requests || m.Cached != 4*m.Requests || m.Output != 2*m.Requests {
				return false
			}
		}
		return have == whole && len(c.Minutes()) <= len(c.minutes)
	}
	if err := quick.Check(f, nil); err != nil {
		t.Error(err)
	}
	var c Counter
	if err := c.Add(MaxMinutes*time.Minute, 1, 0, 1); err == nil {
		t.Error("a trace longer than a year was counted")
	}
}

func TestEveryFaultOfADemandIsNamed(t *testing.T) {
	ptus := -1
	if err := (Demand{Model: "gpt-4o", Minutes: chat().Minutes, Smaller: Smaller{"gpt-4o", 0.5}}).Validate(); err == nil {
		t.Error("a model is smaller than itself")
	}
	err := Demand{Minutes: []Minute{{Requests: math.NaN()}}, Batch: 2, Smaller: Smaller{Share: 0.5}, Today: ptus}.Validate()
	for _, want := range []string{"no model", "minute 0", "share batch", "none is named", "cannot be negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
}

// times is the demand multiplied by x.
func (d Demand) times(x float64) Demand {
	return d.each(func(m Minute) Minute { return m.times(x) })
}
