package plan

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/price"
	"weir/saturate"
)

// office is a working week of an open model: 60 requests a minute from 8 to 18.
func office(t *testing.T, outside float64) Demand {
	t.Helper()
	share, err := Business([]time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}, 8, 18, outside)
	if err != nil {
		t.Fatal(err)
	}
	return Demand{OpenModel: "Llama-3.1-8B", Region: "eastus", SLO: weir.SLO{TTFT: time.Second, TPOT: 50 * time.Millisecond},
		Minutes: Weekly(Minute{Requests: 60, Input: 60_000, Output: 12_000}, share)}
}

// offered is a plan's alternatives, without the outlook.
func offered(t *testing.T, d Demand) Answer {
	t.Helper()
	m, err := newMarket(catalogue(t), d)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{Options: m.options(1)}
}

const small = "Standard_NC24ads_A100_v4" // one A100 at $3.67 an hour

func TestOwnReplicasCostTheirHours(t *testing.T) {
	a := offered(t, office(t, 0))
	f := func(id string, want float64) {
		t.Helper()
		o := a.option(t, id)
		if o.VMs != 1 || math.Abs(float64(o.Month)/1e6-want) > 0.005 {
			t.Errorf("%s: want $%.2f, have %s with %d VMs: %v", id, want, o.Month, o.VMs, o.Lines)
		}
	}
	f("own/aks/"+small+"/always", 730*3.67)
	// 50 of 168 hours, and five mornings on which the model is loaded.
	o := a.option(t, "own/aks/"+small+"/scaled")
	if have, want := float64(o.Lines[0].Amount)/1e6, 730*50/168.*3.67; math.Abs(have-want) > 0.005 {
		t.Errorf("scaled: want $%.2f, have $%.2f", want, have)
	}
	load := float64(o.Month-o.Lines[0].Amount) / 1e6
	if load <= 0 || load > 0.05*float64(o.Month)/1e6 {
		t.Errorf("loading five times a week costs $%.2f", load)
	}
	// A managed endpoint keeps one instance: nothing to scale.
	f("own/managed_online/"+small+"/always", 730*3.67)
	for _, o := range a.Options {
		if o.ID == "own/managed_online/"+small+"/scaled" {
			t.Errorf("one instance that cannot go to zero was scaled to %s", o.Month)
		}
	}
}

// By size: a managed endpoint keeps a reserve of 20 % on T4s and none on A100s.
func TestAManagedEndpointTakesMoreOfTheQuotaThanItUsesUnlessItsSizeIsExempt(t *testing.T) {
	d := office(t, 0)
	d.Minutes = Constant(Minute{Requests: 6000, Input: 6e6, Output: 1.2e6})
	for _, c := range []struct {
		place, size string
		vcpus       int
		factor      float64
	}{
		{"managed_online", small, 24, 1},
		{"aks", small, 24, 1},
		{"managed_online", "Standard_NC64as_T4_v3", 64, 1.2},
		{"aks", "Standard_NC64as_T4_v3", 64, 1},
	} {
		id := "own/" + c.place + "/" + c.size + "/always"
		d.Quota.VCPUs = nil
		need := int(math.Ceil(c.factor*float64(offered(t, d).option(t, id).VMs))) * c.vcpus
		for _, slack := range []int{-1, 0} {
			limit := need + slack
			d.Quota.VCPUs = &limit
			o := offered(t, d).option(t, id)
			if refused := o.Refused != ""; refused != (slack < 0) {
				t.Errorf("%s with a quota of %d: refused %q", id, limit, o.Refused)
			}
		}
	}
}

func TestAModelThatDoesNotFitIsRefusedForItsMemory(t *testing.T) {
	d := office(t, 0)
	d.OpenModel = "Llama-3.1-70B" // about 140 GB in 16 bits
	o := offered(t, d).option(t, "own/any/"+small+"/always")
	if o.Available() || len(o.Binds) == 0 || o.Binds[0].What != BindsMemory {
		t.Errorf("have %+v", o)
	}
}

func TestASizeWithoutAPriceIsNamed(t *testing.T) {
	o := offered(t, office(t, 0)).option(t, "own/any/Standard_ND96isr_H200_v5/always")
	if o.Available() || !strings.Contains(strings.Join(o.Missing, ""), "Standard_ND96isr_H200_v5, eastus") {
		t.Errorf("have %+v", o)
	}
}

