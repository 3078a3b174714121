package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir"
	"weir/config"
	"weir/control"
	"weir/price/pricefile"
	"weir/report"
	"weir/scale"
	"weir/sim"
	"weir/wire"
)

// simulateFlags are what the command line says of the runs.
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
		Long: `Simulate plays a trace at a model of weir.yaml: the same dispatch, scaling and
control code as "weir serve" runs, over replicas that behave in time as their
GPU and model would, and over the model's other deployments beside them. It
shows what a configuration would do and cost before it is deployed, and beside
it what other autoscalers would have done.

A trace is a CSV (arrival_s,input_tokens,output_tokens), Azure's published
traces or Mooncake's, gzip'd or not; or the journal or the ledger of "weir
serve", of which only counts are known: when within a step or a minute a request
came, and how long it was, is drawn. Without --trace it is ten recorded minutes
of an Azure conversation service.

Policies: weir, the one in the file; weir-foreseeing, the same told what will
come; clairvoyant, the cheapest schedule for what came (slow); or
  ` + wrapNames(scale.Baselines()) + `
each with "=KNOB" for its main knob, as in hpa=0.6 and weir=0.7 (target_use).
--sweep runs a policy at several knobs, or everything at several values of a key
of the file, for the frontier of cost against attainment. Keys are those of
scaling and capacity (of the deployments) and of the model: scaling.target_use,
capacity.max_requests, queue.max_wait.

What goes wrong besides is said in a file of its own: see
examples/scenarios/bad-day.yaml.

Under the table stands why requests missed what is promised, and when. For the
first run that misses its goal (scaling.attainment, else 99%) up to 40 other
settings are tried, and the cheapest that attains is named.

--require makes it a gate: every run must keep every condition. Figures:
  ` + wrapNames(strings.Split(requireHelp, ", ")) + `

` + exitHelp + `
  4  what --require asks for is not met`,
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
	fs.StringVar(&f.traceOf, "trace-of", "", "`name` of the deployment in the journal, or of the model in the ledger, whose traffic is meant; without it those of the model")
	fs.StringVar(&f.scenario, "scenario", "", "`file` that says what goes wrong, and how fast services of others are")
	fs.StringArrayVar(&f.policies, "policy", []string{ownPolicy}, "policies to run, each as `NAME[=KNOB]`")
	fs.StringArrayVar(&f.sweeps, "sweep", nil, "several values of a key, or several knobs of a policy, as `KEY=V1,V2,...`; may be given more than once")
	fs.StringArrayVar(&f.sets, "set", nil, "another value of a key of the file, as `KEY=VALUE`; may be given more than once")
	fs.StringVar(&f.gpu, "gpu", "", "`name` of the GPU of one replica; without it as the file says")
	fs.StringVar(&f.engineModel, "engine-model", "", "`name` of the model's shape in the catalogue; likewise")
	fs.IntVar(&f.tp, "tp", 0, "GPUs of one replica; likewise")
	tokensVar(fs, &f.prefixTokens, "prefix-tokens", 512, "tokens that one prefix id of the trace stands for; a multiple of 16")
	fs.DurationVar(&f.coldStart, "cold-start", 0, "`time` a replica takes to be ready; 0: scaling.cold_start of the file")
	fs.StringVar(&f.load, "load", "1x", "multiply the rate of the trace by that `factor`")
	fs.DurationVar(&f.from, "from", 0, "leave out what is before that `time` of the trace")
	fs.DurationVar(&f.to, "to", 0, "and after that one; 0: to its end")
	fs.StringVar(&f.start, "start", "", "`time` at which the trace began, as 2024-05-14T08:00Z, for schedules; without it what the trace says, else that Tuesday at midnight")
	fs.IntVar(&f.initial, "initial", 0, "replicas that are ready at the start; 0: scaling.min, at least one")
	fs.Float64Var(&f.price, "price", 0, "`dollars` one replica costs in an hour; 0: scaling.price of the file")
	fs.Uint64Var(&f.seed, "seed", 1, "of everything drawn")
	fs.StringVar(&f.journal, "journal", "", "also write the journal of the decisions, for weir replay, as one `file`; of a single run")
	fs.StringVar(&f.require, "require", "", "`conditions` every run must keep, as attained>=99%,cost<=50; otherwise exit code 4")
	fs.BoolVar(&f.advise, "advise", false, "look for the cheapest setting that attains, however long that takes; --advise=false: do not")
	fs.BoolVar(&f.jsonOut, "json", false, "print the results as JSON instead of a table")
	fs.StringVar(&f.html, "html", "", "also write a report one can send, as one `file`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	_ = cmd.MarkFlagFilename("scenario", "yaml", "yml")
}

