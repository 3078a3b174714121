package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"weir/report/words"
	"weir/sim"
)

//go:embed report.html
var reportHTML string

var reportTemplate = template.Must(template.New("report").Funcs(template.FuncMap{
	"brief": brief, "share": percentOf, "percent": func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) },
	"hours": func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Hours()) }, "cents": cents,
}).Parse(reportHTML))

// report is what the page shows.
type report struct {
	Title, About, Command string
	Notes                 []string
	Contenders            []contender
	Frontier              template.HTML
	Runs                  []reportRun
}

type reportRun struct {
	Label     string
	Lost      string // what was not answered; "" for nothing
	Missed    string // how many missed; "" for none
	Why       []string
	Places    []sim.Outcome
	Charts    []template.HTML
	Decisions []reportDecision
	More      int // decisions not listed
}

type reportDecision struct {
	At, Deployment string
	Have, Want     int
	Why            string
}

// listed bounds the decisions of a run that the page lists; the rest are marks
// in the drawing.
const listed = 200

// writeReport writes one file that needs nothing else: no script, no font, no
// picture from elsewhere.
func writeReport(path string, s study) error {
	m, cs := s.setting.model, s.contenders
	r := report{
		Title: m.Name + " on " + filepath.Base(s.traffic.name()),
		About: fmt.Sprintf("%d requests at %s of the recorded rate, simulated. Promised: the first token within %v, then %v for each.",
			cs[0].Result.Arrived, s.load, m.SLO.TTFT, m.SLO.TPOT),
		Command: strings.Join(append([]string{"weir"}, os.Args[1:]...), " "), Contenders: cs, Frontier: frontier(cs),
	}
	if text := s.advice.text(); text != "" {
		r.Notes = append(r.Notes, words.Sentence(text))
	}
	for _, note := range s.setting.notes() {
		r.Notes = append(r.Notes, words.Sentence(note))
	}
	for i := range cs {
		r.Runs = append(r.Runs, runOf(&cs[i]))
	}
	var page bytes.Buffer
	if err := reportTemplate.Execute(&page, r); err != nil {
		return err
	}
	return os.WriteFile(path, page.Bytes(), 0o644)
}

// frontier draws what attainment costs, where several have run: in money where
// every run has a price, else in GPU-hours.
func frontier(cs []contender) template.HTML {
	if len(cs) < 2 {
		return ""
	}
	dollars := !slices.ContainsFunc(cs, func(c contender) bool { return c.Result.Cost <= 0 })
	cost, unit := func(r *sim.Result) float64 { return r.GPU.Allocated.Hours() }, " GPU-h"
	if dollars {
		cost, unit = func(r *sim.Result) float64 { return float64(r.Cost) / 1e6 }, " $"
	}
	c := chart{title: "What it costs to miss less: share of requests that missed the promise, by" + strings.ReplaceAll(unit, "$", "cost"),
		unit: " %", points: true, limit: 1, limitName: "1 %", log: true, xunit: unit}
	byName := map[string]int{}
	for _, x := range cs {
		i, known := byName[x.series]
		if !known {
			i = len(c.series)
			byName[x.series] = i
			c.series = append(c.series, series{name: x.series})
		}
		s := &c.series[i]
		s.at = append(s.at, cost(x.Result))
		s.ys = append(s.ys, 100*(1-x.Result.Attainment))
		s.tips = append(s.tips, fmt.Sprintf("%s: %s, %.2f %% attained", x.Label, withUnit(cost(x.Result), unit), 100*x.Result.Attainment))
	}
	return c.svg()
}

func runOf(c *contender) reportRun {
	r := c.Result
	run := reportRun{Label: c.Label, Places: r.Deployments, Charts: newPlot(r).charts()}
	if run.Why = whyLines(r); len(run.Why) > 0 {
		run.Missed = missed(r)
	}
	if r.Completed != r.Arrived {
		run.Lost = fmt.Sprintf("Of %d requests %d were refused, %d failed%s, %d still waited at the end.", r.Arrived, r.Refused, r.Failed, failures(r), r.Waiting)
	}
	for i, d := range r.Decisions {
		if i == listed {
			run.More = len(r.Decisions) - listed
			break
		}
		run.Decisions = append(run.Decisions, reportDecision{words.Clock(d.At), d.Deployment, d.Decision.Have, d.Decision.Want, d.Decision.Reasons.String()})
	}
	return run
}
