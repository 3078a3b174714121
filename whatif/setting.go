package whatif

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/config"
	"weir/control"
	"weir/dispatch"
	"weir/engine"
	"weir/fleet/mem"
	"weir/meter"
	"weir/price"
	"weir/scale"
	"weir/sim"
	"weir/wire"
)

// Setting is the model under simulation and its deployments. Said, Cold, Price
// and Initial override the file; their zero values change nothing.
type Setting struct {
	Model    *config.Model
	Prices   *price.Catalogue
	Scenario Scenario
	Said     wire.Hardware    // of replicas
	Cold     time.Duration    // until a replica is ready
	Price    weir.Money       // of one replica, an hour
	Initial  int              // replicas that are ready at the start
	Journal  *control.Journal // of the decisions; nil: none
	Blocks   int              // tokens per prefix id of the trace
}

// FindModel picks the model of that name, or the only one with replicas that
// Weir starts. With first, the first such model will do.
func FindModel(c *config.Config, name string, first bool) (*config.Model, error) {
	var own, all []*config.Model
	for i := range c.Models {
		m := &c.Models[i]
		if m.Name == name || slices.Contains(m.Aliases, name) {
			return m, nil
		}
		all = append(all, m)
		if slices.ContainsFunc(m.Deployments, func(d config.Deployment) bool { return wire.Elastic(&d) }) {
			own = append(own, m)
		}
	}
	switch {
	case name != "":
		return nil, fmt.Errorf("no model %q; there are %s", name, modelNames(all))
	case len(own) == 1, len(own) > 1 && first:
		return own[0], nil
	case len(own) == 0 && len(all) == 1:
		return all[0], nil
	case len(own) == 0:
		own = all
	}
	return nil, fmt.Errorf("say which model with --model: %s", modelNames(own))
}

func modelNames(ms []*config.Model) string {
	var names []string
	for _, m := range ms {
		names = append(names, m.Name)
	}
	return strings.Join(names, ", ")
}

// With is the setting with some keys changed: keys of a deployment's scaling
// and capacity if they begin so, else keys of the model.
func (s *Setting) With(changes []Change) (*Setting, error) {
	if len(changes) == 0 {
		return s, nil
	}
	m := *s.Model
	m.Deployments = slices.Clone(m.Deployments)
	for _, c := range changes {
		if err := c.apply(&m); err != nil {
			return nil, fmt.Errorf("%s=%s: %w", c.Key, c.Value, err)
		}
	}
	next := *s
	next.Model = &m
	return &next, nil
}

// Change sets one key to one value.
type Change struct{ Key, Value string }

// apply changes the model, which must own its Deployments.
func (c Change) apply(m *config.Model) error {
	block, key, _ := strings.Cut(c.Key, ".")
	switch block {
	case "scaling", "scale":
		if key == "target" {
			key = "target_use"
		}
		return c.scaling(m, key)
	case "capacity":
		for i := range m.Deployments {
			if err := config.Set(&m.Deployments[i].Capacity, key, c.Value); err != nil {
				return err
			}
		}
		return nil
	}
	return config.Set(m, c.Key, c.Value)
}

func (c Change) scaling(m *config.Model, key string) error {
	changed := false
	for i := range m.Deployments {
		d := &m.Deployments[i]
		if d.Scaling == nil {
			continue
		}
		s := *d.Scaling
		if err := config.Set(&s, key, c.Value); err != nil {
			return err
		}
		d.Scaling, changed = &s, true
	}
	if !changed {
		return fmt.Errorf("no deployment of %s has scaling", m.Name)
	}
	return nil
}

