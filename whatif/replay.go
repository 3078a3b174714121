package whatif

import (
	"fmt"

	"weir/config"
	"weir/price"
	"weir/scale"
	"weir/scale/baseline"
	"weir/wire"
)

// Deciders give a deployment another policy than the journal's; nil keeps the
// journal's. control.Replay takes them.
type Deciders = func(deployment string, was scale.Policy) scale.Decider

// Baseline makes one of baseline.Names decide for every deployment, within the
// bounds of its own policy. A knob of 0 is the baseline's default.
func Baseline(name string, knob float64) (Deciders, error) {
	if _, err := baseline.New(name, baseline.Make{Bounds: baseline.Bounds{Max: 1}, Knob: knob}); err != nil {
		return nil, err
	}
	return func(_ string, p scale.Policy) scale.Decider {
		d, err := baseline.New(name, baseline.Make{
			Bounds: baseline.Bounds{Min: p.Min, Max: p.Max}, Knob: knob, Capacity: p.Capacity,
			MaxConcurrency: p.MaxConcurrency, SLO: p.SLO,
		})
		if err != nil {
			return nil // the bounds of a journal were valid when it was written
		}
		return d
	}, nil
}

// Configured makes the scaling of a configuration decide for its deployments.
func Configured(c *config.Config, prices *price.Catalogue) (Deciders, error) {
	deciders := map[string]scale.Decider{}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			if !wire.Elastic(d) {
				continue
			}
			p, err := wire.Policy(&c.Models[i], d, prices)
			if err != nil {
				return nil, fmt.Errorf("scaling of %s: %w", d.Name, err)
			}
			deciders[d.Name] = p.Decider()
		}
	}
	return func(deployment string, _ scale.Policy) scale.Decider { return deciders[deployment] }, nil
}
