package main

import (
	"fmt"
	"html/template"
	"math"
	"strings"

	"weir"
	"weir/plan"
	"weir/report/words"
)

// drawing is an SVG under construction. Colours and fonts are the page's.
type drawing struct {
	strings.Builder
	width, height float64
	left          float64 // of the plot
}

// Widths drawings are made in; the page shows the one that fits it.
const (
	drawBroad  = 900.0
	drawNarrow = 370.0
)

func newDrawing(width, height float64, title string) *drawing {
	d := &drawing{width: width, height: height, left: 64}
	class := "broad"
	if width < drawBroad {
		class, d.left = "narrow", 50
	}
	fmt.Fprintf(d, `<svg class="`+class+`" viewBox="0 0 %g %g" role="img" aria-label="%s">`, width, height, template.HTMLEscapeString(title))
	return d
}

// html ends the drawing. Every text in it went through text or newDrawing,
// which escape it.
func (d *drawing) html() template.HTML {
	d.WriteString("</svg>")
	return template.HTML(d.String())
}

func (d *drawing) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, class, x1, y1, x2, y2)
}

func (d *drawing) text(class string, x, y float64, text string) {
	fmt.Fprintf(d, `<text class="%s" x="%.1f" y="%.1f">%s</text>`, class, x, y, template.HTMLEscapeString(text))
}

// ruler maps values to a stretch of the drawing.
type ruler struct {
	low, high float64 // values
	from, to  float64 // where they are drawn
	log       bool
}

func (s ruler) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	if high == low {
		return s.from
	}
	return s.from + (v-low)/(high-low)*(s.to-s.from)
}

// ticks are round values: powers of ten on a logarithmic scale, with 2 and 5
// times them where it has few; else about five.
func (s ruler) ticks() []float64 {
	var all []float64
	if s.log {
		between := []float64{1}
		switch {
		case s.high < 10*s.low:
			between = []float64{1, 1.5, 2, 3, 4, 6, 8}
		case s.high < 100*s.low:
			between = []float64{1, 2, 5}
		}
		for p := math.Floor(math.Log10(s.low)); p <= math.Ceil(math.Log10(s.high)); p++ {
			for _, k := range between {
				if v := k * math.Pow(10, p); v >= s.low*0.999 && v <= s.high*1.001 {
					all = append(all, v)
				}
			}
		}
		return all
	}
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/4)))
	for _, k := range []float64{1, 2, 5, 10} {
		if (s.high-s.low)/(step*k) <= 6 {
			step *= k
			break
		}
	}
	for i := math.Ceil(s.low / step); i*step <= s.high*1.0001; i++ {
		all = append(all, i*step)
	}
	return all
}

// Margins of drawings with axes.
const (
	drawRight, drawTop, drawBottom = 16.0, 16.0, 44.0
)

// axes draws the frame of a plot.
func (d *drawing) axes(x, y ruler, xName string, xText, yText func(float64) string) {
	for _, v := range y.ticks() {
		d.line("grid", x.from, y.at(v), x.to, y.at(v))
		d.text("end", x.from-6, y.at(v)+4, yText(v))
	}
	for _, v := range x.ticks() {
		d.line("grid", x.at(v), y.from, x.at(v), y.to)
		d.text("middle", x.at(v), y.from+16, xText(v))
	}
	d.text("middle name", (x.from+x.to)/2, y.from+34, xName)
}

// dollarTick writes a round amount: "$2k".
func dollarTick(v float64) string {
	if v >= 1e3 && v < 1e4 {
		return fmt.Sprintf("$%.4gk", v/1e3)
	}
	return "$" + short(v)
}

// point is one of a line; a y of 0 is none.
type point struct{ x, y float64 }

// plot draws a line; the legend names it.
func (d *drawing) plot(class string, points []point, x, y ruler) {
	var path strings.Builder
	pen := "M"
	for _, p := range points {
		if p.y <= 0 {
			pen = "M"
			continue
		}
		fmt.Fprintf(&path, "%s%.1f %.1f", pen, x.at(p.x), y.at(p.y))
		pen = "L"
	}
	if path.Len() > 0 {
		fmt.Fprintf(d, `<path class="plot %s" d="%s"/>`, class, path.String())
	}
}

// keys is a legend: pairs of a class and what it stands for.
func keys(pairs ...string) template.HTML {
	var b strings.Builder
	b.WriteString(`<p class="keys">`)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, `<span class="key %s">%s</span> `, pairs[i], template.HTMLEscapeString(pairs[i+1]))
	}
	return template.HTML(b.String() + "</p>")
}

// both is a legend, and a drawing in both widths; "" where there is none.
func both(legend template.HTML, draw func(width float64) template.HTML) template.HTML {
	broad := draw(drawBroad)
	if broad == "" {
		return ""
	}
	return legend + broad + draw(drawNarrow)
}

// curveDrawing is the cost over the size of the demand.
func curveDrawing(a plan.Answer) template.HTML {
	legend := keys("payg", "pay as you go", "ptu", "provisioned (PTU), the rest spilling over", "own", "own replicas", "now", "the demand", "switch", "another one is cheapest from here on")
	return both(legend, func(width float64) template.HTML { return drawCurve(a, width) })
}

