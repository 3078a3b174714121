package chart

import (
	"fmt"
	"math"
	"strings"
	"time"

	"weir/report/words"
)

// Axis is the layout and labels of values.
type Axis struct {
	Name     string  // below the x axis; "": none
	Unit     string  // after each value; "$" comes before it
	Hours    bool    // values are hours since the beginning
	Zero     bool    // of x: begins at 0, as y does
	Grid     bool    // of x: lines at the labelled values, as y has them
	Log      bool    // powers of ten at equal distances
	From, To float64 // of a logarithmic axis; both 0: the range of the values
}

// text is the label of a value.
func (a Axis) text(v float64) string {
	if strings.TrimSpace(a.Unit) == "$" {
		return "$" + number(v)
	}
	return number(v) + a.Unit
}

// Value is a value with its unit, as on an axis, in three digits.
func Value(v float64, unit string) string { return Axis{Unit: unit}.text(v) }

// number writes a value with at most three digits and a suffix.
func number(v float64) string {
	for _, s := range []struct {
		letter string
		unit   float64
	}{{"T", 1e12}, {"G", 1e9}, {"M", 1e6}, {"k", 1e3}} {
		if math.Abs(v) >= s.unit {
			return fmt.Sprintf("%.3g%s", v/s.unit, s.letter)
		}
	}
	return fmt.Sprintf("%.3g", v+0) // not -0
}

// span is the least and the largest of some values.
type span struct{ low, high float64 }

func (s *span) see(v float64) {
	if !math.IsNaN(v) {
		s.low, s.high = min(s.low, v), max(s.high, v)
	}
}

// orOne is a span of one if there are no two different values.
func (s span) orOne() span {
	if s.high > s.low {
		return s
	}
	if math.IsInf(s.low, 0) || math.IsInf(s.high, 0) {
		return span{0, 1}
	}
	return span{min(s.low, 0), max(s.high, 0) + 1}
}

// upFromZero is the span of a y axis: a linear one goes from 0 to a round number.
func (s span) upFromZero(a Axis) span {
	if a.Log {
		return s.orOne()
	}
	return span{0, round(s.high)}
}

// round is a number at or above v that divides well into four.
func round(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 1
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10} {
		if v <= step*magnitude*(1+1e-12) {
			return step * magnitude
		}
	}
	return v
}

// overTop is how far beyond the end of an axis a line is still drawn.
const overTop = 1.02

// ruler maps values to positions in the drawing.
type ruler struct {
	span
	from, to float64 // positions of low and high
	log      bool
	most     float64 // of the way from low to high; 0: no bound
}

func (a Axis) ruler(s span, from, to float64) ruler {
	switch {
	case a.Log && a.To > a.From:
		s = span{a.From, a.To}
	case a.Log && !(s.high > 0):
		s = span{0.1, 1}
	case a.Log && !(s.low > 0): // it has no zero
		s.low = s.high / 1000
	}
	return ruler{span: s, from: from, to: to, log: a.Log}
}

func (r ruler) at(v float64) float64 {
	share := (v - r.low) / (r.high - r.low)
	if r.log {
		share = math.Log(max(v, r.low)/r.low) / math.Log(r.high/r.low)
	}
	if r.most > 0 {
		share = min(share, r.most)
	}
	return r.from + share*(r.to-r.from)
}

// quarters are five values from low to high, or the powers of ten.
func (r ruler) quarters() []float64 {
	if r.log {
		return r.powers()
	}
	var all []float64
	for i := range 5 {
		all = append(all, r.low+(r.high-r.low)*float64(i)/4)
	}
	return all
}

// powers are powers of ten, with some values between them if they are few.
func (r ruler) powers() []float64 {
	between := []float64{1}
	switch {
	case r.high < 10*r.low:
		between = []float64{1, 1.5, 2, 3, 4, 6, 8}
	case r.high < 100*r.low:
		between = []float64{1, 2, 5}
	}
	var all []float64
	for p := math.Floor(math.Log10(r.low)); p <= math.Ceil(math.Log10(r.high)); p++ {
		for _, k := range between {
			if v := k * math.Pow(10, p); v >= r.low*0.999 && v <= r.high*1.001 {
				all = append(all, v)
			}
		}
	}
	return all
}

// roundTicks are round values with their labels: at most nine on a wide
// drawing, five on a narrow one.
func (r ruler) roundTicks(a Axis) []tick {
	var all []tick
	if r.log {
		for _, v := range r.powers() {
			all = append(all, tick{v, a.text(v)})
		}
		return all
	}
	most := 8.0
	if r.to < broad-right {
		most = 4
	}
	step := stepOf(r.high-r.low, most, a.Hours)
	for v := math.Ceil(r.low/step-1e-9) * step; v <= r.high*(1+1e-9); v += step {
		text := a.text(v)
		if a.Hours {
			text = words.Clock(time.Duration(v * float64(time.Hour)))
			if step >= 1.0/60 {
				text = strings.TrimSuffix(text, ":00")
			}
		}
		all = append(all, tick{v, text})
	}
	return all
}

// tick is a labelled value of an axis.
type tick struct {
	value float64
	text  string
}

// stepOf is a round step, of which at most `most` fit into the width; hours use
// the steps of a clock.
func stepOf(width, most float64, hours bool) float64 {
	if hours {
		for _, seconds := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400} {
			if width*3600 <= most*seconds {
				return seconds / 3600
			}
		}
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(width/most)))
	for _, m := range []float64{1, 2, 5} {
		if width <= most*m*magnitude {
			return m * magnitude
		}
	}
	return 10 * magnitude
}
