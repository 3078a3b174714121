package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"weir"
	"weir/config"
	"weir/engine"
	"weir/fleet/mem"
	"weir/scale"
	"weir/sim"
	"weir/trace"
)

// simulateFlags are what the command line says of the runs.
type simulateFlags struct {
	file, model, trace string
	policies           []string
	sweep              string
	gpu, engineModel   string
	tp                 int
	coldStart, from    time.Duration
	to                 time.Duration
	load               string
	initial            int
	price              float64
	seed               uint64
	jsonOut            bool
	html               string
}

func newSimulate() *cobra.Command {
	var f simulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Run recorded traffic through a configuration in virtual time",
		Long: `Simulate plays a trace at a model of weir.yaml: the same dispatch, scaling and
control code as "weir serve" runs, over replicas that behave in time as their
GPU and model would. It shows what a configuration would do and cost before it
is deployed, and beside it what other autoscalers would have done.

A trace is a CSV (arrival_s,input_tokens,output_tokens), Azure's published
traces or Mooncake's, gzip'd or not. Without --trace it is ten recorded minutes
of an Azure conversation service.

Policies: weir, the one in the file, or
  ` + wrapNames(scale.Baselines()) + `
each with "=KNOB" for its main knob, as in hpa=0.6. --sweep runs one policy at
several knobs, for the frontier of cost against attainment.

` + exitHelp,
		Example: `  weir simulate -c weir.yaml --trace day.csv.gz --cold-start 90s
  weir simulate --policy weir,hpa=0.7,kpa --load 2x --html report.html
  weir simulate --sweep hpa=0.4,0.5,0.6,0.7,0.8 --html frontier.html
  weir simulate --gpu A100-80GB --engine-model llama-3.3-70b --tp 4 --price 14.69`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return simulate(cmd, f) },
	}
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "config", "c", "", "configuration `file`; none: the built-in demonstration")
	fs.StringVar(&f.model, "model", "", "`name` of the model in it; needed when several have replicas Weir starts")
	fs.StringVar(&f.trace, "trace", "", "trace `file`")
	fs.StringSliceVar(&f.policies, "policy", []string{"weir"}, "policies to run, each as `NAME[=KNOB]`")
	fs.StringVar(&f.sweep, "sweep", "", "one policy at several knobs, as `NAME=K1,K2,...`")
	fs.StringVar(&f.gpu, "gpu", "", "`name` of the GPU of one replica; without it as the file's emulated command says")
	fs.StringVar(&f.engineModel, "engine-model", "", "`name` of the model's shape in the catalogue; likewise")
	fs.IntVar(&f.tp, "tp", 0, "GPUs of one replica; likewise")
	fs.DurationVar(&f.coldStart, "cold-start", 0, "`time` a replica takes to be ready; 0: scaling.cold_start of the file")
	fs.StringVar(&f.load, "load", "1x", "multiply the rate of the trace by that `factor`")
	fs.DurationVar(&f.from, "from", 0, "leave out what is before that `time` of the trace")
	fs.DurationVar(&f.to, "to", 0, "and after that one; 0: to its end")
	fs.IntVar(&f.initial, "initial", 0, "replicas that are ready at the start; 0: scaling.min, at least one")
	fs.Float64Var(&f.price, "price", 0, "`dollars` one replica costs in an hour")
	fs.Uint64Var(&f.seed, "seed", 1, "of everything drawn")
	fs.BoolVar(&f.jsonOut, "json", false, "print the results as JSON instead of a table")
	fs.StringVar(&f.html, "html", "", "also write a report one can send, as one `file`")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
	return cmd
}

// contender is one policy under test.
type contender struct {
	Label  string
	name   string // "weir" or a baseline's
	knob   float64
	Result *sim.Result
}

func simulate(cmd *cobra.Command, f simulateFlags) error {
	contenders, err := f.contenders()
	if err != nil {
		return usageError{cmd.CommandPath(), err}
	}
	base, err := f.base()
	if err != nil {
		return err
	}
	for i := range contenders {
		if err := f.run(cmd, base, &contenders[i]); err != nil {
			return err
		}
	}
	if f.html != "" {
		if err := writeReport(f.html, f, contenders); err != nil {
			return fmt.Errorf("--html: %w", err)
		}
		fmt.Fprintln(cmd.ErrOrStderr(), "report written to", f.html)
	}
	if f.jsonOut {
		return printJSON(cmd.OutOrStdout(), contenders)
	}
	printContenders(cmd.OutOrStdout(), base, contenders)
	return nil
}

