package main

import (
	"fmt"
	"math"
	"time"

	"weir/report/words"
	"weir/sim"
)

// plot draws one run over time.
type plot struct {
	r  *sim.Result
	xs []float64 // hours
	cs []template.HTML
}

func newPlot(r *sim.Result) *plot {
	p := &plot{r: r, xs: make([]float64, len(r.Timeline))}
	for i := range r.Timeline {
		p.xs[i] = r.Timeline[i].At.Hours()
	}
	return p
}

func (p *plot) charts() []template.HTML {
	t := p.r.Timeline
	p.draw(chart{title: "Load", unit: "/s"}, p.line("requests that arrive", p.arrivals))
	p.replicas()
	waiting := p.line("requests that wait", func(i int) float64 { return float64(t[i].Waiting) })
	flying := []series{waiting}
	for k := range p.r.Deployments {
		name := "in flight"
		if len(p.r.Deployments) > 1 {
			name += " at " + p.r.Deployments[k].Name
		}
		flying = append(flying, p.line(name, func(i int) float64 { return float64(t[i].Deployments[k].InFlight) }))
	}
	p.draw(chart{title: "Queue"}, flying...)
	seconds := func(d time.Duration) float64 {
		if d == 0 {
			return math.NaN() // nothing ended
		}
		return d.Seconds()
	}
	p.draw(chart{title: "Time to first token", unit: " s", limit: p.r.SLO.TTFT.Seconds(), limitName: "promised"},
		p.line("p50", func(i int) float64 { return seconds(t[i].TTFT.P50) }), p.line("p99", func(i int) float64 { return seconds(t[i].TTFT.P99) }))
	p.draw(chart{title: "Time per token", unit: " ms", limit: 1000 * p.r.SLO.TPOT.Seconds(), limitName: "promised"},
		p.line("p50", func(i int) float64 { return 1000 * seconds(t[i].TPOT.P50) }), p.line("p99", func(i int) float64 { return 1000 * seconds(t[i].TPOT.P99) }))
	p.draw(chart{title: "Attained", unit: " %"}, p.line("of the requests that ended in each interval", func(i int) float64 {
		if t[i].Ended == 0 {
			return math.NaN()
		}
		return 100 * t[i].Attainment
	}))
	if p.r.Cost > 0 {
		p.draw(chart{title: "Cost so far", unit: " $"}, p.line("all deployments", func(i int) float64 { return float64(t[i].Cost) / 1e6 }))
	}
	return p.cs
}

func (p *plot) draw(c chart, lines ...series) {
	c.xs, c.hours, c.series = p.xs, true, lines
	p.cs = append(p.cs, c.svg())
}

func (p *plot) line(name string, y func(i int) float64) series {
	ys := make([]float64, len(p.xs))
	for i := range ys {
		ys[i] = y(i)
	}
	return series{name: name, ys: ys}
}

func (p *plot) arrivals(i int) float64 {
	var before sim.Point
	if i > 0 {
		before = p.r.Timeline[i-1]
	}
	now := p.r.Timeline[i]
	return float64(now.Arrived-before.Arrived) / max((now.At-before.At).Seconds(), 1e-9)
}

// replicas draws those of each deployment that has some, with its decisions.
func (p *plot) replicas() {
	for k := range p.r.Deployments {
		name, some := p.r.Deployments[k].Name, false
		steps := func(label string, y func(l sim.Level) int) series {
			s := p.line(label, func(i int) float64 {
				n := y(p.r.Timeline[i].Deployments[k])
				some = some || n > 0
				return float64(n)
			})
			s.step = true
			return s
		}
		lines := []series{
			steps("ready", func(l sim.Level) int { return l.Ready }), steps("wanted", func(l sim.Level) int { return l.Want }),
			steps("starting", func(l sim.Level) int { return l.Starting }), steps("draining", func(l sim.Level) int { return l.Draining }),
		}
		lines[0].wide = true
		if some {
			p.draw(chart{title: "Replicas of " + name + " (point at a mark for the decision and its reasons)", marks: p.marks(name)}, lines...)
		}
	}
}

func (p *plot) marks(deployment string) []mark {
	var ms []mark
	for _, d := range p.r.Decisions {
		if d.Deployment == deployment {
			ms = append(ms, mark{d.At.Hours(), fmt.Sprintf("%s: have %d, want %d: %s", words.Clock(d.At), d.Decision.Have, d.Decision.Want, d.Decision.Reasons.String())})
		}
	}
	return ms
}
