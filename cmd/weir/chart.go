package main

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// chart is a small drawing of lines over a common x axis, as SVG. Its colours
// are the classes c0 to c7 of the page it stands in.
type chart struct {
	title     string
	unit      string // of y
	xs        []float64
	hours     bool // x is a time in hours
	xunit     string
	log       bool // y from logLeast to 100, for shares in per cent
	series    []series
	limit     float64 // a dashed line, such as an SLO; 0: none
	limitName string
	marks     []mark // points with a text on hover
	points    bool   // dots, each series one group
}

// series is one line; a NaN breaks it.
type series struct {
	name string
	ys   []float64
	step bool
	wide bool      // drawn broad, for others to be seen on it
	at   []float64 // own x values with points; nil: the chart's
	tips []string  // on hover, with points
}

// mark is a tick on the x axis that says something on hover.
type mark struct {
	x    float64
	text string
}

const (
	chartWidth, chartHeight          = 960.0, 200.0
	chartNarrow                      = 370.0 // of a telephone
	chartLeft, chartTop, chartBottom = 58.0, 10.0, 26.0
	chartRight                       = 14.0

	colours    = 8
	logLeast   = 0.01
	farBeyond  = 5 // times the limit: what is higher is cut off, or the limit could not be seen
	marksShown = 6 // texts of one mark
)

// chartScale turns values into places of the drawing.
type chartScale struct {
	x0, x1, y1 float64
	log        bool
	width      float64
}

func (s chartScale) x(x float64) float64 {
	return chartLeft + (x-s.x0)/(s.x1-s.x0)*(s.width-chartLeft-chartRight)
}

func (s chartScale) y(y float64) float64 {
	share := y / s.y1
	if s.log {
		share = math.Log(max(y, logLeast)/logLeast) / math.Log(s.y1/logLeast)
	}
	return chartHeight - chartBottom - min(share, 1.02)*(chartHeight-chartTop-chartBottom)
}

// svg draws the chart. Every text in it is escaped.
func (c chart) svg() template.HTML {
	_, cut := c.bounds()
	var b strings.Builder
	note := ""
	if cut {
		note = " (cut off at the top)"
	}
	fmt.Fprintf(&b, `<figure><figcaption>%s%s</figcaption>`, esc(c.title+note), c.legend())
	c.draw(&b, "broad", chartWidth)
	c.draw(&b, "narrow", chartNarrow)
	b.WriteString(`</figure>`)
	return template.HTML(b.String()) // built of numbers and escaped texts only
}

