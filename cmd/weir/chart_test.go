package main

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// elements counts the elements of a drawing, which must be well formed.
func elements(t interface{ Fatalf(string, ...any) }, svg string) map[string]int {
	n := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			n[e.Name.Local]++
		}
	}
}

func TestWhateverIsDrawnIsWellFormedAndHasNoPlaceThatIsNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 30).Draw(t, "points")
		value := rapid.OneOf(rapid.Float64Range(0, 1e9), rapid.Just(math.NaN()), rapid.Just(0.0))
		c := chart{
			title: rapid.String().Draw(t, "title"), unit: " s", hours: rapid.Bool().Draw(t, "hours"),
			log: rapid.Bool().Draw(t, "log"), limit: rapid.Float64Range(0, 100).Draw(t, "limit"), limitName: "<&>",
		}
		x := 0.0
		for range n {
			c.xs = append(c.xs, x)
			x += rapid.Float64Range(0, 10).Draw(t, "gap")
		}
		for range rapid.IntRange(0, 10).Draw(t, "lines") {
			c.series = append(c.series, series{
				name: rapid.String().Draw(t, "name"), ys: rapid.SliceOfN(value, n, n).Draw(t, "ys"), step: rapid.Bool().Draw(t, "step"),
			})
		}
		svg := string(c.svg())
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Fatalf("a place that is none:\n%s", svg)
		}
		if strings.ContainsAny(c.title, "\x00") {
			return // no XML can say that
		}
		for _, s := range append([]series{{name: c.title}}, c.series...) {
			for _, r := range s.name {
				if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD {
					return // nor that
				}
			}
		}
		if have := elements(t, svg)["path"]; have != 2*len(c.series) { // a wide and a narrow drawing
			t.Fatalf("%d lines are drawn of %d in two drawings", have, len(c.series))
		}
	})
}

func TestDecisionsInOnePlaceAreOneMark(t *testing.T) {
	c := chart{hours: true, xs: []float64{0, 24}}
	for range 500 {
		c.marks = append(c.marks, mark{12, "at noon"})
	}
	c.marks = append(c.marks, mark{13, "want 3 <more>"})
	svg := string(c.svg())
	if n := elements(t, svg)["rect"]; n != 2*2 {
		t.Errorf("%d marks, want 2 in each of two drawings", n)
	}
	for _, want := range []string{"at noon", "and 494 more", "want 3 &lt;more&gt;"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no mark says %q", want)
		}
	}
}

func TestWhatIsFarBeyondThePromiseIsCutOff(t *testing.T) {
	c := chart{hours: true, xs: []float64{0, 1}, limit: 2, series: []series{{ys: []float64{1, 100}}}}
	if s, cut := c.bounds(); !cut || s.y1 > 12 {
		t.Errorf("drawn up to %v, cut %v: the promise of 2 cannot be seen", s.y1, cut)
	}
	c.series[0].ys[1] = 3
	if s, cut := c.bounds(); cut || s.y1 < 3 {
		t.Errorf("drawn up to %v, cut %v", s.y1, cut)
	}
}

func TestTheHoursAreLabelledAtRoundTimes(t *testing.T) {
	f := func(hours float64, want string) {
		t.Helper()
		svg := string(chart{hours: true, xs: []float64{0, hours}}.svg())
		if !strings.Contains(svg, ">"+want+"<") {
			t.Errorf("%v hours are not labelled with %s:\n%s", hours, want, svg)
		}
	}
	f(24, "3:00")
	f(1, "0:10")
	f(1.0/60, "0:00:10")
	f(72, "12:00")
}
