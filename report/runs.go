package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"weir"
	"weir/report/words"
	"weir/sim"
)

// Study is the results of some runs of one traffic.
type Study struct {
	Model       string
	Traffic     string // its name, or its file's
	Load        string // times the recorded rate: "2x"
	SLO         weir.SLO
	Deployments []string // of the model, including those without a part in it
	Runs        []Run    // at least one
	Advice      string   // a clause with a setting that would do; "": none
	Notes       []string // clauses: the assumptions
	Command     string   // that made the study
}

// Run is one policy, or one setting, and its result.
type Run struct {
	Label  string
	Series string // runs of one series are one line of the drawing
	Result *sim.Result
}

// Runs writes a table with a line for each run, and the causes of misses.
func Runs(w io.Writer, s Study) error {
	var t text
	t.linef("%s at %s of %s; SLO: first token %v, then %v each\n", s.Model, s.Load, s.Traffic, s.SLO.TTFT, s.SLO.TPOT)
	s.table(&t)
	t.linef("\nchanges: how often the wanted number of replicas changed, and how many of these were reversed within ten minutes; GPU-h: from request to release; busy, idle and cold are shares of it")
	s.places(&t)
	for _, c := range s.Runs {
		if lost := lost(c.Result); lost != "" {
			t.linef("%s: of %s", c.Label, lost)
		}
	}
	s.why(&t)
	if s.Advice != "" {
		t.linef("\n%s", s.Advice)
	}
	for _, note := range s.Notes {
		t.linef("%s", note)
	}
	return t.to(w)
}

func (s *Study) table(t *text) {
	width := len("policy")
	for _, c := range s.Runs {
		width = max(width, len(c.Label))
	}
	fmt.Fprintf(t, "%-*s %9s %9s %9s %9s %9s %9s %7s %7s %7s %7s %12s\n", width,
		"policy", "attained", "worst 5m", "ttft p50", "ttft p99", "tpot p99", "GPU-h", "busy", "idle", "cold", "changes", "cost")
	for _, c := range s.Runs {
		r := c.Result
		fmt.Fprintf(t, "%-*s %8.2f%% %8.2f%% %9s %9s %9s %9.2f %6.0f%% %6.0f%% %6.0f%% %4d/%-3d %11s\n", width,
			c.Label, 100*r.Attainment, 100*r.WorstWindow, words.Duration(r.TTFT.P50), words.Duration(r.TTFT.P99), words.Duration(r.TPOT.P99),
			r.GPU.Allocated.Hours(), percentOf(r.GPU.Busy, r.GPU.Allocated), percentOf(r.GPU.Idle, r.GPU.Allocated), percentOf(r.GPU.ColdStart, r.GPU.Allocated),
			r.Changes, r.Reversals, words.Dollars(r.Cost))
	}
}

// lost describes the unanswered requests; "" if there are none.
func lost(r *sim.Result) string {
	if r.Completed == r.Arrived {
		return ""
	}
	return fmt.Sprintf("%d requests %d were refused, %d failed%s, %d still waited at the end", r.Arrived, r.Refused, r.Failed, failures(r), r.Waiting)
}

// failures says why requests failed.
func failures(r *sim.Result) string {
	var why []string
	for _, part := range []struct {
		n    uint64
		what string
	}{{r.Impatient, "callers gave up"}, {r.Cut, "cut when a replica died"}, {r.TooLong, "too long for the replica"}} {
		if part.n > 0 {
			why = append(why, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	if len(why) == 0 {
		return ""
	}
	return " (" + strings.Join(why, ", ") + ")"
}

// places writes the part of each deployment, if there are several.
func (s *Study) places(t *text) {
	if len(s.Deployments) < 2 {
		return
	}
	width := len("deployment")
	for _, name := range s.Deployments {
		width = max(width, len(name))
	}
	for _, c := range s.Runs {
		fmt.Fprintf(t, "\n%s\n  %-*s %10s %10s %12s %12s %11s\n", c.Label, width, "deployment", "answered", "429", "tokens in", "tokens out", "cost")
		for _, d := range c.Result.Deployments {
			fmt.Fprintf(t, "  %-*s %10d %10d %12d %12d %11s\n", width, d.Name, d.Completed, d.Throttled, d.Prompt, d.Output, words.Dollars(d.Cost))
		}
	}
}

// percentOf is a part of a time, in per cent; 0 of none.
func percentOf(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}