// draw writes the drawing in a width; the page shows the one that fits it.
func (c chart) draw(out *strings.Builder, class string, width float64) {
	var b strings.Builder
	s, _ := c.bounds()
	s.width = width
	fmt.Fprintf(&b, `<svg class="%s" viewBox="0 0 %g %g" role="img" aria-label="%s">`, class, width, chartHeight, esc(c.title))
	c.axes(&b, s)
	if c.limit > 0 && c.limit <= s.y1 {
		fmt.Fprintf(&b, `<line class="limit" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, chartLeft, s.width-chartRight, s.y(c.limit), s.y(c.limit))
	}
	for i, line := range c.series {
		class := ""
		if line.wide {
			class = " wide-line"
		}
		fmt.Fprintf(&b, `<g class="c%d%s">`, i%colours, class)
		if c.points {
			line.dots(&b, s)
		} else {
			fmt.Fprintf(&b, `<path d="%s"/>`, line.path(c.xs, s))
		}
		b.WriteString(`</g>`)
	}
	c.ticks(&b, s)
	b.WriteString(`</svg>`)
	out.WriteString(b.String())
}

func (c chart) axes(b *strings.Builder, s chartScale) {
	for i := range 5 {
		y, class := s.y1*float64(i)/4, "grid"
		if s.log {
			y = logLeast * math.Pow(10, float64(i)) // to 100
		}
		if i == 0 {
			class = "base"
		}
		fmt.Fprintf(b, `<line class="%s" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text class="y" x="%g" y="%.1f">%s</text>`,
			class, chartLeft, s.width-chartRight, s.y(y), s.y(y), chartLeft-6, s.y(y)+4, esc(withUnit(y, c.unit)))
	}
	step := c.step(s)
	for x := math.Ceil(s.x0/step-1e-9) * step; x <= s.x1*(1+1e-9); x += step {
		anchor, text := "middle", withUnit(x, c.xunit)
		if c.hours {
			text = clock(x)
			if step >= 1.0/60 {
				text = strings.TrimSuffix(text, ":00")
			}
		}
		if s.x(x) > s.width-40 {
			anchor = "end"
		}
		fmt.Fprintf(b, `<text class="x" style="text-anchor:%s" x="%.1f" y="%g">%s</text>`, anchor, s.x(x), chartHeight-5, esc(text))
	}
}

// withUnit writes a value with its unit; dollars stand before it.
func withUnit(v float64, unit string) string {
	if strings.TrimSpace(unit) == "$" {
		return "$" + axis(v)
	}
	return axis(v) + unit
}

// step is between two labels of the x axis: at most nine of them, or five.
func (c chart) step(s chartScale) float64 {
	most := 8.0
	if s.width < chartWidth {
		most = 4
	}
	wide := s.x1 - s.x0
	if c.hours {
		for _, seconds := range []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600, 43200, 86400} {
			if wide*3600 <= most*seconds {
				return seconds / 3600
			}
		}
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(wide/most)))
	for _, m := range []float64{1, 2, 5} {
		if wide <= most*m*magnitude {
			return m * magnitude
		}
	}
	return 10 * magnitude
}

// ticks draws the marks; those that would stand in one place are one.
func (c chart) ticks(b *strings.Builder, s chartScale) {
	for i := 0; i < len(c.marks); {
		at, texts, more := s.x(c.marks[i].x), []string(nil), 0
		for ; i < len(c.marks) && s.x(c.marks[i].x)-at < 3; i++ {
			if len(texts) < marksShown {
				texts = append(texts, c.marks[i].text)
			} else {
				more++
			}
		}
		if more > 0 {
			texts = append(texts, fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(b, `<rect class="mark" x="%.1f" y="%g" width="5" height="10" rx="1"><title>%s</title></rect>`, at-2.5, chartHeight-chartBottom, esc(strings.Join(texts, "\n")))
	}
}

// bounds are the first and last x and a round number above every y, or above
// what is far beyond the limit.
func (c chart) bounds() (s chartScale, cut bool) {
	x0, x1, y1 := math.Inf(1), math.Inf(-1), c.limit
	see := func(x float64) { x0, x1 = min(x0, x), max(x1, x) }
	for _, x := range c.xs {
		see(x)
	}
	for _, line := range c.series {
		for _, x := range line.at {
			see(x)
		}
		for _, y := range line.ys {
			if !math.IsNaN(y) {
				y1 = max(y1, y)
			}
		}
	}
	if c.hours {
		x0 = 0
	}
	if c.points && len(c.series) > 0 { // room around the dots
		room := max((x1-x0)/20, x1/20) // so that nearly equal ones are near each other
		x0, x1 = max(0, x0-room), x1+room
	}
	if !(x1 > x0) {
		x0, x1 = min(x0, 0), max(x0, 0)+1
		if math.IsInf(x0, 0) || math.IsInf(x1, 0) {
			x0, x1 = 0, 1
		}
	}
	if top := farBeyond * c.limit; c.limit > 0 && !c.points && y1 > top {
		y1, cut = top, true
	}
	if c.log {
		return chartScale{x0, x1, 100, true, chartWidth}, false
	}
	return chartScale{x0, x1, round(y1), false, chartWidth}, cut
}

// round is a number at or above y that divides well into four.
func round(y float64) float64 {
	if y <= 0 {
		return 1
	}
	magnitude := math.Pow(10, math.Floor(math.Log10(y)))
	for _, step := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 5, 6, 8, 10} {
		if y <= step*magnitude*(1+1e-12) {
			return step * magnitude
		}
	}
	return y
}

func (line series) path(xs []float64, s chartScale) string {
	var b strings.Builder
	pen := "M"
	for i, y := range line.ys {
		if i >= len(xs) || math.IsNaN(y) {
			pen = "M"
			continue
		}
		if line.step && pen == "L" {
			if last := i == len(line.ys)-1; y == line.ys[i-1] && !last {
				continue // the next step is drawn from here to there
			}
			fmt.Fprintf(&b, "H%.1f", s.x(xs[i]))
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, s.x(xs[i]), s.y(y))
		pen = "L"
	}
	return b.String()
}

// dots draws the points of a series, joined in order of x.
func (line series) dots(b *strings.Builder, s chartScale) {
	order := make([]int, len(line.ys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case line.at[a] < line.at[b]:
			return -1
		case line.at[a] > line.at[b]:
			return 1
		}
		return 0
	})
	pen := "M"
	b.WriteString(`<path style="opacity:.5" d="`)
	for _, i := range order {
		fmt.Fprintf(b, "%s%.1f %.1f", pen, s.x(line.at[i]), s.y(line.ys[i]))
		pen = "L"
	}
	b.WriteString(`"/>`)
	for i, y := range line.ys {
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="5"><title>%s</title></circle>`, s.x(line.at[i]), s.y(y), esc(line.tips[i]))
	}
}

func (c chart) legend() string {
	var b strings.Builder
	for i, s := range c.series {
		fmt.Fprintf(&b, ` <span class="key c%d">%s</span>`, i%colours, esc(s.name))
	}
	if c.limit > 0 {
		fmt.Fprintf(&b, ` <span class="key limit">%s</span>`, esc(c.limitName))
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
