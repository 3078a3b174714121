package chart

import (
	"cmp"
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
)

// drawing is a figure under construction.
type drawing struct{ strings.Builder }

func esc(s string) string { return template.HTMLEscapeString(s) }

// begin opens a drawing of that size.
func (d *drawing) begin(width, height float64, title string) {
	class := "broad"
	if width < broad {
		class = "narrow"
	}
	fmt.Fprintf(d, `<svg class="%s" viewBox="0 0 %g %g" role="img" aria-label="%s">`, class, width, height, esc(title))
}

func (d *drawing) end() { d.WriteString(`</svg>`) }

// across draws a line from left to right.
func (d *drawing) across(class string, x1, x2, y float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, class, x1, x2, y, y)
}

// upright draws a line from bottom to top.
func (d *drawing) upright(class string, x, y1, y2 float64) {
	fmt.Fprintf(d, `<line class="%s" x1="%.1f" x2="%.1f" y1="%g" y2="%g"/>`, esc(class), x, x, y1, y2)
}

// plane maps values to positions in one drawing.
type plane struct {
	x, y                  ruler
	width, height, bottom float64
}

func (c Chart) draw(d *drawing, width float64) {
	p, _ := c.scales(width)
	d.begin(width, p.height, c.Title)
	c.axes(d, p)
	for _, r := range c.Rules {
		d.upright(r.Class, p.x.at(r.X), p.y.from, p.y.to)
	}
	if c.Limit > 0 && c.Limit <= p.y.high {
		d.across("limit", left, width-right, p.y.at(c.Limit))
	}
	for i, line := range c.Lines {
		class := line.class(i)
		if line.Wide {
			class += " wide-line"
		}
		fmt.Fprintf(d, `<g class="%s">`, esc(class))
		if line.Tips != nil {
			line.dots(d, p)
		} else {
			xs := line.Xs
			if xs == nil {
				xs = c.Xs
			}
			fmt.Fprintf(d, `<path d="%s"/>`, line.path(xs, p))
		}
		d.WriteString(`</g>`)
	}
	for _, dot := range c.Dots {
		fmt.Fprintf(d, `<circle class="dot %s" cx="%.1f" cy="%.1f" r="4"/>`, esc(dot.Class), p.x.at(dot.X), p.y.at(dot.Y))
	}
	c.marks(d, p)
	d.end()
}

func (c Chart) axes(d *drawing, p plane) {
	for _, y := range p.y.quarters() {
		class := "grid"
		if y == p.y.low {
			class = "base"
		}
		d.across(class, left, p.width-right, p.y.at(y))
		fmt.Fprintf(d, `<text class="y" x="%g" y="%.1f">%s</text>`, left-6, p.y.at(y)+4, esc(c.Y.text(y)))
	}
	floor := p.height - p.bottom + bottom
	for _, t := range p.x.roundTicks(c.X) {
		if c.X.Grid {
			d.upright("grid", p.x.at(t.value), p.y.from, p.y.to)
		}
		anchor := "middle"
		if p.x.at(t.value) > p.width-40 {
			anchor = "end"
		}
		fmt.Fprintf(d, `<text class="x" style="text-anchor:%s" x="%.1f" y="%g">%s</text>`, anchor, p.x.at(t.value), floor-5, esc(t.text))
	}
	if c.X.Name != "" {
		fmt.Fprintf(d, `<text class="x name" x="%g" y="%g">%s</text>`, (left+p.width-right)/2, p.height-5, esc(c.X.Name))
	}
}

// marks draws marks that would overlap as one.
func (c Chart) marks(d *drawing, p plane) {
	for i := 0; i < len(c.Marks); {
		at, texts, more := p.x.at(c.Marks[i].X), []string(nil), 0
		for ; i < len(c.Marks) && p.x.at(c.Marks[i].X)-at < 3; i++ {
			if len(texts) < marksShown {
				texts = append(texts, c.Marks[i].Text)
			} else {
				more++
			}
		}
		if more > 0 {
			texts = append(texts, fmt.Sprintf("and %d more", more))
		}
		fmt.Fprintf(d, `<rect class="mark" x="%.1f" y="%g" width="5" height="10" rx="1"><title>%s</title></rect>`, at-2.5, p.height-p.bottom, esc(strings.Join(texts, "\n")))
	}
}

func (line Line) path(xs []float64, p plane) string {
	var b strings.Builder
	pen := "M"
	for i, y := range line.Ys {
		if i >= len(xs) || math.IsNaN(y) {
			pen = "M"
			continue
		}
		if line.Step && pen == "L" {
			if last := i == len(line.Ys)-1; y == line.Ys[i-1] && !last {
				continue // the next step is drawn from here to there
			}
			fmt.Fprintf(&b, "H%.1f", p.x.at(xs[i]))
		}
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, p.x.at(xs[i]), p.y.at(y))
		pen = "L"
	}
	return b.String()
}

// dots draws the points of a line, joined in order of x.
func (line Line) dots(d *drawing, p plane) {
	order := make([]int, len(line.Ys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(line.Xs[a], line.Xs[b]) })
	pen := "M"
	d.WriteString(`<path style="opacity:.5" d="`)
	for _, i := range order {
		fmt.Fprintf(d, "%s%.1f %.1f", pen, p.x.at(line.Xs[i]), p.y.at(line.Ys[i]))
		pen = "L"
	}
	d.WriteString(`"/>`)
	for i, y := range line.Ys {
		fmt.Fprintf(d, `<circle cx="%.1f" cy="%.1f" r="5"><title>%s</title></circle>`, p.x.at(line.Xs[i]), p.y.at(y), esc(line.Tips[i]))
	}
}
