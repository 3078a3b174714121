package chart

import (
	"encoding/xml"
	"errors"
	"flag"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
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
		c := Chart{
			Title: rapid.String().Draw(t, "title"), Limit: rapid.Float64Range(0, 100).Draw(t, "limit"), LimitIs: "<&>",
			X: Axis{Hours: rapid.Bool().Draw(t, "hours"), Name: rapid.SampledFrom([]string{"", "<x>"}).Draw(t, "name")},
			Y: Axis{Unit: " s", Log: rapid.Bool().Draw(t, "log")},
		}
		x := 0.0
		for range n {
			c.Xs = append(c.Xs, x)
			x += rapid.Float64Range(0, 10).Draw(t, "gap")
		}
		for range rapid.IntRange(0, 10).Draw(t, "lines") {
			c.Lines = append(c.Lines, Line{
				Name: rapid.String().Draw(t, "name"), Ys: rapid.SliceOfN(value, n, n).Draw(t, "ys"), Step: rapid.Bool().Draw(t, "step"),
			})
		}
		svg := string(c.SVG())
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Fatalf("a place that is none:\n%s", svg)
		}
		if strings.ContainsAny(c.Title, "\x00") {
			return // XML cannot express that
		}
		for _, s := range append([]Line{{Name: c.Title}}, c.Lines...) {
			for _, r := range s.Name {
				if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF || r == 0xFFFD {
					return // nor that
				}
			}
		}
		if have := elements(t, svg)["path"]; have != 2*len(c.Lines) { // a wide and a narrow drawing
			t.Fatalf("%d lines are drawn of %d in two drawings", have, len(c.Lines))
		}
	})
}

func TestDecisionsInOnePlaceAreOneMark(t *testing.T) {
	c := Chart{X: Axis{Hours: true}, Xs: []float64{0, 24}}
	for range 500 {
		c.Marks = append(c.Marks, Mark{12, "at noon"})
	}
	c.Marks = append(c.Marks, Mark{13, "want 3 <more>"})
	svg := string(c.SVG())
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
	c := Chart{X: Axis{Hours: true}, Xs: []float64{0, 1}, Limit: 2, Lines: []Line{{Ys: []float64{1, 100}}}}
	if p, cut := c.scales(broad); !cut || p.y.high > 12 {
		t.Errorf("drawn up to %v, cut %v: the promise of 2 cannot be seen", p.y.high, cut)
	}
	c.Lines[0].Ys[1] = 3
	if p, cut := c.scales(broad); cut || p.y.high < 3 {
		t.Errorf("drawn up to %v, cut %v", p.y.high, cut)
	}
}

func TestTheHoursAreLabelledAtRoundTimes(t *testing.T) {
	f := func(hours float64, want string) {
		t.Helper()
		svg := string(Chart{X: Axis{Hours: true}, Xs: []float64{0, hours}}.SVG())
		if !strings.Contains(svg, ">"+want+"<") {
			t.Errorf("%v hours are not labelled with %s:\n%s", hours, want, svg)
		}
	}
	f(24, "3:00")
	f(1, "0:10")
	f(1.0/60, "0:00:10")
	f(72, "12:00")
}

func TestMoneyOnAnAxisStandsAfterItsSign(t *testing.T) {
	c := Chart{Title: "Cost so far", Y: Axis{Unit: " $"}, Xs: []float64{0, 1, 2}, Lines: []Line{{Name: "all", Ys: []float64{0, 20, 40}}}}
	svg := string(c.SVG())
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
	round := regexp.MustCompile(`^\$[0-9]{1,3}(\.[0-9]{1,2})?[kMGT]?$`)
	for _, s := range []struct {
		span
		log bool
	}{{span{0, 0.6}, false}, {span{0, 7300}, false}, {span{0, 64e3}, false}, {span{3, 5e6}, true}, {span{2100, 8000}, true}, {span{10, 99}, true}} {
		a := Axis{Unit: "$", Log: s.log}
		r := a.ruler(s.span, left, broad-right)
		ticks := r.roundTicks(a)
		if len(ticks) < 2 {
			t.Errorf("%+v: %d ticks", s, len(ticks))
		}
		for _, v := range ticks {
			if !round.MatchString(v.text) {
				t.Errorf("%+v: tick %s", s, v.text)
			}
		}
	}
}

