package whatif

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"weir/scale/baseline"
	"weir/sim"
	"weir/trace"
)

// Policies beyond scale's baselines: the file's, the same with knowledge of the
// future, and the cheapest schedule for the actual arrivals.
const (
	Own         = "weir"
	Foreseeing  = "weir-foreseeing"
	Clairvoyant = "clairvoyant"
)

// Contender is one policy, or one setting, under test.
type Contender struct {
	Label    string
	Policy   string
	Knob     float64 // 0: the policy's default
	Settings []Change
	Series   string      // runs of one series are joined by a line in a drawing
	Result   *sim.Result // nil before RunAll
}

// maxContenders bounds the runs of one command.
const maxContenders = 200

// Asked is what to run, as on the command line.
type Asked struct {
	Policies  []string // NAME or NAME=KNOB, or several with commas between them
	ByDefault bool     // no policy was asked for: swept ones replace them
	Sets      []string // KEY=VALUE, for every run
	Sweeps    []string // KEY=V1,V2,... or POLICY=KNOB1,KNOB2,...
}

// Contenders reads --policy, --set and --sweep: every policy with every
// combination of the swept settings.
func Contenders(asked Asked) ([]Contender, error) {
	var settings [][]Change
	specs := splitPolicies(asked.Policies)
	for _, sweep := range asked.Sweeps {
		key, values, ok := strings.Cut(sweep, "=")
		if !ok || values == "" {
			return nil, fmt.Errorf("--sweep %q: want a key and its values, as in scaling.target_use=60%%,80%%, or a policy and its knobs, as in hpa=0.5,0.6", sweep)
		}
		if !isPolicy(key) {
			var axis []Change
			for _, v := range strings.Split(values, ",") {
				axis = append(axis, Change{key, v})
			}
			settings = append(settings, axis)
			continue
		}
		if asked.ByDefault {
			specs, asked.ByDefault = nil, false
		}
		for _, k := range strings.Split(values, ",") {
			specs = append(specs, key+"="+k)
		}
	}
	fixed, err := changes(asked.Sets)
	if err != nil {
		return nil, err
	}
	var cs []Contender
	for _, spec := range specs {
		c, err := policyNamed(spec)
		if err != nil {
			return nil, err
		}
		cs = append(cs, c.spread(fixed, settings)...)
		if len(cs) > maxContenders {
			return nil, fmt.Errorf("these are more than %d runs: sweep fewer values", maxContenders)
		}
	}
	return cs, nil
}

// Policies names all available policies.
func Policies() []string {
	return append([]string{Own, Foreseeing, Clairvoyant}, baseline.Names()...)
}

func isPolicy(name string) bool {
	return name == Own || name == Foreseeing || name == Clairvoyant || slices.Contains(baseline.Names(), name)
}

// changes reads --set.
func changes(sets []string) ([]Change, error) {
	var cs []Change
	for _, s := range sets {
		key, value, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("--set %q: want a key and its value, as in scaling.max=8", s)
		}
		cs = append(cs, Change{key, value})
	}
	return cs, nil
}

// policyNamed reads NAME or NAME=KNOB.
func policyNamed(spec string) (Contender, error) {
	_, knob, has := strings.Cut(spec, "=")
	name, known := policyCalled(spec)
	c := Contender{Label: spec, Policy: name, Series: name}
	if !known {
		return c, fmt.Errorf("no policy %q; there are %s, %s, %s, %s", name, Own, Foreseeing, Clairvoyant, strings.Join(baseline.Names(), ", "))
	}
	if !has {
		return c, nil
	}
	var err error
	if c.Knob, err = strconv.ParseFloat(knob, 64); err != nil || !(c.Knob > 0) {
		return c, fmt.Errorf("policy %q: %q is not a number above zero", spec, knob)
	}
	return c, nil
}

// spread is the policy with every combination of settings.
func (c Contender) spread(fixed []Change, axes [][]Change) []Contender {
	c.Settings = fixed
	cs := []Contender{c}
	for _, axis := range axes {
		var next []Contender
		for _, c := range cs {
			for _, v := range axis {
				n := c
				n.Settings = append(slices.Clone(c.Settings), v)
				n.Series = strings.TrimSpace(strings.ReplaceAll(c.Series, Own+" ", "") + " " + v.Key)
				n.Label = strings.TrimPrefix(c.Label+" "+v.Key+"="+v.Value, Own+" ")
				next = append(next, n)
			}
		}
		if len(next) > maxContenders {
			return next // the caller refuses it
		}
		cs = next
	}
	return cs
}