// contenders reads --policy and --sweep.
func (f simulateFlags) contenders() ([]contender, error) {
	specs := f.policies
	if f.sweep != "" {
		name, knobs, ok := strings.Cut(f.sweep, "=")
		if !ok {
			return nil, fmt.Errorf("--sweep %q: want a policy and its knobs, as in hpa=0.5,0.6", f.sweep)
		}
		specs = nil
		for _, k := range strings.Split(knobs, ",") {
			specs = append(specs, name+"="+k)
		}
	}
	var cs []contender
	for _, s := range specs {
		name, knob, has := strings.Cut(s, "=")
		c := contender{Label: s, name: name}
		if has {
			v, err := strconv.ParseFloat(knob, 64)
			if err != nil || !(v > 0) {
				return nil, fmt.Errorf("policy %q: %q is no number above zero", s, knob)
			}
			c.knob = v
		}
		if name != "weir" && !slices.Contains(scale.Baselines(), name) {
			return nil, fmt.Errorf("no policy %q; there are weir, %s", name, strings.Join(scale.Baselines(), ", "))
		}
		cs = append(cs, c)
	}
	return cs, nil
}

// setting is what all runs share.
type setting struct {
	model  *config.Model
	deploy *config.Deployment
	policy scale.Policy
	spec   engine.Spec
	slo    sim.SLO
	factor float64
	gpus   int
	cold   time.Duration
}

// base finds the model to simulate and the replica it runs on.
func (f simulateFlags) base() (*setting, error) {
	c, err := f.configuration()
	if err != nil {
		return nil, configError{err}
	}
	s := &setting{}
	for i := range c.Models {
		m := &c.Models[i]
		for k := range m.Deployments {
			if m.Deployments[k].Process == nil || f.model != "" && f.model != m.Name {
				continue
			}
			if s.model != nil && s.model != m && f.model == "" {
				if f.file == "" {
					continue // the demonstration's first model
				}
				return nil, fmt.Errorf("%s and %s both have replicas that Weir starts: say which with --model", s.model.Name, m.Name)
			}
			if s.model == nil {
				s.model, s.deploy = m, &m.Deployments[k]
			}
		}
	}
	if s.model == nil {
		return nil, errors.New("no model of that name has replicas that Weir starts (process): there is nothing to scale")
	}
	prices, err := catalogue("")
	if err != nil {
		return nil, err
	}
	h := hardwareOf(s.deploy.Process)
	h.gpu, h.model, h.tp = orName(f.gpu, h.gpu), orName(f.engineModel, h.model), max(f.tp, h.tp)
	if !h.known() {
		return nil, fmt.Errorf("what %s runs on is not known: give it process.runs_on, or say --gpu and --engine-model", s.deploy.Name)
	}
	if s.spec, err = h.engine(prices); err != nil {
		return nil, err
	}
	if s.policy, err = policyOf(s.model, s.deploy, prices); err != nil {
		return nil, err
	}
	s.gpus = h.tp
	s.cold = f.coldStart
	if s.cold == 0 {
		s.cold = scalingOf(s.deploy).ColdStart
	}
	s.slo = sim.SLO{TTFT: s.model.SLO.TTFT, TPOT: s.model.SLO.TPOT}
	if s.slo.TTFT == 0 || s.slo.TPOT == 0 {
		return nil, fmt.Errorf("model %s promises nothing: give it slo.ttft and slo.tpot, by which a simulation judges", s.model.Name)
	}
	s.factor, err = strconv.ParseFloat(strings.TrimSuffix(f.load, "x"), 64)
	if err != nil || !(s.factor > 0) || s.factor > 1000 {
		return nil, fmt.Errorf("--load %q: want a factor such as 2x, above 0 and at most 1000", f.load)
	}
	return s, nil
}

func (f simulateFlags) configuration() (*config.Config, error) {
	if f.file == "" {
		return config.Default("weir", config.KeyHash{})
	}
	src, err := config.Read(f.file)
	if err != nil {
		return nil, err
	}
	return config.Parse(f.file, src)
}

