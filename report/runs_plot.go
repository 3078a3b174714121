package report

import (
	"fmt"
	"html/template"
	"math"
	"time"

	"weir/report/chart"
	"weir/report/words"
	"weir/sim"
)

// plot draws one run over time.
type plot struct {
	r  *sim.Result
	xs []float64 // hours
	cs []template.HTML
}

func chartsOf(r *sim.Result) []template.HTML {
	p := &plot{r: r, xs: make([]float64, len(r.Timeline))}
	for i := range r.Timeline {
		p.xs[i] = r.Timeline[i].At.Hours()
	}
	p.draw(chart.Chart{Title: "Load", Y: chart.Axis{Unit: "/s"}}, p.line("requests that arrive", p.arrivals))
	p.replicas()
	p.queue()
	p.promises()
	if r.Cost > 0 {
		p.draw(chart.Chart{Title: "Cost so far", Y: chart.Axis{Unit: " $"}},
			p.line("all deployments", func(i int) float64 { return float64(r.Timeline[i].Cost) / 1e6 }))
	}
	return p.cs
}

// queue draws the waiting requests, and those in flight at each deployment.
func (p *plot) queue() {
	t := p.r.Timeline
	lines := []chart.Line{p.line("requests that wait", func(i int) float64 { return float64(t[i].Waiting) })}
	for k := range p.r.Deployments {
		name := "in flight"
		if len(p.r.Deployments) > 1 {
			name += " at " + p.r.Deployments[k].Name
		}
		lines = append(lines, p.line(name, func(i int) float64 { return float64(t[i].Deployments[k].InFlight) }))
	}
	p.draw(chart.Chart{Title: "Queue"}, lines...)
}

// promises draws the times of tokens, and how often they met the SLO.
func (p *plot) promises() {
	t := p.r.Timeline
	in := func(unit time.Duration, of func(i int) time.Duration) func(i int) float64 {
		return func(i int) float64 {
			if of(i) == 0 {
				return math.NaN() // nothing ended
			}
			return of(i).Seconds() * float64(time.Second/unit)
		}
	}
	p.draw(chart.Chart{Title: "Time to first token", Y: chart.Axis{Unit: " s"}, Limit: p.r.SLO.TTFT.Seconds(), LimitIs: "promised"},
		p.line("p50", in(time.Second, func(i int) time.Duration { return t[i].TTFT.P50 })),
		p.line("p99", in(time.Second, func(i int) time.Duration { return t[i].TTFT.P99 })))
	p.draw(chart.Chart{Title: "Time per token", Y: chart.Axis{Unit: " ms"}, Limit: 1000 * p.r.SLO.TPOT.Seconds(), LimitIs: "promised"},
		p.line("p50", in(time.Millisecond, func(i int) time.Duration { return t[i].TPOT.P50 })),
		p.line("p99", in(time.Millisecond, func(i int) time.Duration { return t[i].TPOT.P99 })))
	p.draw(chart.Chart{Title: "Attained", Y: chart.Axis{Unit: " %"}}, p.line("of the requests that ended in each interval", func(i int) float64 {
		if t[i].Ended == 0 {
			return math.NaN()
		}
		return 100 * t[i].Attainment
	}))
}

func (p *plot) draw(c chart.Chart, lines ...chart.Line) {
	c.Xs, c.X.Hours, c.Lines = p.xs, true, lines
	p.cs = append(p.cs, c.SVG())
}

func (p *plot) line(name string, y func(i int) float64) chart.Line {
	ys := make([]float64, len(p.xs))
	for i := range ys {
		ys[i] = y(i)
	}
	return chart.Line{Name: name, Ys: ys}
}

func (p *plot) arrivals(i int) float64 {
	var before sim.Point
	if i > 0 {
		before = p.r.Timeline[i-1]
	}
	now := p.r.Timeline[i]
	return float64(now.Arrived-before.Arrived) / max((now.At-before.At).Seconds(), 1e-9)
}

// replicas draws the replicas of each deployment that has any, with its
// decisions.
func (p *plot) replicas() {
	for k := range p.r.Deployments {
		name, some := p.r.Deployments[k].Name, false
		steps := func(label string, y func(l sim.Level) int) chart.Line {
			s := p.line(label, func(i int) float64 {
				n := y(p.r.Timeline[i].Deployments[k])
				some = some || n > 0
				return float64(n)
			})
			s.Step = true
			return s
		}
		lines := []chart.Line{
			steps("ready", func(l sim.Level) int { return l.Ready }), steps("wanted", func(l sim.Level) int { return l.Want }),
			steps("starting", func(l sim.Level) int { return l.Starting }), steps("draining", func(l sim.Level) int { return l.Draining }),
		}
		lines[0].Wide = true
		if some {
			p.draw(chart.Chart{Title: "Replicas of " + name + " (point at a mark for the decision and its reasons)", Marks: p.marks(name)}, lines...)
		}
	}
}

func (p *plot) marks(deployment string) []chart.Mark {
	var ms []chart.Mark
	for _, d := range p.r.Decisions {
		if d.Deployment == deployment {
			ms = append(ms, chart.Mark{X: d.At.Hours(), Text: fmt.Sprintf("%s: have %d, want %d: %s", words.Clock(d.At), d.Decision.Have, d.Decision.Want, d.Decision.Reasons)})
		}
	}
	return ms
}
