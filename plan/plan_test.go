package plan

import (
	"math"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"weir"
	"weir/price"
)

// today is a day on which only undated prices of the catalogue are old.
var today = weir.At(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))

// embedded is read once: it is immutable.
var embedded = sync.OnceValues(price.Default)

func catalogue(t testing.TB) *price.Catalogue {
	t.Helper()
	c, err := embedded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(t *testing.T, d Demand) Answer {
	t.Helper()
	a, err := Plan(catalogue(t), d, today)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// option finds an alternative by its ID.
func (a Answer) option(t *testing.T, id string) Option {
	t.Helper()
	for _, o := range a.Options {
		if o.ID == id {
			return o
		}
	}
	t.Fatalf("no alternative %s", id)
	return Option{}
}

// vector is the example of Microsoft's sizing guide: 1,000 requests a minute of
// 200 tokens in and 20 out.
func vector(model string, cached float64) Demand {
	return Demand{Model: model, Minutes: Constant(Minute{Requests: 1000, Input: 200_000, Cached: cached * 200_000, Output: 20_000})}
}

func TestMicrosoftsSizingExample(t *testing.T) {
	f := func(cached, exact float64, global, dataZone, regional int) {
		t.Helper()
		for i, want := range []int{global, dataZone, regional} {
			s := answer(t, vector("gpt-5.2", cached)).Sizing[i]
			if s.PTUs != want || math.Abs(s.Exact-exact) > 0.005 {
				t.Errorf("cached %v, %s: want %d for %.2f, have %d for %.2f", cached, s.SKU, want, exact, s.PTUs, s.Exact)
			}
		}
	}
	f(0, 105.88, 110, 110, 150)
	f(0.5, 76.47, 80, 80, 100)
}

// From gpt-6 on, cached tokens count a tenth instead of nothing: 0.55 of the
// input and 5 times the output, at 3,000 a minute.
func TestCachedTokensByTheRuleOfTheGeneration(t *testing.T) {
	s := answer(t, vector("gpt-6-sol", 0.5)).Sizing[0]
	if want := (0.55*200_000 + 5*20_000) / 3000.; math.Abs(s.Exact-want) > 1e-9 {
		t.Errorf("want %.3f, have %.3f", want, s.Exact)
	}
}

// Break-even of provisioned throughput for input alone, per cent by the hour,
// month and year, at list prices of September and October 2026.
func TestBreakEvenUtilisation(t *testing.T) {
	f := func(model string, hour, month, year float64) {
		t.Helper()
		a := answer(t, Demand{Model: model, Minutes: Constant(Minute{Requests: 1, Input: 1e6})})
		for i, want := range []float64{hour, month, year} {
			if have := a.BreakEven[i]; have.SKU != price.GlobalProvisioned || math.Abs(100*have.Utilisation-want) > 1 {
				t.Errorf("%s by the %s: want %v %%, have %.1f %%", model, have.Term, want, 100*have.Utilisation)
			}
		}
	}
	f("gpt-4.1", 278, 99, 84)
	f("gpt-4.1-mini", 280, 100, 85)
	f("gpt-4o", 267, 95, 81)
	f("gpt-4o-mini", 300, 107, 91)
	f("gpt-5", 281, 100, 85)
	f("gpt-5-mini", 281, 100, 85)
	f("gpt-5.2", 280, 100, 85)
	f("gpt-5.4", 278, 99, 84)
	f("o1", 483, 172, 146)
}

// gpt-4o with three quarters of its input cached, 80 tokens in to 20 out:
// cached tokens take no PTUs but cost money, so PTUs pay sooner.
func TestCachedTokensMakeProvisionedThroughputPaySooner(t *testing.T) {
	a := answer(t, Demand{Model: "gpt-4o", Minutes: Constant(Minute{Requests: 1, Input: 80e3, Cached: 60e3, Output: 20e3})})
	if have := 100 * a.BreakEven[1].Utilisation; math.Abs(have-73) > 1 {
		t.Errorf("want 73 %%, have %.1f %%", have)
	}
}

func TestHourlyProvisionedThroughputNeverBeatsPayAsYouGoAtListPrice(t *testing.T) {
	checked := 0
	for _, p := range catalogue(t).PTUs() {
		a, err := Plan(catalogue(t), vector(p.Model, 0), today)
		if err != nil {
			continue // token prices are not known
		}
		for _, b := range a.BreakEven {
			if b.Term == Hourly && b.SKU == price.GlobalProvisioned {
				checked++
				if b.Utilisation <= 1 {
					t.Errorf("%s: cheaper from %.0f %% on", p.Model, 100*b.Utilisation)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d models have both prices", checked)
	}
}

// The bill, recomputed from the YAML of the catalogue without any code of the
// packages under test.
func TestTotalsFollowFromTheCatalogue(t *testing.T) {
	var file struct {
		Tokens []struct {
			Model, SKU string
			Input      any
			Cached     any
			Output     any
		}
	}
	text, err := os.ReadFile("../price/tokens.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	number := func(v any) float64 {
		switch n := v.(type) {
		case float64:
			return n
		case uint64:
			return float64(n)
		}
		return math.NaN()
	}
	checked := 0
	for _, p := range file.Tokens {
		in, cached, out := number(p.Input), number(p.Cached), number(p.Output)
		if math.IsNaN(in + cached + out) {
			continue
		}
		// 730 hours of 900 requests: 700 fresh and 300 cached tokens in, 50 out.
		d := Demand{Model: p.Model, Minutes: Constant(Minute{Requests: 15, Input: 15_000, Cached: 4_500, Output: 750})}
		const requests = 730 * 900
		want := requests * (700*in + 300*cached + 50*out) / 1e6
		o := answer(t, d).option(t, "payg/"+p.SKU)
		checked++
		if have := float64(o.Month) / 1e6; math.Abs(have-want) > 1e-5 {
			t.Errorf("%s %s: want %f, have %f", p.Model, p.SKU, want, have)
		}
		if have := float64(o.PerMillion) / 1e6; math.Abs(have-want/(requests*1050)*1e6) > 1e-6 {
			t.Errorf("%s: %f a million", p.Model, have)
		}
	}
	if checked < 15 {
		t.Errorf("only %d prices recomputed", checked)
	}
}

func TestEveryBillIsTheSumOfItsLines(t *testing.T) {
	for _, o := range answer(t, vector("gpt-4o", 0.3)).Options {
		var sum weir.Money
		for _, l := range o.Lines {
			sum += l.Amount
		}
		if sum != o.Month {
			t.Errorf("%s: lines sum to %s, the bill is %s", o.ID, sum, o.Month)
		}
	}
}

func TestAPriceThatIsNotKnownIsNamedAndNotInvented(t *testing.T) {
	a := answer(t, vector("gpt-5.2", 0))
	o := a.option(t, "payg/DataZoneStandard")
	if o.Available() || o.Month != 0 || !strings.Contains(strings.Join(o.Missing, ""), "gpt-5.2 DataZoneStandard") {
		t.Errorf("have %+v", o)
	}
	if !strings.Contains(strings.Join(a.Missing, "\n"), "gpt-5.2 DataZoneStandard") {
		t.Errorf("missing: %q", a.Missing)
	}
}

func TestPricesOlderThanNinetyDaysAreSaid(t *testing.T) {
	a, err := Plan(catalogue(t), vector("gpt-5.2", 0), today.Add(60*24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Stale) == 0 || !strings.Contains(a.Stale[0], "days old") {
		t.Errorf("have %q", a.Stale)
	}
	if now := answer(t, vector("gpt-5.2", 0)); len(now.Stale) > 0 {
		t.Errorf("today: %q", now.Stale)
	}
}

func TestAnUnknownModelIsAnError(t *testing.T) {
	if _, err := Plan(catalogue(t), vector("gpt-99", 0), today); err == nil || !strings.Contains(err.Error(), "gpt-99") {
		t.Errorf("have %v", err)
	}
}

func TestQuotaBinds(t *testing.T) {
	d := vector("gpt-5.2", 0)
	ptus, tpm := 100, 200_000.
	d.Quota = Quota{PTUs: &ptus, TPM: &tpm}
	a := answer(t, d)
	for _, id := range []string{"payg/GlobalStandard", "ptu/" + price.GlobalProvisioned + "/year"} {
		if o := a.option(t, id); o.Refused == "" || o.Binds[0].What != BindsQuota {
			t.Errorf("%s: %q, %v", id, o.Refused, o.Binds)
		}
	}
	if o := a.option(t, "ptu+spill/"+price.GlobalProvisioned+"/year"); o.PTUs != 100 {
		t.Errorf("spillover with %d PTUs", o.PTUs)
	}
}

func TestALatencyTargetBinds(t *testing.T) {
	d := vector("gpt-5.2", 0) // 50 tokens a second: 20 ms each
	d.SLO.TPOT = 15 * time.Millisecond
	if o := answer(t, d).option(t, "ptu/"+price.GlobalProvisioned+"/year"); o.Refused == "" || o.Binds[len(o.Binds)-1].What != BindsLatency {
		t.Errorf("have %q, %v", o.Refused, o.Binds)
	}
	d.SLO.TPOT = 20 * time.Millisecond
	if o := answer(t, d).option(t, "ptu/"+price.GlobalProvisioned+"/year"); o.Refused != "" {
		t.Errorf("have %q", o.Refused)
	}
}