// run simulates one contender.
func (f simulateFlags) run(cmd *cobra.Command, s *setting, c *contender) error {
	src, done, err := f.source(s)
	if err != nil {
		return err
	}
	defer done()
	p := s.policy
	p.ColdStart = s.cold
	if f.price > 0 {
		p.Price = weir.Money(f.price * float64(weir.Dollar))
	}
	own := &sim.Own{
		Engine: s.spec, GPUs: s.gpus, Price: p.Price,
		Initial: max(f.initial, p.Min, 1), Policy: p, Zone: scalingOf(s.deploy).Location(),
		Fleet: mem.Deployment{ColdStart: s.cold, DrainDeadline: s.deploy.Process.DrainTimeout},
	}
	if q := scalingOf(s.deploy).Quota; q > 0 {
		own.Fleet.Quota = q
	}
	if c.name != "weir" {
		own.By = c.Label
		own.Decide, err = scale.Baseline(c.name, scale.Make{
			Bounds: scale.Bounds{Min: p.Min, Max: p.Max}, Knob: c.knob, Capacity: p.Capacity,
			MaxConcurrency: p.MaxConcurrency, SLO: p.SLO,
		})
		if err != nil {
			return err
		}
	}
	bar := newBar(cmd.ErrOrStderr(), c.Label)
	c.Result, err = sim.Run(cmd.Context(), sim.Config{
		Seed: f.seed, Source: src, Model: s.model.Name, SLO: s.slo, Progress: bar.at,
		Deployments: []sim.Deployment{{
			Name: s.deploy.Name, MaxRequests: s.deploy.Capacity.MaxRequests, MaxWork: s.deploy.Capacity.MaxWork, Own: own,
		}},
	})
	bar.done()
	if err != nil {
		return fmt.Errorf("policy %s: %w", c.Label, err)
	}
	return nil
}

// source opens the trace, cut and scaled.
func (f simulateFlags) source(s *setting) (trace.Source, func(), error) {
	done := func() {}
	var r *trace.Reader
	var err error
	if f.trace == "" {
		r, err = trace.AzureConversation()
	} else {
		var file *os.File
		if file, err = os.Open(f.trace); err != nil {
			return nil, done, fmt.Errorf("--trace: %w", err)
		}
		done = func() { file.Close() }
		r, err = trace.NewReader(file)
	}
	if err != nil {
		done()
		return nil, func() {}, fmt.Errorf("%s: %w", orName(f.trace, "the built-in trace"), err)
	}
	var src trace.Source = r
	if f.from > 0 || f.to > 0 {
		src = trace.Cut(src, f.from, f.to)
	}
	if s.factor != 1 {
		src = trace.Scale(src, s.factor, rand.New(rand.NewPCG(f.seed, 0x74726163)))
	}
	return src, done, nil
}

func printContenders(w io.Writer, s *setting, cs []contender) {
	fmt.Fprintf(w, "%s, cold start %v, SLO: first token %v, then %v each\n\n", s.deploy.Name, s.cold, s.slo.TTFT, s.slo.TPOT)
	fmt.Fprintf(w, "%-18s %9s %9s %9s %9s %9s %9s %9s %8s %7s %9s\n",
		"policy", "attained", "worst 5m", "ttft p50", "ttft p99", "tpot p99", "GPU-h", "idle", "cold", "changes", "cost")
	for _, c := range cs {
		r := c.Result
		fmt.Fprintf(w, "%-18s %8.2f%% %8.2f%% %9s %9s %9s %9.2f %8.0f%% %7.0f%% %4d/%-3d %9s\n",
			c.Label, 100*r.Attainment, 100*r.WorstWindow, brief(r.TTFT.P50), brief(r.TTFT.P99), brief(r.TPOT.P99),
			r.GPU.Allocated.Hours(), percentOf(r.GPU.Idle, r.GPU.Allocated), percentOf(r.GPU.ColdStart, r.GPU.Allocated),
			r.Changes, r.Reversals, strings.TrimSuffix(r.Cost.String(), "0000"))
	}
	fmt.Fprintln(w, "\nchanges: of the number of replicas wanted, and of them reversals within ten minutes; GPU-h from asking to release")
	for _, c := range cs {
		if r := c.Result; r.Completed != r.Arrived {
			fmt.Fprintf(w, "%s: of %d requests %d were refused, %d failed, %d still waited at the end\n", c.Label, r.Arrived, r.Refused, r.Failed, r.Waiting)
		}
	}
}

func percentOf(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return 100 * float64(part) / float64(whole)
}

// brief rounds a duration to three digits.
func brief(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(10 * time.Microsecond).String()
	}
}

func printJSON(w io.Writer, cs []contender) error {
	type row struct {
		Policy string      `json:"policy"`
		Result *sim.Result `json:"result"`
	}
	rows := make([]row, 0, len(cs))
	for _, c := range cs {
		rows = append(rows, row{c.Label, c.Result})
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	if err := e.Encode(rows); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// bar shows how far a run has come, on a terminal only.
type bar struct {
	w     io.Writer
	label string
	shown time.Time
}

func newBar(w io.Writer, label string) *bar { return &bar{w: w, label: label} }

func (b *bar) at(at time.Duration) {
	if !colourful(b.w) || time.Since(b.shown) < 100*time.Millisecond {
		return
	}
	b.shown = time.Now()
	fmt.Fprintf(b.w, "\r\x1b[K%s: %v of the trace", b.label, at.Round(time.Minute))
}

func (b *bar) done() {
	if !b.shown.IsZero() {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
