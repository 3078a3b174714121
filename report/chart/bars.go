package chart

import (
	"fmt"
	"html/template"
)

// Bars are horizontal bars, one below the other.
type Bars struct {
	Title string // for screen readers
	Rows  []Bar
	Keys  []Key // the legend
}

// Bar is one bar.
type Bar struct {
	Label, Class string
	Value        float64 // zero or more
	Text         string  // behind the bar
}

// Sizes of bars.
const (
	rowHeight, barHeight = 24.0, 18.0
	labelWidth           = 430.0 // beside a bar
	labelMost            = 60    // letters above a bar, on a narrow drawing
	textWidth            = 110.0 // behind the longest
)

// SVG draws the bars as a figure; "" without any.
func (b Bars) SVG() template.HTML {
	if len(b.Rows) == 0 {
		return ""
	}
	return figure("", b.Keys, b.draw)
}

func (b Bars) draw(d *drawing, width float64) {
	row, from := rowHeight, labelWidth
	if width < broad { // the label is above its bar
		row, from = rowHeight+barHeight, 2
	}
	highest := 0.0
	for _, r := range b.Rows {
		highest = max(highest, r.Value)
	}
	d.begin(width, row*float64(len(b.Rows))+8, b.Title)
	for i, r := range b.Rows {
		y := row*float64(i) + 4
		if width < broad {
			fmt.Fprintf(d, `<text class="label above" x="%g" y="%g">%s</text>`, from, y+12, esc(cut(r.Label, labelMost)))
			y += barHeight
		} else {
			fmt.Fprintf(d, `<text class="label" x="%g" y="%g">%s</text>`, from-8, y+15, esc(r.Label))
		}
		long := 1.0
		if highest > 0 {
			long = max(1, (width-from-textWidth)*r.Value/highest)
		}
		fmt.Fprintf(d, `<rect class="bar %s" x="%g" y="%g" width="%.1f" height="%g" rx="2"/>`, esc(r.Class), from, y, long, barHeight)
		fmt.Fprintf(d, `<text class="value" x="%.1f" y="%g">%s</text>`, from+long+6, y+15, esc(r.Text))
	}
	d.end()
}

// cut shortens a text to a number of letters.
func cut(text string, most int) string {
	letters := []rune(text)
	if len(letters) <= most {
		return text
	}
	return string(letters[:most-1]) + "…"
}
