package engine

import (
	"math"
	"testing"
)

// The cost of held tokens in a step that also prefills, per layer, agrees
// within 30 % with layer profiles of vLLM (casys-kaist/LLMServingSim
// profiler/perf, MIT): where padded tiles dominate, where the cache is read
// once per query head, and between.
func TestDecodingBesidePrefillTakesAsLongAsProfiled(t *testing.T) {
	c := catalogue(t)
	for _, p := range []struct {
		gpu, model string
		seqs, each int     // sequences, tokens they hold
		us         float64 // of attention in one layer
	}{
		{"RTX 4090", "Llama-3.1-8B", 64, 512, 365}, {"RTX 4090", "Llama-3.1-8B", 64, 1024, 633},
		{"RTX 4090", "Llama-3.1-8B", 64, 2048, 1173}, {"RTX 4090", "Llama-3.1-8B", 128, 1024, 1428},
		{"RTX 4090", "Llama-3.1-8B", 128, 4096, 9043},
		{"RTX PRO 6000", "Llama-3.1-8B", 64, 512, 181}, {"RTX PRO 6000", "Llama-3.1-8B", 64, 2048, 553},
		{"RTX PRO 6000", "Llama-3.1-8B", 128, 1024, 672}, {"RTX PRO 6000", "Llama-3.1-8B", 128, 4096, 4299},
		{"RTX PRO 6000", "Qwen3-30B-A3B", 64, 1024, 301}, {"RTX PRO 6000", "Qwen3-30B-A3B", 128, 2048, 1309},
		{"RTX PRO 6000", "Qwen3-30B-A3B", 128, 4096, 4092},
		{"RTX PRO 6000", "Qwen3-32B", 64, 923, 516}, {"RTX PRO 6000", "Qwen3-32B", 128, 923, 1101},
		{"RTX PRO 6000", "Qwen3-32B", 128, 16384, 43718},
	} {
		pg, err := c.GPU(p.gpu)
		if err != nil {
			t.Fatal(err)
		}
		g, err := NewGPU(pg)
		if err != nil {
			t.Fatal(err)
		}
		pm, err := findModel(c, p.model)
		if err != nil {
			t.Fatal(err)
		}
		m := NewModel(pm)
		r := NewRoofline(g, m, Layout{}, Precision{}, 1)
		held := p.seqs * p.each
		with := r.Step(Batch{Prefill: 16, Prompts: 1, Decode: p.seqs, Held: int64(held)})
		without := r.fixed(Batch{Prefill: 16, Prompts: 1, Decode: p.seqs})
		us := float64(with.Of(held)-without) * 1e-6 / float64(m.Layers)
		if e := us/p.us - 1; math.Abs(e) > 0.30 {
			t.Errorf("%s, %s, %d x %d held: %.0f us, profiled %.0f: %+.0f %%", p.gpu, p.model, p.seqs, p.each, us, p.us, 100*e)
		}
	}
}
