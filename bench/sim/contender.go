package main

import (
	"time"

	"weir/scale/baseline"
	"weir/sim"
)

// Names of what is not a baseline of package scale, and of the one whose knob
// is not swept but halved towards the best.
const (
	boundName  = "fluid bound"
	oracleName = "clairvoyant"
	weirName   = "weir"
	staticName = "static"
)

// contender is a policy with the values its main knob is swept over.
type contender struct {
	name  string
	knobs []float64 // 0: its default
	enter func(*sim.Config, float64) error
}

// contenders are all policies on a workload.
func contenders(w *workload, cold time.Duration) []contender {
	cs := []contender{
		{weirName, []float64{0}, func(*sim.Config, float64) error { return nil }},
		{"weir, swept", []float64{0.97, 0.98, 0.985, 0.993, 0.996, 0.998}, func(c *sim.Config, knob float64) error {
			c.Deployments[0].Own.Policy.Attainment = knob
			return nil
		}},
		{"weir, foreseeing", []float64{0}, func(c *sim.Config, _ float64) error {
			own := c.Deployments[0].Own
			own.Decide = sim.Foresee(own.Policy.Decider(), w.arrivals, sim.DefaultStart, cold)
			return nil
		}},
		{staticName, nil, func(c *sim.Config, knob float64) error {
			c.Deployments[0].Own.Initial = int(knob)
			return w.baseline(c, staticName, knob)
		}},
	}
	use := []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98}
	requests := []float64{1, 2, 4, 6, 8, 12, 16, 24, 32, 45}
	queued := []float64{0.5, 1, 2, 5, 10}
	for _, b := range []struct {
		name  string
		knobs []float64
	}{
		{"hpa", use}, {"hpa-queue", queued}, {"hpa-concurrency", requests}, {"keda", queued},
		{"kpa", requests}, {"apa", requests}, {"wva", []float64{1, 2, 3, 4, 4.9}},
		{"dynamo", []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1}}, {"ray", requests},
		{"azure-monitor", []float64{0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97}}, {"yesterday", []float64{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85}},
	} {
		cs = append(cs, contender{b.name, b.knobs, func(c *sim.Config, knob float64) error { return w.baseline(c, b.name, knob) }})
	}
	return cs
}

// baseline lets one of the baselines decide. Those that scrape see figures of
// up to 15 s ago; Knative's activator and Weir are told as it happens.
func (w *workload) baseline(c *sim.Config, name string, knob float64) (err error) {
	own := c.Deployments[0].Own
	own.Decide, err = baseline.New(name, baseline.Make{
		Bounds: baseline.Bounds{Min: 1, Max: maxReplicas}, Knob: knob,
		Capacity: w.capacity, MaxConcurrency: admitted, SLO: own.Policy.SLO,
	})
	if name != "kpa" && name != staticName {
		c.Scrape = scraped
	}
	return err
}
