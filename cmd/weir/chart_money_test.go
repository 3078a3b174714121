package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestMoneyOnAnAxisStandsAfterItsSign(t *testing.T) {
	c := chart{title: "Cost so far", unit: " $", xs: []float64{0, 1, 2}, series: []series{{name: "all", ys: []float64{0, 20, 40}}}}
	svg := string(c.svg())
	for _, want := range []string{">$10<", ">$40<", `class="broad"`, `class="narrow"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("%s is not in %s", want, svg)
		}
	}
	if strings.Contains(svg, " $<") {
		t.Errorf("an amount stands before its sign: %s", svg)
	}
}

func TestTicksOfMoneyAreRoundWords(t *testing.T) {
	round := regexp.MustCompile(`^\$[0-9]{1,3}(\.[0-9]{1,2})?[kMG]?$`)
	for _, s := range []ruler{{low: 0, high: 0.6}, {low: 0, high: 7300}, {low: 0, high: 64e3}, {low: 3, high: 5e6, log: true}, {low: 2100, high: 8000, log: true}, {low: 10, high: 99, log: true}} {
		ticks := s.ticks()
		if len(ticks) < 2 {
			t.Errorf("%+v: %d ticks", s, len(ticks))
		}
		for _, v := range ticks {
			if text := dollarTick(v); !round.MatchString(text) {
				t.Errorf("%+v: tick %s", s, text)
			}
		}
	}
}
