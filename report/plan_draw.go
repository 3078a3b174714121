package report

import (
	"html/template"
	"math"

	"weir"
	"weir/plan"
	"weir/report/chart"
	"weir/report/words"
)

// curve draws the cost over the demand.
func curve(a plan.Answer) template.HTML {
	c := chart.Chart{
		Title: "cost of a month by size of the demand", Bare: true, Height: 380,
		X: chart.Axis{Name: "times the demand", Log: true, Grid: true}, Y: chart.Axis{Unit: "$", Log: true},
		Rules: []chart.Rule{{X: 1, Class: "now"}},
		Keys:  []chart.Key{{Class: "now", Text: "the demand"}, {Class: "switch", Text: "from here another one is cheapest"}},
	}
	for _, p := range a.Curve.Points {
		c.Xs = append(c.Xs, p.Times)
	}
	some := false
	line := func(class, name string, cost func(plan.Point) weir.Money) {
		l := chart.Line{Class: class, Name: name}
		for _, p := range a.Curve.Points {
			y := inDollars(cost(p))
			if y <= 0 {
				y = math.NaN() // not available
			}
			some = some || y > 0
			l.Ys = append(l.Ys, y)
		}
		c.Lines = append(c.Lines, l)
	}
	line("payg", "pay as you go", func(p plan.Point) weir.Money { return p.PayAsYouGo })
	line("ptu", "provisioned (PTU), the rest spilling over", func(p plan.Point) weir.Money { return p.Provisioned })
	line("own", "own replicas", func(p plan.Point) weir.Money { return p.Own })
	if !some {
		return ""
	}
	for _, s := range a.Curve.Switches {
		c.Rules = append(c.Rules, chart.Rule{X: s.Times, Class: "switch"})
	}
	return c.SVG()
}

func inDollars(m weir.Money) float64 { return float64(m) / float64(weir.Dollar) }

// termClass is the class of a term of provisioned throughput.
var termClass = map[plan.Term]string{plan.Hourly: "hour", plan.Monthly: "month", plan.Yearly: "year"}

// bills draws the total bill over the number of PTUs.
func bills(a plan.Answer) template.HTML {
	c := chart.Chart{
		Title: "total bill by number of PTUs", Bare: true, Height: 320,
		X: chart.Axis{Name: "PTUs; the rest is paid as you go", Zero: true, Grid: true}, Y: chart.Axis{Unit: "$"},
		Keys: []chart.Key{
			{Class: "hour", Text: "by the hour"}, {Class: "month", Text: "reserved by the month"}, {Class: "year", Text: "reserved by the year"},
			{Class: "dot", Text: "the cheapest number"},
		},
	}
	high, most := 0.0, 0
	for _, b := range a.Bills {
		l := chart.Line{Class: termClass[b.Term]}
		for _, p := range b.Points {
			l.Xs, l.Ys = append(l.Xs, float64(p.PTUs)), append(l.Ys, inDollars(p.Month))
			high, most = max(high, inDollars(p.Month)), max(most, p.PTUs)
		}
		c.Lines = append(c.Lines, l)
		if o := cheapestOf(b, a.Options); o.PTUs > 0 {
			c.Dots = append(c.Dots, chart.Dot{X: float64(o.PTUs), Y: inDollars(o.Month), Class: l.Class})
		}
	}
	if high == 0 || most == 0 {
		return ""
	}
	return c.SVG()
}

// cheapestOf finds the alternative at the lowest point of a line of bills.
func cheapestOf(b plan.Bills, options []plan.Option) plan.Option {
	for _, o := range options {
		if o.Kind == plan.Spillover && o.SKU == b.SKU && o.Term == b.Term {
			return o
		}
	}
	return plan.Option{}
}

// kindClass is the class of a kind of alternative.
var kindClass = map[plan.Kind]string{plan.PayAsYouGo: "payg", plan.Provisioned: "ptu", plan.Spillover: "ptu", plan.Own: "own"}

// bars draws the cheapest alternatives side by side.
func bars(a plan.Answer) template.HTML {
	b := chart.Bars{
		Title: "alternatives by cost",
		Keys:  []chart.Key{{Class: "payg", Text: "pay as you go"}, {Class: "ptu", Text: "provisioned (PTU)"}, {Class: "own", Text: "own replicas"}},
	}
	for _, o := range a.Options {
		if o.Available() && len(b.Rows) < shown {
			b.Rows = append(b.Rows, chart.Bar{Label: o.Title(), Class: kindClass[o.Kind], Value: float64(o.Month), Text: words.Dollars(o.Month)})
		}
	}
	return b.SVG()
}
