package saturate

import (
	"weir/engine"
	"weir/fit"
	"weir/price"
)

// Does gives fit.Search the rate of one replica within the SLO. Layouts shared
// by many sizes are computed once.
func Does(c *price.Catalogue) fit.Does {
	type key struct {
		gpu, quant, kv string
		share          float64
		linked         bool
		tp             int
	}
	found := map[key]float64{}
	return func(m fit.Model, s fit.Setup, link price.Link, l fit.Load) (float64, error) {
		g, err := engine.GPUOf(c, s, link)
		if err != nil {
			return 0, err
		}
		at := key{s.GPU.Name, s.Quant.Name, s.KV, s.GPU.Share, g.NVLink, s.TP}
		if rate, known := found[at]; known {
			return rate, nil
		}
		spec, err := engine.Build(g, engine.NewModel(m.Model), engine.Layout{TP: s.TP}, engine.Precision{Weights: s.Quant.Storage(), KV: s.KV})
		if err != nil {
			return 0, err
		}
		most, err := Of(spec, Load{Prompt: l.In, Output: l.Out, SLO: l.SLO})
		if err == nil {
			found[at] = most.Rate
		}
		return most.Rate, err
	}
}