func drawCurve(a plan.Answer, width float64) template.HTML {
	points := a.Curve.Points
	ways := []struct {
		class string
		cost  func(plan.Point) weir.Money
	}{
		{"payg", func(p plan.Point) weir.Money { return p.PayAsYouGo }},
		{"ptu", func(p plan.Point) weir.Money { return p.Provisioned }},
		{"own", func(p plan.Point) weir.Money { return p.Own }},
	}
	low, high := math.Inf(1), 0.0
	for _, p := range points {
		for _, w := range ways {
			if m := float64(w.cost(p)) / float64(weir.Dollar); m > 0 {
				low, high = min(low, m), max(high, m)
			}
		}
	}
	if high == 0 {
		return ""
	}
	d := newDrawing(width, 380, "cost of a month over the size of the demand")
	x := ruler{points[0].Times, points[len(points)-1].Times, d.left, d.width - drawRight, true}
	y := ruler{low, high, d.height - drawBottom, drawTop, true}
	d.axes(x, y, "times the demand", func(v float64) string { return fmt.Sprintf("%g", v) }, dollarTick)
	d.line("now", x.at(1), y.from, x.at(1), y.to)
	for _, s := range a.Curve.Switches {
		d.line("switch", x.at(s.Times), y.from, x.at(s.Times), y.to)
	}
	for _, w := range ways {
		var line []point
		for _, p := range points {
			line = append(line, point{p.Times, float64(w.cost(p)) / float64(weir.Dollar)})
		}
		d.plot(w.class, line, x, y)
	}
	return d.html()
}

// billsDrawing is the whole bill over the number of PTUs.
func billsDrawing(a plan.Answer) template.HTML {
	legend := keys("hour", "by the hour", "month", "reserved by the month", "year", "reserved by the year", "dot", "the number that costs least")
	return both(legend, func(width float64) template.HTML { return drawBills(a, width) })
}

func drawBills(a plan.Answer, width float64) template.HTML {
	high, most := 0.0, 0
	for _, b := range a.Bills {
		for _, p := range b.Points {
			high, most = max(high, float64(p.Month)/float64(weir.Dollar)), max(most, p.PTUs)
		}
	}
	if high == 0 || most == 0 {
		return ""
	}
	d := newDrawing(width, 320, "the whole bill over the number of PTUs")
	x := ruler{0, float64(most), d.left, d.width - drawRight, false}
	y := ruler{0, high, d.height - drawBottom, drawTop, false}
	d.axes(x, y, "PTUs; the rest is paid as you go", short, dollarTick)
	for _, b := range a.Bills {
		class := map[plan.Term]string{plan.Hourly: "hour", plan.Monthly: "month", plan.Yearly: "year"}[b.Term]
		var line []point
		for _, p := range b.Points {
			at := point{float64(p.PTUs), float64(p.Month) / float64(weir.Dollar)}
			line = append(line, at)
		}
		d.plot(class, line, x, y)
		if o := cheapestOf(b, a.Options); o.PTUs > 0 {
			fmt.Fprintf(d, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="4"/>`, class, x.at(float64(o.PTUs)), y.at(float64(o.Month)/float64(weir.Dollar)))
		}
	}
	return d.html()
}

// cheapestOf finds the alternative a line of bills has its lowest point at.
func cheapestOf(b plan.Bills, options []plan.Option) plan.Option {
	for _, o := range options {
		if o.Kind == plan.Spillover && o.SKU == b.SKU && o.Term == b.Term {
			return o
		}
	}
	return plan.Option{}
}

// cutTo shortens a text to so many letters.
func cutTo(text string, most int) string {
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	return string(letters[:most-1]) + "…"
}

// barsDrawing is the cheapest alternatives side by side.
func barsDrawing(a plan.Answer) template.HTML {
	legend := keys("payg", "pay as you go", "ptu", "provisioned (PTU)", "own", "own replicas")
	return both(legend, func(width float64) template.HTML { return drawBars(a, width) })
}

func drawBars(a plan.Answer, width float64) template.HTML {
	var some []plan.Option
	for _, o := range a.Options {
		if o.Available() && len(some) < shown {
			some = append(some, o)
		}
	}
	if len(some) == 0 {
		return ""
	}
	row, left := 24.0, 430.0
	if width < drawBroad { // the name stands above its bar
		row, left = 42, 2
	}
	d := newDrawing(width, row*float64(len(some))+8, "alternatives by cost")
	highest := float64(some[len(some)-1].Month)
	for i, o := range some {
		y := row*float64(i) + 4
		if width < drawBroad {
			d.text("", left, y+12, cutTo(o.Title(), 60))
			y += 18
		} else {
			d.text("end", left-8, y+15, o.Title())
		}
		long := max(1, (d.width-left-110)*float64(o.Month)/highest)
		class := map[plan.Kind]string{plan.PayAsYouGo: "payg", plan.Provisioned: "ptu", plan.Spillover: "ptu", plan.Own: "own"}[o.Kind]
		fmt.Fprintf(d, `<rect class="bar %s" x="%g" y="%.1f" width="%.1f" height="18" rx="2"/>`, class, left, y, long)
		d.text("", left+long+6, y+15, words.Dollars(o.Month))
	}
	return d.html()
}
