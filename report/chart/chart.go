// Package chart draws lines over axes, and bars, as SVG for a page. It is the
// one writer of SVG: a page gives it values and gets a figure with a legend,
// drawn twice, for wide and for narrow screens. It knows no colours: lines have
// classes, c0 to c7 in turn by default, and the page colours them. Every text
// in a drawing is escaped.
package chart

import (
	"fmt"
	"html/template"
	"math"
)

// Chart is lines over a common x axis.
type Chart struct {
	Title   string  // for screen readers, and above the drawing
	Bare    bool    // no title above the drawing: the page has its own heading
	Height  float64 // of the drawing; 0: 200
	X, Y    Axis
	Xs      []float64 // of all lines without their own
	Lines   []Line
	Limit   float64 // a dashed line across, such as an SLO; 0: none
	LimitIs string  // its name in the legend
	Marks   []Mark
	Rules   []Rule
	Dots    []Dot
	Keys    []Key // of the legend, in addition to those of lines and limit
}

// Line is one series; a NaN breaks it.
type Line struct {
	Name  string // in the legend; "": not in it
	Class string // "": by its number, c0 to c7
	Ys    []float64
	Step  bool
	Wide  bool      // drawn broad, with others on top
	Xs    []float64 // its own; nil: the chart's. Points may be in any order
	Tips  []string  // on hover, one for each point; not nil: drawn as points
}

// Mark is a tick on the x axis with a text on hover. Marks are in order of X.
type Mark struct {
	X    float64
	Text string
}

// Rule is a line from bottom to top.
type Rule struct {
	X     float64
	Class string
}

// Dot is a single point.
type Dot struct {
	X, Y  float64
	Class string
}

// Key is one entry of a legend.
type Key struct{ Class, Text string }

// Sizes of drawings, in the units of their view box.
const (
	broad, narrow            = 960.0, 370.0 // wide and narrow
	left, right, top, bottom = 58.0, 14.0, 10.0, 26.0
	nameHeight               = 18.0 // of an axis' name below it
	usualHeight              = 200.0
)

const (
	colours    = 8
	farBeyond  = 5 // times the limit: higher values are cut off, to keep the limit visible
	marksShown = 6 // texts of one mark
)

// SVG draws the chart as a figure.
func (c Chart) SVG() template.HTML {
	title := c.Title
	if _, cut := c.scales(broad); cut {
		title += " (cut off at the top)"
	}
	if c.Bare {
		title = ""
	}
	return figure(title, c.legend(), func(out *drawing, width float64) { c.draw(out, width) })
}

// figure is a caption and a drawing in both widths; the page shows the one that
// fits.
func figure(title string, keys []Key, draw func(out *drawing, width float64)) template.HTML {
	var d drawing
	fmt.Fprintf(&d, `<figure><figcaption>%s`, esc(title))
	for _, k := range keys {
		fmt.Fprintf(&d, ` <span class="key %s">%s</span>`, esc(k.Class), esc(k.Text))
	}
	d.WriteString(`</figcaption>`)
	draw(&d, broad)
	draw(&d, narrow)
	d.WriteString(`</figure>`)
	return template.HTML(d.String()) // built of numbers and escaped texts only
}

func (c Chart) legend() []Key {
	var keys []Key
	for i, line := range c.Lines {
		if line.Name != "" {
			keys = append(keys, Key{line.class(i), line.Name})
		}
	}
	if c.Limit > 0 {
		keys = append(keys, Key{"limit", c.LimitIs})
	}
	return append(keys, c.Keys...)
}

func (line Line) class(i int) string {
	if line.Class != "" {
		return line.Class
	}
	return fmt.Sprintf("c%d", i%colours)
}

// points says whether the lines are drawn as points.
func (c Chart) points() bool {
	for _, line := range c.Lines {
		if line.Tips != nil {
			return true
		}
	}
	return false
}

// scales fit the drawing to the values: from the first x to the last, and up to
// a round number above every y, or to farBeyond times the limit.
func (c Chart) scales(width float64) (p plane, cut bool) {
	x, y := span{math.Inf(1), math.Inf(-1)}, span{math.Inf(1), math.Inf(-1)}
	for _, v := range c.Xs {
		x.see(v)
	}
	for _, line := range c.Lines {
		for _, v := range line.Xs {
			x.see(v)
		}
		for _, v := range line.Ys {
			y.see(v)
		}
	}
	if c.X.Hours || c.X.Zero {
		x.low = 0
	}
	if c.points() { // room around them
		room := max((x.high-x.low)/20, x.high/20) // nearly equal ones stay close together
		x = span{max(0, x.low-room), x.high + room}
	}
	y.high = max(y.high, c.Limit)
	if most := farBeyond * c.Limit; c.Limit > 0 && !c.points() && y.high > most {
		y.high, cut = most, true
	}
	p = plane{width: width, height: c.Height, bottom: bottom}
	if p.height == 0 {
		p.height = usualHeight
	}
	if c.X.Name != "" {
		p.bottom += nameHeight
	}
	p.x = c.X.ruler(x.orOne(), left, width-right)
	p.y = c.Y.ruler(y.upFromZero(c.Y), p.height-p.bottom, top)
	p.y.most = overTop
	return p, cut && !c.Y.Log
}
