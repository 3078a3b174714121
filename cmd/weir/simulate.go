package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir"
	"weir/internal/term"
	"weir/report"
	"weir/scale/baseline"
	"weir/whatif"
)

// simulateFlags are the flags of the runs.
type simulateFlags struct {
	file, model, trace string
	traceOf, scenario  string
	policies           []string
	sweeps, sets       []string
	gpu, engineModel   string
	tp, prefixTokens   int
	coldStart          time.Duration
	from, to           time.Duration
	start              string
	load               string
	initial            int
	price              float64
	seed               uint64
	require            string
	advise             bool
	jsonOut            bool
	html, journal      string
}

func newSimulate() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run recorded traffic through a configuration in virtual time",
		Long: `Simulate plays a trace to a model of weir.yaml. It runs the dispatch, scaling and
control code of "weir serve" over replicas with the timing of their GPU and model,
and over the model's other deployments. It shows what a configuration would do and
cost before it is deployed, compared with other autoscalers.

A trace is a CSV (arrival_s,input_tokens,output_tokens), Azure's published
traces or Mooncake's, gzipped or not; or the journal or the ledger of "weir serve",
which have only counts: arrival times within a step or a minute, and lengths, are
drawn. Without --trace it is ten recorded minutes
of an Azure conversation service.

Policies: weir, the one in the file; weir-foreseeing, the same with the future load
known; clairvoyant, the cheapest schedule for the trace (slow); or
  ` + wrapNames(baseline.Names()) + `
each with "=KNOB" for its main knob, as in hpa=0.6 and weir=0.7 (target_use).
--sweep runs a policy at several knobs, or everything at several values of a key
of the file, for the frontier of cost against attainment. Keys are those of
scaling and capacity (of the deployments) and of the model: scaling.target_use,
capacity.max_requests, queue.max_wait.

Failures are described in a scenario file: see examples/scenarios/bad-day.yaml.

Below the table it shows why and when requests missed the SLO. For the first run
that misses its goal (scaling.attainment, else 99%) up to 40 other settings are
tried, and the cheapest that reaches the goal is named.

--require makes it a gate: every run must meet every condition. Figures:
  ` + wrapNames(strings.Split(whatif.RequireHelp, ", ")) + `

` + exitHelp + `
  4  --require is not met`,
		Example: `  weir simulate -c weir.yaml --trace day.csv.gz --cold-start 90s
  weir simulate --policy weir,hpa=0.7,kpa --load 2x --html report.html
  weir simulate --sweep hpa=0.4,0.5,0.6,0.7,0.8 --html frontier.html
  weir simulate -c weir.yaml --sweep scaling.target_use=60%,80%,95% --trace weir.db
  weir simulate --gpu A100-80GB --engine-model llama-3.3-70b --tp 4 --price 14.69
  weir simulate --trace weir.journal --set scaling.max=8 --scenario bad-day.yaml
  weir simulate -c weir.yaml --trace day.csv --require 'attained>=99%,cost<=50'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return simulate(cmd, &f) },
	}
	f.add(cmd)
	return cmd
}

func (f *simulateFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "config", "c", "", "configuration `file`; none: the built-in demonstration")
	fs.StringVar(&f.model, "model", "", "`name` of the model in it; needed when several have replicas Weir starts")
	fs.StringVar(&f.trace, "trace", "", "trace, journal or ledger `file`")
	fs.StringVar(&f.traceOf, "trace-of", "", "`name` of the deployment in the journal, or of the model in the ledger, to take traffic from; default: those of the model")
	fs.StringVar(&f.scenario, "scenario", "", "scenario `file`: failures, and the speed of external services")
	fs.StringArrayVar(&f.policies, "policy", []string{whatif.Own}, "policies to run, each as `NAME[=KNOB]`")
	fs.StringArrayVar(&f.sweeps, "sweep", nil, "several values of a key, or several knobs of a policy, as `KEY=V1,V2,...`; may be repeated")
	fs.StringArrayVar(&f.sets, "set", nil, "another value of a key of the file, as `KEY=VALUE`; may be repeated")
	fs.StringVar(&f.gpu, "gpu", "", "`name` of the GPU of one replica; default: from the file")
	fs.StringVar(&f.engineModel, "engine-model", "", "`name` of the model's shape in the catalogue; default: from the file")
	fs.IntVar(&f.tp, "tp", 0, "GPUs of one replica; default: from the file")
	tokensVar(fs, &f.prefixTokens, "prefix-tokens", 512, "tokens per prefix id of the trace; a multiple of 16")
	fs.DurationVar(&f.coldStart, "cold-start", 0, "`time` until a replica is ready; 0: scaling.cold_start of the file")
	fs.StringVar(&f.load, "load", "1x", "multiply the rate of the trace by that `factor`")
	fs.DurationVar(&f.from, "from", 0, "skip the trace before this `time`")
	fs.DurationVar(&f.to, "to", 0, "skip the trace after this `time`; 0: to its end")
	fs.StringVar(&f.start, "start", "", "start `time` of the trace, such as 2024-05-14T08:00Z, for schedules; default: from the trace, else that Tuesday at midnight")
	fs.IntVar(&f.initial, "initial", 0, "replicas ready at the start; 0: scaling.min, at least one")
	fs.Float64Var(&f.price, "price", 0, "`dollars` per replica and hour; 0: scaling.price of the file")
	fs.Uint64Var(&f.seed, "seed", 1, "seed of everything drawn")
	fs.StringVar(&f.journal, "journal", "", "also write the journal of the decisions to a `file`, for weir replay; single runs only")
	fs.StringVar(&f.require, "require", "", "`conditions` every run must meet, such as attained>=99%,cost<=50; otherwise exit code 4")
	fs.BoolVar(&f.advise, "advise", false, "find the cheapest setting that reaches the goal, however long that takes; --advise=false: skip")
	fs.BoolVar(&f.jsonOut, "json", false, "print the results as JSON instead of a table")
	fs.StringVar(&f.html, "html", "", "also write the report as one HTML `file`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkFlagFilename("scenario", "yaml", "yml")
}

func simulate(cmd *cobra.Command, f *simulateFlags) error {
	contenders, err := whatif.Contenders(whatif.Asked{Policies: f.policies, ByDefault: !cmd.Flags().Changed("policy"), Sets: f.sets, Sweeps: f.sweeps})
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	if f.journal != "" && len(contenders) > 1 {
		return usageError{cmd.CommandPath(), fmt.Errorf("--journal needs a single run, but these are %d", len(contenders))}
	}
	required, err := whatif.Requirements(f.require)
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	s, err := f.setting()
	if err != nil {
		return err
	}
	t, err := f.traffic(cmd.Context(), s.Model)
	if err != nil {
		return err
	}
	if err := tryAll(s, contenders, cmd.CommandPath()); err != nil {
		return err
	}
	if err := f.play(cmd, s, t, contenders); err != nil {
		return err
	}
	made := whatif.Study{Setting: s, Traffic: t, Load: strings.TrimSuffix(f.load, "x") + "x", Runs: contenders, Unmet: whatif.Unmet(required, contenders)}
	if asked := cmd.Flags().Changed("advise"); f.advise || !asked {
		if err := made.Advise(cmd.Context(), asked); err != nil {
			return err
		}
	}
	if err := f.write(cmd, &made); err != nil {
		return err
	}
	if len(made.Unmet) > 0 {
		return unmetError{made.Unmet}
	}
	return nil
}

// play runs the contenders, with a progress bar, and writes the journal, if
// any.
func (f *simulateFlags) play(cmd *cobra.Command, s *whatif.Setting, t *whatif.Traffic, cs []whatif.Contender) (err error) {
	if s.Journal, err = newJournal(f.journal); err != nil {
		return fmt.Errorf("--journal: %w", err)
	}
	bar := term.NewProgress(cmd.ErrOrStderr(), len(cs))
	err = whatif.RunAll(cmd.Context(), s, t, cs, bar.Part)
	bar.End()
	if s.Journal != nil {
		err = errors.Join(err, s.Journal.Close())
	}
	if err == nil && cs[0].Result.Arrived == 0 {
		err = fmt.Errorf("%s: %w", t.Name(), whatif.ErrNoArrivals)
	}
	return err
}

// write prints the results, and writes the page, if any.
func (f *simulateFlags) write(cmd *cobra.Command, s *whatif.Study) error {
	view := view(s)
	if f.html != "" {
		var page bytes.Buffer
		err := report.RunsPage(&page, view)
		if err == nil {
			err = os.WriteFile(f.html, page.Bytes(), 0o644)
		}
		if err != nil {
			return fmt.Errorf("--html: %w", err)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "report written to", f.html)
	}
	if f.jsonOut {
		return report.JSON(cmd.OutOrStdout(), s.JSON(), " ")
	}
	return report.Runs(cmd.OutOrStdout(), view)
}

// view is a study as people read it.
func view(s *whatif.Study) report.Study {
	m := s.Setting.Model
	v := report.Study{
		Model: m.Name, Traffic: s.Traffic.Name(), Load: s.Load, SLO: weir.SLO(m.SLO), Notes: s.Setting.Notes(), Advice: s.Advice.Text(),
		Command: strings.Join(append([]string{"weir"}, os.Args[1:]...), " "),
	}
	for _, d := range m.Deployments {
		v.Deployments = append(v.Deployments, d.Name)
	}
	for _, c := range s.Runs {
		v.Runs = append(v.Runs, report.Run{Label: c.Label, Series: c.Series, Result: c.Result})
	}
	return v
}

// tryAll reports contenders that cannot run before anything runs.
func tryAll(s *whatif.Setting, cs []whatif.Contender, command string) error {
	for i := range cs {
		changed, err := s.With(cs[i].Settings)
		if err != nil {
			return usageError{command, err}
		}
		if _, err = changed.Config(); err != nil {
			return err
		}
	}
	return nil
}
