package wire

import (
	"cmp"
	"slices"
	"strconv"

	"weir/config"
	"weir/engine"
	"weir/fit"
	"weir/price"
)

// Hardware is what one replica runs, and on what.
type Hardware struct {
	GPU, Model string
	DType      string // of the weights, as package engine calls it
	Published  bool   // instead: as the model was published
	TP         int
}

// HardwareOf is the hardware in the file (runs_on), or that of the emulated
// server a replica's command starts. An empty GPU or Model is unknown.
func HardwareOf(d *config.Deployment) Hardware {
	p, ok := ownOf(d)
	if !ok {
		return Hardware{TP: 1}
	}
	if on := p.RunsOn; on != nil {
		h := Hardware{GPU: on.GPU, Model: cmp.Or(on.Model, p.Model), TP: TensorParallel(d), Published: on.Quant == ""}
		if q, err := fit.ParseQuant(on.Quant); err == nil {
			h.DType = q.Storage()
		}
		return h
	}
	said := func(flag string) string {
		if i := slices.Index(p.Command, flag); i >= 0 && i+1 < len(p.Command) && slices.Contains(p.Command, "emulate") {
			return p.Command[i+1]
		}
		return ""
	}
	tp, _ := strconv.Atoi(said("--tp")) // "" is 0
	return Hardware{GPU: said("--gpu"), Model: said("--model"), TP: max(tp, 1)}
}

// Known says whether a replica's behaviour in time can be computed.
func (h Hardware) Known() bool { return h.GPU != "" && h.Model != "" }

// Engine is the timing model of such a replica.
func (h Hardware) Engine(prices *price.Catalogue) (engine.Spec, error) {
	if h.Published {
		if _, q, err := fit.Named(prices, h.Model); err == nil {
			h.DType = q.Storage()
		}
	}
	return engine.Of(prices, h.GPU, h.Model, engine.Layout{TP: h.TP}, engine.Precision{Weights: h.DType})
}

// EngineOf is the timing model of the deployment's replicas, if known.
func EngineOf(d *config.Deployment, prices *price.Catalogue) (engine.Spec, bool) {
	h := HardwareOf(d)
	if !h.Known() {
		return engine.Spec{}, false
	}
	spec, err := h.Engine(prices)
	return spec, err == nil
}

// TensorParallel is the file's tp, else all GPUs of a replica. RunsOn must not
// be nil.
func TensorParallel(d *config.Deployment) int {
	o, _ := ownOf(d)
	if o.RunsOn.TP > 0 {
		return o.RunsOn.TP
	}
	return max(o.GPUs, 1)
}
