package engine

import (
	"fmt"
	"strings"

	"weir/fit"
)

// windowContext is the request length, in tokens, for counting the room of a
// model with window layers: its window layers hold less of a longer request.
const windowContext = 8192

// leastRoom is the smallest usable KV cache, in tokens.
const leastRoom = 2048

// kvRoom returns the tokens that the KV caches of all ranks hold. fit knows no
// ranks and counts all experts whole; with several ranks, each holds a part of
// them.
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
	if m.Encoder { // nothing is kept: its tokens are only in the batch
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

// quant returns fit's name of a precision.
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
		q, _ = fit.ParseQuant("bf16") // as in widths for an unknown one
	}
	return q
}

// cache returns fit's name of the KV cache's precision.
func (p Precision) cache() string {
	if strings.HasPrefix(p.KV, "fp8") || p.KV == "int8" {
		return "fp8"
	}
	return ""
}
