package main

import (
	"slices"
	"strconv"

	"weir/config"
	"weir/engine"
	"weir/fit"
	"weir/price"
)

// hardware is what one replica runs, and on what.
type hardware struct {
	gpu, model string
	dtype      string // of the weights, as package engine calls it
	published  bool   // instead: as the model was published
	tp         int
}

// hardwareOf is what the file says of a replica (runs_on), or what an emulated
// one is told to behave as. An empty gpu or model is not known.
func hardwareOf(p *config.Process) hardware {
	if p == nil {
		return hardware{tp: 1}
	}
	if on := p.RunsOn; on != nil {
		h := hardware{gpu: on.GPU, model: orName(on.Model, p.Model), tp: tensorParallel(p), published: on.Quant == ""}
		if q, err := fit.ParseQuant(on.Quant); err == nil {
			h.dtype = q.Storage()
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
	return hardware{gpu: said("--gpu"), model: said("--model"), tp: max(tp, 1)}
}

func (h hardware) known() bool { return h.gpu != "" && h.model != "" }

// engine is how such a replica behaves in time.
func (h hardware) engine(prices *price.Catalogue) (engine.Spec, error) {
	if h.published {
		if _, q, err := fit.Named(prices, h.model); err == nil {
			h.dtype = q.Storage()
		}
	}
	return engine.Of(prices, h.gpu, h.model, engine.Layout{TP: h.tp}, engine.Precision{Weights: h.dtype})
}

// engineOf is how a replica of the deployment behaves in time, where that is
// known.
func engineOf(p *config.Process, prices *price.Catalogue) (engine.Spec, bool) {
	h := hardwareOf(p)
	if !h.known() {
		return engine.Spec{}, false
	}
	spec, err := h.engine(prices)
	return spec, err == nil
}
