package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"path"
	"slices"
	"time"

	"weir/report/chart"
	"weir/report/words"
	"weir/sim"
)

//go:embed runs.html
var runsHTML string

var runsTemplate = template.Must(template.New("runs").Funcs(template.FuncMap{
	"duration": words.Duration, "dollars": words.Dollars,
	"percent": func(v float64) string { return fmt.Sprintf("%.2f %%", 100*v) },
	"share":   func(part, whole time.Duration) string { return fmt.Sprintf("%.0f %%", percentOf(part, whole)) },
	"hours":   func(d time.Duration) string { return fmt.Sprintf("%.2f", d.Hours()) },
}).Parse(runsHTML))

// runsPage is what the page shows.
type runsPage struct {
	Title, About, Command string
	Notes                 []string
	Table                 []Run
	Frontier              template.HTML
	Runs                  []runPage
}

type runPage struct {
	Label     string
	Lost      string // unanswered requests; "" if none
	Missed    string // how many missed; "" for none
	Why       []string
	Places    []sim.Outcome
	Charts    []template.HTML
	Decisions []decisionRow
	More      int // decisions not listed
}

type decisionRow struct {
	At, Deployment string
	Have, Want     int
	Why            string
}

// listed bounds the decisions of a run that the page lists; the rest are marks
// in the drawing.
const listed = 200

// RunsPage writes one self-contained page: no script, font or picture from
// elsewhere.
func RunsPage(w io.Writer, s Study) error {
	page := runsPage{
		Title: s.Model + " on " + path.Base(s.Traffic),
		About: fmt.Sprintf("%d requests at %s of the recorded rate, simulated. SLO: the first token within %v, then %v for each.",
			s.Runs[0].Result.Arrived, s.Load, s.SLO.TTFT, s.SLO.TPOT),
		Command: s.Command, Table: s.Runs, Frontier: frontier(s.Runs),
	}
	if s.Advice != "" {
		page.Notes = append(page.Notes, words.Sentence(s.Advice))
	}
	for _, note := range s.Notes {
		page.Notes = append(page.Notes, words.Sentence(note))
	}
	for _, run := range s.Runs {
		page.Runs = append(page.Runs, pageOf(run))
	}
	return runsTemplate.Execute(w, page)
}

// frontier draws cost over attainment, if there are several runs: in money if
// every run has a price, else in GPU-hours.
func frontier(runs []Run) template.HTML {
	if len(runs) < 2 {
		return ""
	}
	cost, unit, by := func(r *sim.Result) float64 { return r.GPU.Allocated.Hours() }, " GPU-h", "GPU-h"
	if !slices.ContainsFunc(runs, func(r Run) bool { return r.Result.Cost <= 0 }) {
		cost, unit, by = func(r *sim.Result) float64 { return float64(r.Cost) / 1e6 }, " $", "cost"
	}
	c := chart.Chart{
		Title: "What it costs to meet the SLO: share of requests that missed it, by " + by,
		X:     chart.Axis{Unit: unit}, Y: chart.Axis{Unit: " %", Log: true, From: 0.01, To: 100}, Limit: 1, LimitIs: "1 %",
	}
	byName := map[string]int{}
	for _, run := range runs {
		i, known := byName[run.Series]
		if !known {
			i = len(c.Lines)
			byName[run.Series] = i
			c.Lines = append(c.Lines, chart.Line{Name: run.Series})
		}
		line, r := &c.Lines[i], run.Result
		line.Xs = append(line.Xs, cost(r))
		line.Ys = append(line.Ys, 100*(1-r.Attainment))
		line.Tips = append(line.Tips, fmt.Sprintf("%s: %s, %.2f %% attained", run.Label, chart.Value(cost(r), unit), 100*r.Attainment))
	}
	return c.SVG()
}

func pageOf(of Run) runPage {
	r := of.Result
	page := runPage{Label: of.Label, Places: r.Deployments, Charts: chartsOf(r)}
	if page.Why = whyLines(r); len(page.Why) > 0 {
		page.Missed = missed(r)
	}
	if lost := lost(r); lost != "" {
		page.Lost = "Of " + lost + "."
	}
	for i, d := range r.Decisions {
		if i == listed {
			page.More = len(r.Decisions) - listed
			break
		}
		page.Decisions = append(page.Decisions, decisionRow{words.Clock(d.At), d.Deployment, d.Decision.Have, d.Decision.Want, d.Decision.Reasons.String()})
	}
	return page
}