// RunAll runs the contenders, as many at once as there are processors; each has
// the same result as alone. part, if not nil, returns for a contender a func
// that receives the share of the traffic played so far.
func RunAll(ctx context.Context, s *Setting, t *Traffic, cs []Contender, part func(i int) func(done float64)) error {
	if part == nil {
		part = func(int) func(float64) { return func(float64) {} }
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(cs))
	turns := make(chan int)
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(cs)) {
		workers.Go(func() {
			for i := range turns {
				if errs[i] = cs[i].run(ctx, s, t, part(i)); errs[i] != nil {
					cancel()
				}
			}
		})
	}
	for i := range cs {
		select {
		case turns <- i:
		case <-ctx.Done():
		}
	}
	close(turns)
	workers.Wait()
	for i, err := range errs { // the first error of its own
		if err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("%s: %w", cs[i].Label, err)
		}
	}
	return errors.Join(errs...)
}

// run simulates one contender.
func (c *Contender) run(ctx context.Context, s *Setting, t *Traffic, at func(float64)) error {
	s, err := s.With(c.Settings)
	if err != nil {
		return err
	}
	run, err := s.Config()
	if err != nil {
		return err
	}
	run.Seed, run.Start, run.Sample = t.Seed, t.Start, t.sample()
	if c.Policy == Foreseeing || c.Policy == Clairvoyant {
		return c.runKnowing(ctx, run, t, at)
	}
	for i := range run.Deployments {
		if own := run.Deployments[i].Own; own != nil {
			if err := c.decides(own); err != nil {
				return err
			}
		}
	}
	return c.play(ctx, run, t, at)
}

func (c *Contender) play(ctx context.Context, run sim.Config, t *Traffic, at func(float64)) error {
	source, err := t.open()
	if err != nil {
		return err
	}
	defer source.close()
	run.Source = source
	run.Progress = func(now time.Duration) { at(t.done(source, now)) }
	c.Result, err = sim.Run(ctx, run)
	return err
}

// decides makes the contender's policy decide on replicas.
func (c *Contender) decides(own *sim.Own) error {
	p := &own.Policy
	if c.Policy == Own {
		if c.Knob > 0 {
			p.TargetUse = c.Knob
		}
		return nil
	}
	own.By = c.Label
	if c.Policy == "static" && c.Knob > 0 {
		own.Initial = int(c.Knob)
	}
	var err error
	own.Decide, err = baseline.New(c.Policy, baseline.Make{
		Bounds: baseline.Bounds{Min: p.Min, Max: p.Max}, Knob: c.Knob, Capacity: p.Capacity,
		MaxConcurrency: p.MaxConcurrency, SLO: p.SLO,
	})
	return err
}

// runKnowing runs a policy that knows the future.
func (c *Contender) runKnowing(ctx context.Context, run sim.Config, t *Traffic, at func(float64)) error {
	arrivals, err := t.all()
	if err != nil {
		return err
	}
	if c.Policy == Foreseeing {
		start := run.Start
		if start == 0 {
			start = sim.DefaultStart
		}
		for i := range run.Deployments {
			if own := run.Deployments[i].Own; own != nil {
				own.By = c.Label
				own.Decide = sim.Foresee(own.Policy.Decider(), arrivals, start, own.Policy.ColdStart)
			}
		}
		return c.play(ctx, run, t, at)
	}
	return c.schedule(ctx, run, arrivals, at)
}

// schedule finds the cheapest schedule for the arrivals, with slots of several
// lengths: where answers take minutes, a change of every minute pays for
// drains and starts that longer slots save.
func (c *Contender) schedule(ctx context.Context, run sim.Config, arrivals []trace.Arrival, at func(float64)) error {
	own := 0
	for i := range run.Deployments {
		if run.Deployments[i].Own != nil {
			own++
		}
	}
	if own != 1 {
		return fmt.Errorf("it schedules one deployment, and %s has %d whose replicas Weir starts", run.Model, own)
	}
	slots := []time.Duration{time.Minute, 10 * time.Minute, time.Hour}
	for i, slot := range slots {
		at(float64(i) / float64(len(slots)))
		_, r, err := sim.Clairvoyant(ctx, run, arrivals, sim.Search{Slot: slot})
		if errors.Is(err, sim.ErrUnreachable) {
			continue
		}
		if err != nil {
			return err
		}
		if c.Result == nil || r.GPU.Allocated < c.Result.GPU.Allocated {
			c.Result = r
		}
	}
	if c.Result == nil {
		return fmt.Errorf("%w of 99 %% with the highest number of replicas allowed: raise scaling.max", sim.ErrUnreachable)
	}
	return nil
}
