package main

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// chart is a small drawing of lines over a common x axis, as SVG.
type chart struct {
	title  string
	unit   string // of y
	xs     []float64
	xlabel func(float64) string
	series []series
	limit  float64 // a dashed line, such as an SLO; 0: none
	marks  []mark  // points with a text on hover
	points bool    // dots without lines, each series one group
}

// series is one line; a NaN breaks it.
type series struct {
	name string
	ys   []float64
	step bool
	at   []float64 // own x values with points; nil: the chart's
	tips []string  // on hover, with points
}

// mark is a tick on the x axis that says something on hover.
type mark struct {
	x    float64
	text string
}

// Palette of Okabe and Ito, told apart by people with every kind of colour
// vision.
var palette = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933"}

const (
	chartWidth, chartHeight          = 920.0, 190.0
	chartLeft, chartTop, chartBottom = 62.0, 10.0, 24.0
	chartRight                       = 12.0
)

// svg draws the chart. Every text in it is escaped.
func (c chart) svg() template.HTML {
	x0, x1, y1 := c.bounds()
	px := func(x float64) float64 { return chartLeft + (x-x0)/(x1-x0)*(chartWidth-chartLeft-chartRight) }
	py := func(y float64) float64 {
		return chartHeight - chartBottom - y/y1*(chartHeight-chartTop-chartBottom)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<figure><figcaption>%s%s</figcaption><svg viewBox="0 0 %g %g" role="img" aria-label="%s">`,
		esc(c.title), c.legend(), chartWidth, chartHeight, esc(c.title))
	for i := range 5 {
		y := y1 * float64(i) / 4
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="y" x="%g" y="%.1f">%s</text>`,
			chartLeft, chartWidth-chartRight, py(y), py(y), chartLeft-6, py(y)+4, esc(axis(y)+c.unit))
	}
	for i := range 7 {
		x := x0 + (x1-x0)*float64(i)/6
		anchor := [...]string{0: "start", 6: "end"}[i] // the others by the style sheet, centred
		fmt.Fprintf(&b, `<text class="x" style="text-anchor:%s" x="%.1f" y="%g">%s</text>`, orName(anchor, "middle"), px(x), chartHeight-6, esc(c.xlabel(x)))
	}
	if c.limit > 0 && c.limit <= y1 {
		fmt.Fprintf(&b, `<line class="limit" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, chartLeft, chartWidth-chartRight, py(c.limit), py(c.limit))
	}
	for i, s := range c.series {
		if c.points {
			c.dots(&b, s, palette[i%len(palette)], px, py)
		} else {
			fmt.Fprintf(&b, `<path d="%s" stroke="%s"/>`, c.path(s, px, py), palette[i%len(palette)])
		}
	}
	for _, m := range c.marks {
		fmt.Fprintf(&b, `<rect class="mark" x="%.1f" y="%g" width="5" height="9"><title>%s</title></rect>`, px(m.x)-2.5, chartHeight-chartBottom, esc(m.text))
	}
	b.WriteString(`</svg></figure>`)
	return template.HTML(b.String()) // built of numbers and escaped texts only
}

// bounds are the first and last x and a round number above every y.
func (c chart) bounds() (x0, x1, y1 float64) {
	x0, x1 = math.Inf(1), math.Inf(-1)
	see := func(x float64) { x0, x1 = min(x0, x), max(x1, x) }
	for _, x := range c.xs {
		see(x)
	}
	y1 = c.limit
	for _, s := range c.series {
		for _, x := range s.at {
			see(x)
		}
		for _, y := range s.ys {
			if !math.IsNaN(y) {
				y1 = max(y1, y)
			}
		}
	}
	if !(x1 > x0) {
		x0, x1 = min(x0, 0), max(x0, 0)+1
		if math.IsInf(x0, 0) || math.IsInf(x1, 0) {
			x0, x1 = 0, 1
		}
	}
	if y1 <= 0 {
		return x0, x1, 1
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(y1)))
	for _, step := range []float64{1, 2, 4, 5, 8, 10} {
		if y1 <= step*magnitude {
			return x0, x1, step * magnitude
		}
	}
	return x0, x1, y1
}

func (c chart) path(s series, px, py func(float64) float64) string {
	var b strings.Builder
	pen := "M"
	for i, y := range s.ys {
		if i >= len(c.xs) || math.IsNaN(y) {
			pen = "M"
			continue
		}
		if s.step && pen == "L" {
			fmt.Fprintf(&b, "H%.1f", px(c.xs[i]))
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, px(c.xs[i]), py(y))
		pen = "L"
	}
	return b.String()
}

func (c chart) dots(b *strings.Builder, s series, colour string, px, py func(float64) float64) {
	for i, y := range s.ys {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="5" fill="%s"><title>%s</title></circle>`, px(s.at[i]), py(y), colour, esc(s.tips[i]))
	}
}

func (c chart) legend() string {
	var b strings.Builder
	for i, s := range c.series {
		fmt.Fprintf(&b, ` <span style="color:%s">%s</span>`, palette[i%len(palette)], esc(s.name))
	}
	if c.limit > 0 {
		b.WriteString(` <span class="slo">promised</span>`)
	}
	return b.String()
}

func esc(s string) string { return template.HTMLEscapeString(s) }

// axis writes a number with at most three digits and a suffix.
func axis(v float64) string {
	switch a := math.Abs(v); {
	case a >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case a >= 1e3:
		return fmt.Sprintf("%.3gk", v/1e3)
	default:
		return fmt.Sprintf("%.3g", v)
	}
}
