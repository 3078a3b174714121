package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"math"
	"os"
	"strings"
	"time"

	"weir/sim"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"brief": brief, "share": percentOf, "percent": func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) },
	"hours": func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Hours()) },
}).Parse(reportHTML))

// report is what the page shows.
type report struct {
	Title, Command string
	Contenders     []contender
	Frontier       template.HTML
	Runs           []reportRun
}

type reportRun struct {
	Label     string
	Charts    []template.HTML
	Decisions []reportDecision
	More      int // decisions not listed
}

type reportDecision struct {
	At         string
	Have, Want int
	Why        string
}

// listed bounds the decisions of a run that the page lists; the rest are marks
// in the drawing.
const listed = 200

// writeReport writes one file that needs nothing else: no script, no font, no
// picture from elsewhere.
func writeReport(path string, s study) error {
	cs := s.contenders
	r := report{
		Title:   "weir simulate: " + s.traffic.name(),
		Command: strings.Join(os.Args, " "), Contenders: cs, Frontier: frontier(cs),
	}
	for _, c := range cs {
		r.Runs = append(r.Runs, runOf(c))
	}
	var page bytes.Buffer
	if err := reportTemplate.Execute(&page, r); err != nil {
		return err
	}
	return os.WriteFile(path, page.Bytes(), 0o644)
}

// frontier draws what attainment costs, where several have run.
func frontier(cs []contender) template.HTML {
	if len(cs) < 2 {
		return ""
	}
	c := chart{title: "what it costs (GPU-hours) to miss less (share of requests that missed the SLO)", unit: " %", points: true,
		xlabel: func(x float64) string { return axis(x) + " GPU-h" }}
	byName := map[string]int{}
	for _, x := range cs {
		i, known := byName[x.series]
		if !known {
			i = len(c.series)
			byName[x.series] = i
			c.series = append(c.series, series{name: x.series})
		}
		s := &c.series[i]
		s.at = append(s.at, x.Result.GPU.Allocated.Hours())
		s.ys = append(s.ys, 100*(1-x.Result.Attainment))
		s.tips = append(s.tips, fmt.Sprintf("%s: %.2f GPU-h, %.2f %% attained", x.Label, x.Result.GPU.Allocated.Hours(), 100*x.Result.Attainment))
	}
	return c.svg()
}

func runOf(c contender) reportRun {
	run := reportRun{Label: c.Label}
	t := c.Result.Timeline
	xs := make([]float64, len(t))
	for i, p := range t {
		xs[i] = p.At.Hours()
	}
	draw := func(title, unit string, limit float64, marks []mark, lines ...series) {
		run.Charts = append(run.Charts, chart{title: title, unit: unit, xs: xs, xlabel: clock, series: lines, limit: limit, marks: marks}.svg())
	}
	line := func(name string, y func(i int) float64) series {
		ys := make([]float64, len(t))
		for i := range t {
			ys[i] = y(i)
		}
		return series{name: name, ys: ys}
	}
	steps := func(name string, y func(l sim.Level) int) series {
		s := line(name, func(i int) float64 { return float64(y(t[i].Deployments[0])) })
		s.step = true
		return s
	}
	seconds := func(d time.Duration) float64 {
		if d == 0 {
			return math.NaN() // nothing ended
		}
		return d.Seconds()
	}
	draw("arrivals", "/s", 0, nil, line("requests", func(i int) float64 {
		if i == 0 {
			return math.NaN()
		}
		return float64(t[i].Arrived-t[i-1].Arrived) / max((t[i].At-t[i-1].At).Seconds(), 1e-9)
	}))
	draw("replicas (hover the marks for decisions)", "", 0, marksOf(c.Result),
		steps("wanted", func(l sim.Level) int { return l.Want }), steps("ready", func(l sim.Level) int { return l.Ready }),
		steps("starting", func(l sim.Level) int { return l.Starting }), steps("draining", func(l sim.Level) int { return l.Draining }))
	draw("requests", "", 0, nil, line("waiting", func(i int) float64 { return float64(t[i].Waiting) }),
		line("in flight", func(i int) float64 { return float64(t[i].Deployments[0].InFlight) }))
	draw("time to first token", " s", c.Result.SLO.TTFT.Seconds(), nil,
		line("p50", func(i int) float64 { return seconds(t[i].TTFT.P50) }), line("p99", func(i int) float64 { return seconds(t[i].TTFT.P99) }))
	draw("time per token", " s", c.Result.SLO.TPOT.Seconds(), nil,
		line("p50", func(i int) float64 { return seconds(t[i].TPOT.P50) }), line("p99", func(i int) float64 { return seconds(t[i].TPOT.P99) }))
	draw("attained", " %", 0, nil, line("share of requests ended in each interval", func(i int) float64 {
		if t[i].Ended == 0 {
			return math.NaN()
		}
		return 100 * t[i].Attainment
	}))
	if c.Result.Cost > 0 {
		draw("cost so far", " $", 0, nil, line("all replicas", func(i int) float64 { return float64(t[i].Cost) / 1e6 }))
	}
	for i, d := range c.Result.Decisions {
		if i == listed {
			run.More = len(c.Result.Decisions) - listed
			break
		}
		run.Decisions = append(run.Decisions, reportDecision{clock(d.At.Hours()), d.Decision.Have, d.Decision.Want, because(d.Decision.Reasons)})
	}
	return run
}

func marksOf(r *sim.Result) []mark {
	var ms []mark
	for _, d := range r.Decisions {
		ms = append(ms, mark{d.At.Hours(), fmt.Sprintf("%s: have %d, want %d: %s", clock(d.At.Hours()), d.Decision.Have, d.Decision.Want, because(d.Decision.Reasons))})
	}
	return ms
}

// clock writes hours as h:mm:ss.
func clock(hours float64) string {
	s := int(math.Round(hours * 3600))
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}