// Config is the simulation's configuration, without its source.
func (s *Setting) Config() (sim.Config, error) {
	m := s.Model
	c := sim.Config{
		Model: m.Name, SLO: sim.SLO{TTFT: m.SLO.TTFT, TPOT: m.SLO.TPOT},
		Queue: dispatch.Queue(m.Queue), Attempts: m.Attempts, Health: dispatch.Health(m.Health), Spill: spillAfter(m),
		Scrape: s.Scenario.MetricsEvery, StatusLag: s.Scenario.StatusLag, Journal: s.Journal,
	}
	if c.SLO.TTFT == 0 || c.SLO.TPOT == 0 {
		return c, fmt.Errorf("model %s has no SLO: set slo.ttft and slo.tpot, which a simulation measures against", m.Name)
	}
	if m.Affinity == "prefix" {
		c.Affinity = sim.Affinity{Block: s.Blocks}
	}
	for i := range m.Deployments {
		if d := &m.Deployments[i]; d.Weight == 0 || d.Canary != nil {
			continue // it takes no requests, or only those of a trial
		}
		d, err := s.deployment(&m.Deployments[i])
		if err != nil {
			return c, err
		}
		c.Deployments = append(c.Deployments, d)
	}
	return c, nil
}

// spillAfter is how long a request waits for a preferred tier: the gateway's
// value before it has measured times to first token.
func spillAfter(m *config.Model) time.Duration {
	if m.SpillAfter > 0 {
		return m.SpillAfter
	}
	return m.SLO.TTFT / 2
}

func (s *Setting) deployment(d *config.Deployment) (sim.Deployment, error) {
	out := sim.Deployment{
		Name: d.Name, Tier: d.Tier, Weight: d.Weight, MaxRequests: d.Capacity.MaxRequests, MaxWork: d.Capacity.MaxWork, MaxPrefill: wire.MaxPrefill(d),
	}
	var err error
	switch {
	case wire.Elastic(d):
		out.Paid = true
		out.Own, err = s.own(d)
	case d.AzureOpenAI != nil:
		out.Paid = d.AzureOpenAI.PTU > 0
		out.Remote, out.Quota, err = s.azure(d)
	default:
		r := s.Scenario.of(d.Name)
		out.Remote = priced(&r, d.Price)
		out.Paid = wire.Rates(d.Price) == meter.Rates{}
		n := len(d.External.URLs)
		out.MaxRequests, out.MaxWork, out.MaxPrefill = n*out.MaxRequests, n*out.MaxWork, n*out.MaxPrefill
	}
	return out, err
}

// own is a deployment of replicas that Weir starts.
func (s *Setting) own(d *config.Deployment) (*sim.Own, error) {
	h := s.hardware(d)
	if !h.Known() {
		return nil, fmt.Errorf("the hardware of %s is not known: set process.runs_on, or pass --gpu and --engine-model", d.Name)
	}
	spec, err := h.Engine(s.Prices)
	if err != nil {
		return nil, fmt.Errorf("replicas of %s: %w", d.Name, err)
	}
	spec.PrefixTokens = s.Blocks
	p, err := s.policy(d, spec)
	if err != nil {
		return nil, fmt.Errorf("scaling of %s: %w", d.Name, err)
	}
	place := mem.Deployment{ColdStart: p.ColdStart, DrainDeadline: wire.DrainTimeout(d), Quota: wire.Scaling(d).Quota}
	return &sim.Own{
		Engine: spec, GPUs: h.TP, Price: p.Price, Initial: s.first(p.Min), Policy: p, Zone: wire.Scaling(d).Location(),
		Fleet: s.Scenario.place(place), Faults: s.Scenario.befall(),
	}, nil
}

// hardware is that of the deployment's replicas: the file's, with the command
// line's changes.
func (s *Setting) hardware(d *config.Deployment) wire.Hardware {
	h := wire.HardwareOf(d)
	h.GPU, h.Model = cmp.Or(s.Said.GPU, h.GPU), cmp.Or(s.Said.Model, h.Model)
	if s.Said.TP > 0 {
		h.TP = s.Said.TP
	}
	return h
}

// first is the number of replicas when the trace begins.
func (s *Setting) first(least int) int {
	if s.Initial > 0 {
		return s.Initial
	}
	return max(least, 1)
}

