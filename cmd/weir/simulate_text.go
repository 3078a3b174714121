package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"weir/report/words"
	"weir/sim"
)

// text prints a table with a line for each contender.
func (s *study) text(w io.Writer) {
	m := s.setting.model
	fmt.Fprintf(w, "%s at %s of %s; SLO: first token %v, then %v each\n\n", m.Name, s.load, s.traffic.name(), m.SLO.TTFT, m.SLO.TPOT)
	width := len("policy")
	for _, c := range s.contenders {
		width = max(width, len(c.Label))
	}
	fmt.Fprintf(w, "%-*s %9s %9s %9s %9s %9s %9s %7s %7s %7s %7s %12s\n", width,
		"policy", "attained", "worst 5m", "ttft p50", "ttft p99", "tpot p99", "GPU-h", "busy", "idle", "cold", "changes", "cost")
	for _, c := range s.contenders {
		r := c.Result
		fmt.Fprintf(w, "%-*s %8.2f%% %8.2f%% %9s %9s %9s %9.2f %6.0f%% %6.0f%% %6.0f%% %4d/%-3d %11s\n", width,
			c.Label, 100*r.Attainment, 100*r.WorstWindow, words.Duration(r.TTFT.P50), words.Duration(r.TTFT.P99), words.Duration(r.TPOT.P99),
			r.GPU.Allocated.Hours(), percentOf(r.GPU.Busy, r.GPU.Allocated), percentOf(r.GPU.Idle, r.GPU.Allocated), percentOf(r.GPU.ColdStart, r.GPU.Allocated),
			r.Changes, r.Reversals, words.Dollars(r.Cost))
	}
	fmt.Fprintln(w, "\nchanges: of the number of replicas wanted, and of them reversals within ten minutes; GPU-h from asking to release; busy, idle and cold are shares of it")
	s.places(w)
	for _, c := range s.contenders {
		if r := c.Result; r.Completed != r.Arrived {
			fmt.Fprintf(w, "%s: of %d requests %d were refused, %d failed%s, %d still waited at the end\n", c.Label, r.Arrived, r.Refused, r.Failed, failures(r), r.Waiting)
		}
	}
	s.why(w)
	if text := s.advice.text(); text != "" {
		fmt.Fprintln(w, "\n"+text)
	}
	for _, note := range s.setting.notes() {
		fmt.Fprintln(w, note)
	}
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

// places prints what each deployment did, where there are several.
func (s *study) places(w io.Writer) {
	if len(s.setting.model.Deployments) < 2 {
		return
	}
	width := len("deployment")
	for _, d := range s.setting.model.Deployments {
		width = max(width, len(d.Name))
	}
	for _, c := range s.contenders {
		fmt.Fprintf(w, "\n%s\n  %-*s %10s %10s %12s %12s %11s\n", c.Label, width, "deployment", "answered", "429", "tokens in", "tokens out", "cost")
		for _, d := range c.Result.Deployments {
			fmt.Fprintf(w, "  %-*s %10d %10d %12d %12d %11s\n", width, d.Name, d.Completed, d.Throttled, d.Prompt, d.Output, words.Dollars(d.Cost))
		}
	}
}

func percentOf(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// json prints every run with its whole result.
func (s *study) json(w io.Writer) error {
	type row struct {
		Policy   string            `json:"policy"`
		Knob     float64           `json:"knob,omitempty"`
		Settings map[string]string `json:"settings,omitempty"`
		Result   *sim.Result       `json:"result"`
	}
	out := struct {
		Model  string   `json:"model"`
		Trace  string   `json:"trace"`
		Load   string   `json:"load"`
		Notes  []string `json:"notes,omitempty"`
		Runs   []row    `json:"runs"`
		Advice *advice  `json:"advice,omitempty"` // of the first run that misses its goal
		Unmet  []string `json:"unmet_requirements,omitempty"`
	}{Model: s.setting.model.Name, Trace: s.traffic.name(), Load: s.load, Notes: s.setting.notes(), Advice: s.advice, Unmet: s.unmet}
	for _, c := range s.contenders {
		r := row{Policy: c.Policy, Knob: c.Knob, Result: c.Result}
		for _, v := range c.Settings {
			if r.Settings == nil {
				r.Settings = map[string]string{}
			}
			r.Settings[v.key] = v.value
		}
		out.Runs = append(out.Runs, r)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	if err := e.Encode(out); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}
