package wire

import (
	"cmp"
	"fmt"

	"weir/config"
	"weir/fit"
	"weir/price"
)

// RunsOn is the hardware the file gives for a deployment's replicas; nil: none.
func RunsOn(d *config.Deployment) *config.RunsOn {
	o, _ := ownOf(d)
	return o.RunsOn
}

// FitSetup asks whether a deployment's model fits the hardware of its replicas.
// RunsOn must not be nil.
func FitSetup(d *config.Deployment, prices *price.Catalogue) (fit.Model, fit.Setup, error) {
	o, _ := ownOf(d)
	on := o.RunsOn
	m, q, err := fit.Named(prices, cmp.Or(on.Model, o.Model))
	if err != nil {
		return m, fit.Setup{}, fmt.Errorf("model: %w", err)
	}
	g, err := prices.GPU(on.GPU)
	if err != nil {
		return m, fit.Setup{}, fmt.Errorf("gpu: %w", err)
	}
	s := fit.Setup{Quant: q, TP: TensorParallel(d), Context: on.Context, Engine: fit.DefaultEngine}
	if s.GPU, err = fit.NewGPU(g); err != nil {
		return m, s, err
	}
	if on.Quant != "" {
		if s.Quant, err = fit.ParseQuant(on.Quant); err != nil {
			return m, s, err
		}
	}
	if on.Engine != "" {
		s.Engine, err = fit.ParseEngine(on.Engine)
	}
	return m, s, err
}
