package main

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

// setting is the model under simulation, and what its deployments are.
type setting struct {
	model    *config.Model
	prices   *price.Catalogue
	scenario scenario
	said     wire.Hardware    // by the command line, of replicas; holds over the file
	cold     time.Duration    // by the command line; 0: as the file says
	price    weir.Money       // likewise
	initial  int              // likewise
	journal  *control.Journal // of the decisions; nil: none
	blocks   int              // tokens one prefix id of the trace stands for
}

// findModel picks the model of that name, or the only one that Weir starts
// replicas for. A demonstration's first model will do.
func findModel(c *config.Config, name string, first bool) (*config.Model, error) {
	var own, all []*config.Model
	for i := range c.Models {
		m := &c.Models[i]
		if m.Name == name || slices.Contains(m.Aliases, name) {
			return m, nil
		}
		all = append(all, m)
		if slices.ContainsFunc(m.Deployments, func(d config.Deployment) bool { return d.Process != nil }) {
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

// with is the setting with some keys changed: of a deployment's scaling and
// capacity where they begin so, else of the model.
func (s *setting) with(changes []change) (*setting, error) {
	if len(changes) == 0 {
		return s, nil
	}
	m := *s.model
	m.Deployments = slices.Clone(m.Deployments)
	for _, c := range changes {
		if err := c.apply(&m); err != nil {
			return nil, fmt.Errorf("%s=%s: %w", c.key, c.value, err)
		}
	}
	next := *s
	next.model = &m
	return &next, nil
}

// change is one key that is set to one value.
type change struct{ key, value string }

// apply changes the model, whose Deployments are its own.
func (c change) apply(m *config.Model) error {
	block, key, _ := strings.Cut(c.key, ".")
	switch block {
	case "scaling", "scale":
		if key == "target" {
			key = "target_use"
		}
		return c.scaling(m, key)
	case "capacity":
		for i := range m.Deployments {
			if err := config.Set(&m.Deployments[i].Capacity, key, c.value); err != nil {
				return err
			}
		}
		return nil
	}
	return config.Set(m, c.key, c.value)
}

func (c change) scaling(m *config.Model, key string) error {
	changed := false
	for i := range m.Deployments {
		d := &m.Deployments[i]
		if d.Scaling == nil {
			continue
		}
		s := *d.Scaling
		if err := config.Set(&s, key, c.value); err != nil {
			return err
		}
		d.Scaling, changed = &s, true
	}
	if !changed {
		return fmt.Errorf("no deployment of %s has scaling", m.Name)
	}
	return nil
}

// config is what package sim is to run, without its source.
func (s *setting) config() (sim.Config, error) {
	m := s.model
	c := sim.Config{
		Model: m.Name, SLO: sim.SLO{TTFT: m.SLO.TTFT, TPOT: m.SLO.TPOT},
		Queue: dispatch.Queue(m.Queue), Attempts: m.Attempts, Health: dispatch.Health(m.Health), Spill: spillAfter(m),
		Scrape: s.scenario.MetricsEvery, StatusLag: s.scenario.StatusLag, Journal: s.journal,
	}
	if c.SLO.TTFT == 0 || c.SLO.TPOT == 0 {
		return c, fmt.Errorf("model %s promises nothing: give it slo.ttft and slo.tpot, by which a simulation judges", m.Name)
	}
	if m.Affinity == "prefix" {
		c.Affinity = sim.Affinity{Block: s.blocks}
	}
	for i := range m.Deployments {
		if d := &m.Deployments[i]; d.Weight == 0 || d.Canary != nil {
			continue // it takes nothing, or what a trial will give it
		}
		d, err := s.deployment(&m.Deployments[i])
		if err != nil {
			return c, err
		}
		c.Deployments = append(c.Deployments, d)
	}
	return c, nil
}

// spillAfter is how long a request waits for a preferred tier: as the gateway
// has it before it has seen how long first tokens take.
func spillAfter(m *config.Model) time.Duration {
	if m.SpillAfter > 0 {
		return m.SpillAfter
	}
	return m.SLO.TTFT / 2
}

func (s *setting) deployment(d *config.Deployment) (sim.Deployment, error) {
	out := sim.Deployment{
		Name: d.Name, Tier: d.Tier, Weight: d.Weight, MaxRequests: d.Capacity.MaxRequests, MaxWork: d.Capacity.MaxWork, MaxPrefill: wire.MaxPrefill(d),
	}
	var err error
	switch {
	case d.Process != nil:
		out.Paid = true
		out.Own, err = s.own(d)
	case d.AzureOpenAI != nil:
		out.Paid = d.AzureOpenAI.PTU > 0
		out.Remote, out.Quota, err = s.azure(d)
	default:
		r := s.scenario.of(d.Name)
		out.Remote = priced(&r, d.Price)
		out.Paid = wire.Rates(d.Price) == meter.Rates{}
		n := len(d.External.URLs)
		out.MaxRequests, out.MaxWork, out.MaxPrefill = n*out.MaxRequests, n*out.MaxWork, n*out.MaxPrefill
	}
	return out, err
}

// own is a deployment of replicas that Weir starts.
func (s *setting) own(d *config.Deployment) (*sim.Own, error) {
	h := wire.HardwareOf(d.Process)
	h.GPU, h.Model = cmp.Or(s.said.GPU, h.GPU), cmp.Or(s.said.Model, h.Model)
	if s.said.TP > 0 {
		h.TP = s.said.TP
	}
	if !h.Known() {
		return nil, fmt.Errorf("what %s runs on is not known: give it process.runs_on, or say --gpu and --engine-model", d.Name)
	}
	spec, err := h.Engine(s.prices)
	if err != nil {
		return nil, fmt.Errorf("replicas of %s: %w", d.Name, err)
	}
	spec.PrefixTokens = s.blocks
	p, err := s.policy(d, spec)
	if err != nil {
		return nil, fmt.Errorf("scaling of %s: %w", d.Name, err)
	}
	place := mem.Deployment{ColdStart: p.ColdStart, DrainDeadline: d.Process.DrainTimeout, Quota: wire.Scaling(d).Quota}
	return &sim.Own{
		Engine: spec, GPUs: h.TP, Price: p.Price, Initial: s.first(p.Min), Policy: p, Zone: wire.Scaling(d).Location(),
		Fleet: s.scenario.place(place), Faults: s.scenario.befall(),
	}, nil
}

// first is how many replicas there are when the trace begins.
func (s *setting) first(least int) int {
	if s.initial > 0 {
		return s.initial
	}
	return max(least, 1)
}

// policy is that of the file, with what the command line says instead.
func (s *setting) policy(d *config.Deployment, spec engine.Spec) (scale.Policy, error) {
	p, err := wire.Policy(s.model, d, s.prices)
	if s.price > 0 {
		p.Price = s.price
		if err != nil && d.Scaling.Price != nil {
			err = nil // the price in the file is not asked for
		}
	}
	if s.cold > 0 {
		p.ColdStart = s.cold
	}
	if about := wire.Scaling(d).Profile; p.Capacity == (scale.Capacity{}) || about == nil && s.said != (wire.Hardware{}) {
		p.Capacity.Prefill, p.Capacity.Decode = spec.Capacity(wire.UsualPrompt, wire.UsualOutput, s.model.SLO.TPOT)
	}
	return p, err
}

// azure is a deployment of an Azure OpenAI resource, which lets through what
// it is known to, and is as fast as the scenario says.
func (s *setting) azure(d *config.Deployment) (*sim.Remote, dispatch.Quota, error) {
	a := d.AzureOpenAI
	quota, err := wire.Quota(s.model, a)
	if err != nil {
		return nil, quota, fmt.Errorf("%s: azureopenai.ptu: %w", d.Name, err)
	}
	r := s.scenario.of(d.Name)
	r.TokensPerMinute, r.RequestsPerMinute, r.Burst = a.TokensPerMinute, a.RequestsPerMinute, time.Minute // counted by the minute
	if a.PTU > 0 {
		r.TokensPerMinute, r.OutputWeight, r.Burst = quota.Drain, float64(quota.Output)/1000, a.Burst
		r.Units = a.PTU // which is what is paid for
		if r.UnitPrice == 0 {
			if p, err := s.prices.PTUPrice(price.GlobalProvisioned, ""); err == nil && p.Hour.Known() {
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

// notes says what the simulation had to guess.
func (s *setting) notes() []string {
	var guessed, free, notes []string
	for i := range s.model.Deployments {
		d := &s.model.Deployments[i]
		if d.Process != nil {
			if hour, err := wire.ReplicaPrice(d, s.prices); err == nil && hour == 0 && s.price == 0 {
				free = append(free, d.Name)
			}
			continue
		}
		if !s.scenario.describes(d.Name) {
			guessed = append(guessed, d.Name)
		}
		if (d.AzureOpenAI == nil || d.AzureOpenAI.PTU == 0) && wire.Rates(d.Price) == (meter.Rates{}) {
			free = append(free, d.Name)
		}
	}
	if len(guessed) > 0 {
		notes = append(notes, "how fast these are is assumed (400ms and 1s for each 10k tokens of prompt, then 50 tokens/s); say it with --scenario: "+strings.Join(guessed, ", "))
	}
	if len(free) > 0 {
		notes = append(notes, "the file gives no price of these, so that they cost nothing here: "+strings.Join(free, ", "))
	}
	return notes
}

func (s *scenario) describes(deployment string) bool {
	return slices.ContainsFunc(s.Services, func(v service) bool { return v.Deployment == "" || v.Deployment == deployment })
}