func simulate(cmd *cobra.Command, f *simulateFlags) error {
	contenders, err := f.contenders(cmd.Flags().Changed("policy"))
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	if f.journal != "" && len(contenders) > 1 {
		return usageError{cmd.CommandPath(), fmt.Errorf("--journal is of one run, and these are %d", len(contenders))}
	}
	required, err := requirements(f.require)
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	s, err := f.setting()
	if err != nil {
		return err
	}
	t, err := f.traffic(cmd.Context(), s.model)
	if err != nil {
		return err
	}
	if err := tryAll(s, contenders, cmd.CommandPath()); err != nil {
		return err
	}
	if s.journal, err = newJournal(f.journal); err != nil {
		return fmt.Errorf("--journal: %w", err)
	}
	bar := newProgress(cmd.ErrOrStderr(), len(contenders))
	err = runAll(cmd.Context(), s, t, contenders, bar)
	bar.end()
	if s.journal != nil {
		err = errors.Join(err, s.journal.Close())
	}
	if err != nil {
		return err
	}
	made := study{setting: s, traffic: t, load: strings.TrimSuffix(f.load, "x") + "x", contenders: contenders, unmet: unmet(required, contenders)}
	if contenders[0].Result.Arrived == 0 {
		return fmt.Errorf("%s: %w", t.name(), errNoArrivals)
	}
	if asked := cmd.Flags().Changed("advise"); f.advise || !asked {
		if made.advice, err = made.advise(cmd.Context(), asked); err != nil {
			return err
		}
	}
	if err := f.write(cmd, &made); err != nil {
		return err
	}
	if len(made.unmet) > 0 {
		return unmetError{made.unmet}
	}
	return nil
}

// write prints what was found out, and writes the page that was asked for.
func (f *simulateFlags) write(cmd *cobra.Command, s *study) error {
	view := s.view()
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
		return report.JSON(cmd.OutOrStdout(), s.json(), " ")
	}
	return report.Runs(cmd.OutOrStdout(), view)
}

// view is what people read of the study.
func (s *study) view() report.Study {
	m := s.setting.model
	v := report.Study{
		Model: m.Name, Traffic: s.traffic.name(), Load: s.load, SLO: weir.SLO(m.SLO), Notes: s.setting.notes(), Advice: s.advice.text(),
		Command: strings.Join(append([]string{"weir"}, os.Args[1:]...), " "),
	}
	for _, d := range m.Deployments {
		v.Deployments = append(v.Deployments, d.Name)
	}
	for _, c := range s.contenders {
		v.Runs = append(v.Runs, report.Run{Label: c.Label, Series: c.series, Result: c.Result})
	}
	return v
}

// json is every run with its whole result.
func (s *study) json() any {
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
	return out
}

// tryAll says what cannot run before anything runs.
func tryAll(s *setting, cs []contender, command string) error {
	for i := range cs {
		changed, err := s.with(cs[i].Settings)
		if err != nil {
			return usageError{command, err}
		}
		if _, err = changed.config(); err != nil {
			return err
		}
	}
	return nil
}