// policy is the file's policy, with the command line's changes.
func (s *Setting) policy(d *config.Deployment, spec engine.Spec) (scale.Policy, error) {
	p, err := wire.Policy(s.Model, d, s.Prices)
	if s.Price > 0 {
		p.Price = s.Price
		if err != nil && d.Scaling.Price != nil {
			err = nil // the file's price is not used
		}
	}
	if s.Cold > 0 {
		p.ColdStart = s.Cold
	}
	if about := wire.Scaling(d).Profile; p.Capacity == (scale.Capacity{}) || about == nil && s.Said != (wire.Hardware{}) {
		p.Capacity.Prefill, p.Capacity.Decode = spec.Capacity(wire.UsualPrompt, wire.UsualOutput, s.Model.SLO.TPOT)
		p.Speeds = nil
		if about == nil {
			p.Speeds = wire.Speeds(spec, s.Model.SLO.TPOT)
		}
	}
	return p, err
}

// azure is a deployment of an Azure OpenAI resource, with its known quota and
// the scenario's speed.
func (s *Setting) azure(d *config.Deployment) (*sim.Remote, dispatch.Quota, error) {
	a := d.AzureOpenAI
	quota, err := wire.Quota(s.Model, a)
	if err != nil {
		return nil, quota, fmt.Errorf("%s: azureopenai.ptu: %w", d.Name, err)
	}
	r := s.Scenario.of(d.Name)
	r.TokensPerMinute, r.RequestsPerMinute, r.Burst = a.TokensPerMinute, a.RequestsPerMinute, time.Minute // counted by the minute
	if a.PTU > 0 {
		r.TokensPerMinute, r.OutputWeight, r.Burst = quota.Drain, float64(quota.Output)/1000, a.Burst
		r.Units = a.PTU // the paid units
		if r.UnitPrice == 0 {
			if p, err := s.Prices.PTUPrice(price.GlobalProvisioned, ""); err == nil && p.Hour.Known() {
				r.UnitPrice = p.Hour.Amount()
			}
		}
		return &r, quota, nil
	}
	return priced(&r, d.Price), quota, nil
}

func priced(r *sim.Remote, p config.Price) *sim.Remote {
	of := wire.Rates(p)
	r.PromptPrice, r.OutputPrice = of.Prompt, of.Completion
	return r
}

// Notes lists the assumptions of the simulation.
func (s *Setting) Notes() []string {
	var guessed, free, about []string
	for i := range s.Model.Deployments {
		d := &s.Model.Deployments[i]
		if wire.Elastic(d) {
			if hour, err := wire.ReplicaPrice(d, s.Prices); err == nil && hour == 0 && s.Price == 0 {
				free = append(free, d.Name)
			}
			if spec, err := s.hardware(d).Engine(s.Prices); err == nil {
				about = append(about, spec.About...)
			}
			continue
		}
		if !s.Scenario.describes(d.Name) {
			guessed = append(guessed, d.Name)
		}
		if (d.AzureOpenAI == nil || d.AzureOpenAI.PTU == 0) && wire.Rates(d.Price) == (meter.Rates{}) {
			free = append(free, d.Name)
		}
	}
	slices.Sort(about)
	notes := slices.Compact(about) // of times: their measured error, and what is inferred
	if len(guessed) > 0 {
		notes = append(notes, "the speed of these is assumed (400ms and 1s for each 10k tokens of prompt, then 50 tokens/s); set it with --scenario: "+strings.Join(guessed, ", "))
	}
	if len(free) > 0 {
		notes = append(notes, "the file has no price for these, so they count as free here: "+strings.Join(free, ", "))
	}
	return notes
}

func (s *Scenario) describes(deployment string) bool {
	return slices.ContainsFunc(s.Services, func(v service) bool { return v.Deployment == "" || v.Deployment == deployment })
}