func TestReservedAndSpotAreComparedWhereTheirPriceIsKnown(t *testing.T) {
	c, err := catalogue(t).Override("mine", []byte("sources:\n  deal: {what: ours, date: 2026-11-01}\n"+
		"vm_prices:\n- {vm: "+small+", region: eastus, source: deal, year: 2.5, three_years: 1.5, spot: 1.2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Plan(c, office(t, 0), today)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]float64{"year": 730 * 2.5, "three_years": 730 * 1.5} {
		if o := a.option(t, "own/aks/"+small+"/"+id); math.Abs(float64(o.Month)/1e6-want) > 0.005 {
			t.Errorf("%s: want $%.2f, have %s", id, want, o.Month)
		}
	}
	if o := a.option(t, "own/aks/"+small+"/spot"); !strings.Contains(strings.Join(o.Notes, ""), "evicted at any time") {
		t.Errorf("spot: %q", o.Notes)
	}
	if best, _ := a.Best(); best.ID != "own/aks/"+small+"/spot" {
		t.Errorf("cheapest is %s", best.ID)
	}
}

func TestRepliesThatMeetNoTargetAreRefusedForTheirLatency(t *testing.T) {
	d := office(t, 0)
	d.SLO.TPOT = time.Millisecond
	o := offered(t, d).option(t, "own/any/"+small+"/always")
	if o.Available() || o.Binds[0].What != BindsLatency {
		t.Errorf("have %q, %v", o.Refused, o.Binds)
	}
}

func TestTargetsNobodyGaveAreSaidToBeAssumed(t *testing.T) {
	d := office(t, 0)
	d.SLO = weir.SLO{}
	if text := strings.Join(answer(t, d).Assumed, "\n"); !strings.Contains(text, "time to first token 2s") || !strings.Contains(text, "time per output token 100ms") {
		t.Errorf("assumed: %s", text)
	}
}

func TestAnOpenModelNobodyKnowsIsAnError(t *testing.T) {
	d := office(t, 0)
	d.OpenModel = "Llama-99"
	if _, err := Plan(catalogue(t), d, today); err == nil || !strings.Contains(err.Error(), "Llama-99") {
		t.Errorf("have %v", err)
	}
}

func TestProvisionedBillsFollowFromTheCatalogue(t *testing.T) {
	a := answer(t, vector("gpt-5.2", 0))
	for id, want := range map[string]float64{
		"ptu/" + price.GlobalProvisioned + "/hour":    110 * 730 * 1.00,
		"ptu/" + price.GlobalProvisioned + "/month":   110 * 260,
		"ptu/" + price.GlobalProvisioned + "/year":    110 * 2652 / 12.,
		"ptu/" + price.DataZoneProvisioned + "/hour":  110 * 730 * 1.10,
		"ptu/" + price.DataZoneProvisioned + "/year":  110 * 2916 / 12.,
		"ptu/" + price.RegionalProvisioned + "/month": 150 * 286,
		// 105 PTUs carry 357,000 of the 360,000 normalised tokens a minute.
		"ptu+spill/" + price.GlobalProvisioned + "/year": 105*2652/12. + 27594*3/360.,
	} {
		if have := float64(a.option(t, id).Month) / 1e6; math.Abs(have-want) > 0.01 {
			t.Errorf("%s: want $%.2f, have $%.2f", id, want, have)
		}
	}
}

// Simulated together, the replicas of a plan keep the SLO for at least the
// share of requests that one replica is sized for.
func TestTheReplicasOfAPlanKeepTheSLOWhenPlayed(t *testing.T) {
	d := office(t, 0.1)
	d = d.times(50)
	a := answer(t, d)
	s, err := Simulate(t.Context(), catalogue(t), d, a, 7)
	if err != nil {
		t.Fatal(err)
	}
	if s.Replicas < 2 || s.Requests < 10_000 || s.Attained < saturate.DefaultGoal {
		t.Errorf("have %+v", s)
	}
	again, err := Simulate(t.Context(), catalogue(t), d, a, 7)
	if err != nil || !reflect.DeepEqual(again, s) {
		t.Errorf("the same seed gave %+v, %v", again, err)
	}
	// With a third of the replicas they miss it.
	a.Advice.Option.Replicas /= 3
	if s, err = Simulate(t.Context(), catalogue(t), d, a, 7); err != nil || s.Attained > 0.5 {
		t.Errorf("with a third: %+v, %v", s, err)
	}
	if _, err = Simulate(t.Context(), catalogue(t), chat(), answer(t, chat()), 7); !errors.Is(err, ErrNoReplicas) {
		t.Errorf("have %v", err)
	}
}

// Azure's small A10 sizes have a part of a GPU: they are compared like the
// others, with that part of its speed, once their price is known.
func TestPartsOfAGPUAreComparedAsPartOfItsSpeed(t *testing.T) {
	c, err := catalogue(t).Override("deal.yaml", []byte(`
sources:
  deal: {what: our agreement, date: 2026-11-01}
vm_prices:
- {vm: Standard_NV12ads_A10_v5, region: eastus, source: deal, hour: 0.91}
- {vm: Standard_NV18ads_A10_v5, region: eastus, source: deal, hour: 1.60}
- {vm: Standard_NV36ads_A10_v5, region: eastus, source: deal, hour: 3.20}
`))
	if err != nil {
		t.Fatal(err)
	}
	d := office(t, 0)
	d.OpenModel = "Llama-3.2-1B"
	m, err := newMarket(c, d)
	if err != nil {
		t.Fatal(err)
	}
	rate := map[string]machine{}
	for _, at := range m.fleets {
		rate[at.vm.Name] = at
	}
	third, half, whole := rate["Standard_NV12ads_A10_v5"], rate["Standard_NV18ads_A10_v5"], rate["Standard_NV36ads_A10_v5"]
	if third.rate <= 0 || third.rate >= half.rate || half.rate >= whole.rate || third.rate > whole.rate/2 {
		t.Errorf("requests a minute: a third %.0f, half %.0f, whole %.0f", third.rate, half.rate, whole.rate)
	}
	a := Answer{Options: m.options(1)}
	o := a.option(t, "own/aks/Standard_NV12ads_A10_v5/always")
	if !strings.Contains(strings.Join(o.Notes, " "), "0.333 of a GPU") || o.Month == 0 {
		t.Errorf("%s a month, notes %q", o.Month, o.Notes)
	}
}
