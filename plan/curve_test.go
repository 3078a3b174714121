package plan

import (
	"testing"

	"pgregory.net/rapid"

	"weir"
)

// drawnWeek is a demand of some hours, spiky or not.
func drawnWeek(t *rapid.T) Demand {
	d := Demand{Model: "gpt-4o", Region: "eastus"}
	n := rapid.IntRange(1, 200).Draw(t, "minutes")
	for range n {
		r := float64(rapid.SampledFrom([]int{0, 1, 5, 30, 300, 3000, 30_000}).Draw(t, "requests"))
		d.Minutes = append(d.Minutes, Minute{Requests: r, Input: r * 1000, Output: r * 200})
	}
	d.Minutes[0].Requests++
	d.Minutes[0].Input += 10
	return d
}

func TestNoDrawnLineFallsWhileTheDemandGrows(t *testing.T) {
	m, err := newMarket(catalogue(t), Demand{OpenModel: "Llama-3.1-8B", Region: "eastus",
		Minutes: Constant(Minute{Requests: 1, Input: 1000, Output: 200})})
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		d := drawnWeek(t)
		own := &market{c: m.c, d: d, total: d.Total(), book: &book{}, where: m.where, fleets: m.fleets}
		own.by = own.hours()
		if err := own.readOffers(); err != nil {
			t.Fatal(err)
		}
		var last Point
		for _, p := range own.curve().Points {
			for _, line := range []struct {
				name     string
				was, now weir.Money
			}{{"pay as you go", last.PayAsYouGo, p.PayAsYouGo}, {"provisioned", last.Provisioned, p.Provisioned}, {"own", last.Own, p.Own}} {
				if line.now < line.was && line.now != 0 {
					t.Fatalf("%s: %s at %.3g times the demand, %s at %.3g times", line.name, line.was, last.Times, line.now, p.Times)
				}
			}
			last = p
		}
	})
}

// One minute of the week needs a hundred times as much as the others: PTUs for
// its peak cost most of all, until some of it spills over.
func TestTheMixOfASpikyDemandIsDrawnFromTheFirstPointOn(t *testing.T) {
	d := vector("gpt-4o", 0)
	quiet := d.Minutes[0].times(0.01)
	d.Minutes = append(d.Minutes, quiet, quiet, quiet, quiet, quiet, quiet, quiet, quiet, quiet)
	m, err := newMarket(catalogue(t), d)
	if err != nil {
		t.Fatal(err)
	}
	c := m.curve()
	fewest := 15 * 221.0 // dollars a month by the year
	if first := float64(c.Points[0].Provisioned) / 1e6; first < fewest || first > 1.5*fewest {
		t.Errorf("a 64th of the demand costs $%.2f", first)
	}
}