// The golden files hold one drawing of each kind; view them in a browser after
// go test ./report/chart -update.
func TestDrawingsAreThoseOfTheGoldenFiles(t *testing.T) {
	f := func(name string, svg template.HTML) {
		t.Helper()
		elements(t, string(svg))
		file := filepath.Join("testdata", name+".html")
		if *update {
			if err := os.WriteFile(file, []byte(svg), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(svg) {
			t.Errorf("%s has changed (-update writes it):\n%s", file, svg)
		}
	}
	none := math.NaN()
	f("time", Chart{
		Title: "Replicas", X: Axis{Hours: true}, Xs: []float64{0, 0.25, 0.5, 0.75, 1}, Limit: 3, LimitIs: "promised",
		Lines: []Line{{Name: "ready", Ys: []float64{1, 1, 2, 2, 4}, Step: true, Wide: true}, {Name: "waiting", Ys: []float64{0, 1, none, 2, 1}}},
		Marks: []Mark{{0.5, "have 1, want 2"}, {0.5001, "have 2, want 4"}},
	}.SVG())
	f("points", Chart{
		Title: "Cost of missing less", X: Axis{Unit: " $"}, Y: Axis{Unit: " %", Log: true, From: 0.01, To: 100}, Limit: 1, LimitIs: "1 %",
		Lines: []Line{{Name: "weir", Xs: []float64{3, 1, 2}, Ys: []float64{0.1, 20, 1}, Tips: []string{"c", "a", "b"}}},
	}.SVG())
	f("curve", Chart{
		Title: "cost over demand", Bare: true, Height: 380, X: Axis{Name: "times the demand", Log: true, Grid: true}, Y: Axis{Unit: "$", Log: true},
		Xs: []float64{0.1, 1, 10}, Lines: []Line{{Class: "payg", Ys: []float64{20, 200, 2000}}, {Class: "own", Ys: []float64{none, 900, 950}}},
		Rules: []Rule{{1, "now"}}, Dots: []Dot{{10, 950, "own"}}, Keys: []Key{{"payg", "pay as you go"}, {"own", "own replicas"}},
	}.SVG())
	f("bars", Bars{
		Title: "alternatives by cost", Keys: []Key{{"payg", "pay as you go"}},
		Rows: []Bar{{"Standard", "payg", 100, "$100.00"}, {strings.Repeat("long ", 20), "own", 250, "$250.00"}},
	}.SVG())
}

func TestALogarithmicAxisNeedsNoValueAboveZero(t *testing.T) {
	for _, ys := range [][]float64{nil, {0, 0}, {0, 5}, {5, 5}, {math.NaN(), 3}} {
		svg := string(Chart{Xs: []float64{0, 1}, X: Axis{Log: true}, Y: Axis{Log: true}, Lines: []Line{{Ys: ys}}}.SVG())
		if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%v: a place that is none:\n%s", ys, svg)
		}
	}
}

var update = flag.Bool("update", false, "write the golden files")

func TestAnAxisNamesNineValuesAtMostAndFiveOnATelephone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Axis{Hours: rapid.Bool().Draw(t, "hours")}
		s := span{low: rapid.Float64Range(0, 100).Draw(t, "low")}
		s.high = s.low + rapid.Float64Range(0.01, 600).Draw(t, "wide")
		for width, most := range map[float64]int{broad: 9, narrow: 5} {
			ticks := a.ruler(s, left, width-right).roundTicks(a)
			if len(ticks) > most {
				t.Fatalf("%v to %v has %d values on a width of %v: %v", s.low, s.high, len(ticks), width, ticks)
			}
		}
	})
}

func TestAValueHasThreeDigitsAtMost(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1234: "1.23k", 999: "999", 0.01234: "0.0123", 2e6: "2M", 3.456e9: "3.46G", 5e12: "5T", -1500: "-1.5k"} {
		if have := Value(v, ""); have != want {
			t.Errorf("%v is %q, want %q", v, have, want)
		}
	}
}
