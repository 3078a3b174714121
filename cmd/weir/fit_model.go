package main

import (
	"github.com/spf13/cobra"

	"weir/fit"
	"weir/fit/files"
	"weir/price"
)

// modelFlags are the source of a model's shape, if not its name.
type modelFlags struct {
	weights []string
	shape   price.Model
}

func (f *modelFlags) add(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringArrayVar(&f.weights, "weights", nil, "safetensors `file` or index of the model, for its exact size; may be repeated")
	for _, c := range []struct {
		to         *int
		name, what string
	}{
		{&f.shape.Layers, "layers", "layers"}, {&f.shape.Hidden, "hidden", "hidden size"}, {&f.shape.Heads, "heads", "attention heads"},
		{&f.shape.KVHeads, "kv-heads", "heads of keys and values"}, {&f.shape.HeadDim, "head-dim", "size of a head"},
		{&f.shape.Intermediate, "intermediate", "width of the MLP"}, {&f.shape.Vocab, "vocab", "vocabulary"},
	} {
		fs.IntVar(c.to, c.name, 0, c.what+" of a model that is described by flags")
	}
}

// model finds the model and the published format of its weights.
func (f *modelFlags) model(c *price.Catalogue, name string) (m fit.Model, q fit.Quant, err error) {
	weights := f.weights
	switch {
	case f.shape.Layers > 0:
		f.shape.Name = name
		m = fit.FromCounts(f.shape)
		q = m.Native()
	case files.Is(name):
		var beside []string
		m, beside, err = files.Model(name)
		q = m.Native()
		if len(weights) == 0 {
			weights = beside
		}
	default:
		m, q, err = files.Named(c, name)
	}
	if err == nil {
		err = files.Measure(&m, weights)
	}
	return m, q, err
}
