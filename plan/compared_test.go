package plan

import (
	"errors"
	"strings"
	"testing"

	"weir/price"
)

// inRegion is the plan of an own replica's demand in a region.
func inRegion(t *testing.T, region, estimate string) Answer {
	t.Helper()
	d := office(t, 0)
	d.Model, d.Region, d.Estimate = "gpt-4o", region, estimate
	m, err := newMarket(catalogue(t), d)
	if err != nil {
		t.Fatal(err)
	}
	a := m.advise()
	a.Words = m.words(a)
	return a
}

func TestARegionNobodyKnowsIsRefused(t *testing.T) {
	for _, d := range []Demand{{Region: "mars"}, {Region: "eastus", Estimate: "mars"}} {
		d.Model, d.Minutes = "gpt-4o", Constant(Minute{Requests: 1, Input: 10})
		if _, err := Plan(catalogue(t), d, today); !errors.Is(err, price.ErrUnknown) || !strings.Contains(err.Error(), `"mars"`) {
			t.Errorf("%+v: %v", d, err)
		}
	}
}

func TestTheHeadlineSaysWhatItWasComparedWith(t *testing.T) {
	a := inRegion(t, "Sweden Central", "")
	if a.Demand.Region != "swedencentral" {
		t.Errorf("region %q", a.Demand.Region)
	}
	c := a.Compared
	if c.Priced+c.Refused+c.Unpriced != len(a.Options) {
		t.Errorf("%+v of %d alternatives", c, len(a.Options))
	}
	if !strings.Contains(a.Words[0], "alternatives with a known price") {
		t.Errorf("headline: %s", a.Words[0])
	}
	for _, want := range []string{"NC40ads_H100_v5", "gpt-4o DataZoneStandard", "weir price update --region swedencentral", "--estimate-from eastus"} {
		if !strings.Contains(a.Words[1], want) {
			t.Errorf("%q is not in: %s", want, a.Words[1])
		}
	}
}

func TestAnEstimateIsMarkedAndCountsAsOne(t *testing.T) {
	plain, a := inRegion(t, "swedencentral", ""), inRegion(t, "swedencentral", "eastus")
	here := inRegion(t, "eastus", "")
	if a.Compared.Estimated == 0 || a.Compared.Unpriced >= plain.Compared.Unpriced || a.Compared.Unpriced != here.Compared.Unpriced {
		t.Errorf("estimated %+v, plain %+v, eastus %+v", a.Compared, plain.Compared, here.Compared)
	}
	id := "own/aks/" + small + "/always"
	o := a.option(t, id)
	if o.Estimated != "eastus" || o.Month != here.option(t, id).Month || !strings.Contains(o.Title(), "estimated, prices of eastus") {
		t.Errorf("have %q, %s", o.Title(), o.Month)
	}
	if !strings.Contains(strings.Join(a.Words, "\n"), "at prices of eastus, because those of swedencentral are not known") {
		t.Errorf("words: %q", a.Words)
	}
	if o := here.option(t, id); o.Estimated != "" {
		t.Error("a price of the region itself is estimated")
	}
}

func TestWithAndWithoutTheMeasuresAreToldApart(t *testing.T) {
	d := chat()
	d.Batch, d.Answers = 0.3, 0.1
	a := answer(t, d)
	if a.Plain.Option == nil || a.Plain.Month != a.Options[0].Month || len(a.Plain.Measures) > 0 || a.Plain.Month <= a.Advice.Month {
		t.Errorf("without measures %+v", a.Plain)
	}
	text := strings.Join(a.Words, "\n")
	if !strings.Contains(text, "Without response cache and batch the cheapest is pay as you go, global for the whole demand, at $1,971.00 a month") ||
		strings.Contains(text, "Everything on") {
		t.Errorf("words: %s", text)
	}
	if why := a.Services[0].Why; !strings.Contains(why, "for the demand the measures leave") {
		t.Errorf("service: %s", why)
	}
	if text := strings.Join(answer(t, chat()).Words, "\n"); strings.Contains(text, "ithout") {
		t.Errorf("a demand without measures: %s", text)
	}
}