// newJournal begins a journal; nil for no path.
func newJournal(path string) (*control.Journal, error) {
	if path == "" {
		return nil, nil
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil { // it is of this run alone
		return nil, err
	}
	return control.OpenJournal(control.JournalOptions{Path: path, MaxBytes: math.MaxInt64})
}

// study is what one command has run.
type study struct {
	setting    *setting
	traffic    *traffic
	load       string
	contenders []contender
	advice     *advice  // nil: every run attains, or it was not asked for
	unmet      []string // requirements that are not met
}

// setting reads the files and finds the model.
func (f *simulateFlags) setting() (*setting, error) {
	c, err := f.configuration()
	if err != nil {
		return nil, configError{err}
	}
	s := &setting{
		said: wire.Hardware{GPU: f.gpu, Model: f.engineModel, TP: f.tp}, cold: f.coldStart, price: money(f.price),
		initial: f.initial, blocks: f.prefixTokens,
	}
	if f.price < 0 || f.coldStart < 0 || f.initial < 0 || f.tp < 0 || f.prefixTokens < 16 || f.prefixTokens%16 != 0 {
		return nil, usageError{"weir simulate", errors.New("--price, --cold-start, --initial and --tp must not be negative, and --prefix-tokens must be a multiple of 16")}
	}
	if s.model, err = findModel(c, f.model, f.demonstration()); err != nil {
		return nil, err
	}
	if f.replaced() {
		s.model = untargeted(s.model)
	}
	if s.prices, err = pricefile.Catalogue(""); err != nil {
		return nil, err
	}
	if s.scenario, err = readScenario(f.scenario); err != nil {
		return nil, err
	}
	if err := s.scenario.unknown(s.model); err != nil {
		return nil, configError{fmt.Errorf("%s: %w", f.scenario, err)}
	}
	return s, nil
}

// traffic finds out what is to be played.
func (f *simulateFlags) traffic(ctx context.Context, m *config.Model) (*traffic, error) {
	factor, err := strconv.ParseFloat(strings.TrimSuffix(f.load, "x"), 64)
	if err != nil || !(factor > 0) || factor > 1000 {
		return nil, usageError{"weir simulate", fmt.Errorf("--load %q: want a factor such as 2x, above 0 and at most 1000", f.load)}
	}
	if f.from < 0 || f.to < 0 || f.to > 0 && f.to <= f.from {
		return nil, usageError{"weir simulate", fmt.Errorf("--from %v --to %v is no part of a trace", f.from, f.to)}
	}
	t := traffic{path: f.trace, from: f.from, to: f.to, factor: factor, seed: f.seed, model: cmp.Or(f.traceOf, m.Name)}
	for i := range m.Deployments {
		t.deployments = append(t.deployments, m.Deployments[i].Name)
	}
	if f.traceOf != "" {
		t.deployments = []string{f.traceOf}
	}
	found, err := newTraffic(ctx, t)
	if err != nil {
		return nil, err
	}
	if f.start != "" {
		if found.start, err = startOf(f.start); err != nil {
			return nil, err
		}
	}
	if found.start != 0 {
		found.start = found.start.Add(f.from)
	}
	return found, nil
}

func startOf(text string) (weir.Instant, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, text); err == nil {
			return weir.At(t), nil
		}
	}
	return 0, usageError{"weir simulate", fmt.Errorf("--start %q: want a time such as 2024-05-14T08:00Z or 2024-05-14", text)}
}

// money is what a price flag says, in micro-dollars.
func money(dollars float64) weir.Money { return weir.Money(dollars * float64(weir.Dollar)) }

// demonstration says whether the built-in file is meant.
func (f *simulateFlags) demonstration() bool { return f.file == "" }

func (f *simulateFlags) configuration() (*config.Config, error) {
	if f.demonstration() {
		return config.Default("weir", config.KeyHash{})
	}
	return config.Open(f.file)
}
