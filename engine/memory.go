package engine

import (
	"fmt"
	"strings"

	"weir/fit"
)

// windowContext is the length of a request by which the room of a model with
// window layers is counted, in tokens: its window layers hold less of a longer
// one.
const windowContext = 8192

// leastRoom is the smallest KV cache worth serving from.
const leastRoom = 2048

// kvRoom is the tokens that the KV caches of all ranks hold. A rank of several
// has the experts in parts that fit, which knows no ranks, counts whole.
func kvRoom(g *GPU, m *Model, l Layout, p Precision, s Spec) (int, error) {
	gpu := g.memory
	gpu.Total = int64(g.UsableGiB * fit.GiB)
	setup := fit.Setup{
		GPU: gpu, Quant: p.quant(), KV: p.cache(), TP: l.TP,
		MaxSeqs: s.MaxSeqs / l.DP, BatchTokens: s.MaxBatchTokens / l.DP,
	}
	if m.WindowLayers > 0 {
		setup.Context = min(windowContext, max(1, m.entry.MaxContext))
	}
	a, err := fit.Check(fit.FromCatalogue(m.entry), setup)
	if err != nil {
		return 0, err
	}
	if m.Encoder { // nothing is kept: what it takes is in the batch
		return s.MaxSeqs * max(1, m.entry.MaxContext), nil
	}
	b := a.Stages[a.Tight]
	shared := float64(m.routedWeights()) * p.widths().expert / float64(l.TP) * (1 - 1/float64(l.DP))
	room := float64(b.Cache) + shared
	tokens := int(room/(float64(a.PerRequest)/float64(a.Context))) * l.DP
	if tokens < leastRoom {
		return 0, fmt.Errorf("%w: %s as %s on %d x %s: %.1f GiB of weights per GPU leave %.1f GiB for the KV cache",
			ErrNoRoom, m.Name, p.name(), l.TP, g.Name, (float64(b.Weights)-shared)/fit.GiB, max(room, 0)/fit.GiB)
	}
	return tokens, nil
}

// quant is what fit calls a precision.
func (p Precision) quant() fit.Quant {
	name := p.Weights
	switch name {
	case "fp8_block":
		name = "fp8-block"
	case "fp4":
		name = "nvfp4"
	case "int4":
		name = "awq"
	}
	q, err := fit.ParseQuant(name)
	if err != nil {
		q, _ = fit.ParseQuant("bf16") // as widths takes what it does not know
	}
	return q
}

// cache is what fit calls the precision of the KV cache.
func (p Precision) cache() string {
	if strings.HasPrefix(p.KV, "fp8") || p.KV == "int8" {
		return "fp8"
	}
	return ""
}
