package engine

import "math"

// Roofline computes step times from the figures of a GPU and a model: what
// must be read at bandwidth, what must be computed, what must be exchanged,
// and what the host adds. No part of it is fitted to a served model.
type Roofline struct {
	gpu   *GPU
	model *Model
	tp    float64
	bits  precision

	perKV   Picoseconds
	decodes []Picoseconds // fixed cost of plain decode steps by sequences, filled by NewRoofline
}

// precision is how weights and KV are stored.
type precision struct {
	weight float64 // bytes per weight of the layers
	kv     float64 // bytes per KV value
	expert float64 // bytes per weight of routed experts
}

// Physical constants of a serving engine, the same for every GPU and model.
const (
	// Host work between steps that the GPU waits for: scheduling, input
	// preparation, sampling and output handling of vLLM's V1 engine.
	stepOverhead = 1.0e-3
	// The same per sequence in the batch: detokenised output, block table row.
	seqOverhead = 6e-6
	// Small kernels of a layer inside a CUDA graph (two norms, rotary, KV
	// write, activation, residual): 7 launches of about 2 us.
	layerOverhead = 14e-6
	// Bytes a layer's small kernels move per token: about 12 passes over the
	// hidden state and 3 over the MLP's inner state, 2 bytes each.
	hiddenPasses, innerPasses = 12, 3
	// Part of the bandwidth such streaming kernels reach.
	streamFraction = 0.75
)

// NewRoofline prepares the step times of a model on tp GPUs. Weights are
// stored as dtype says (bf16, fp16, fp8, int8, fp4, nvfp4, mxfp4, int4); an
// unknown dtype counts as bf16. maxSeqs is the largest batch to prepare for.
func NewRoofline(g *GPU, m *Model, tp int, dtype string, maxSeqs int) *Roofline {
	r := &Roofline{gpu: g, model: m, tp: float64(tp), bits: precisionOf(dtype)}
	r.perKV = Picos(r.kvBytes() / (g.BandwidthGB * 1e9 * g.Kernels.AttnBandwidth))
	r.decodes = make([]Picoseconds, maxSeqs+1)
	for n := range r.decodes {
		r.decodes[n] = r.fixed(Batch{Decode: n})
	}
	return r
}

func precisionOf(dtype string) precision {
	switch dtype {
	case "fp8", "int8":
		return precision{weight: 1, kv: 2, expert: 1}
	case "fp4", "nvfp4":
		return precision{weight: 4.5 / 8, kv: 2, expert: 4.5 / 8}
	case "int4":
		return precision{weight: 4.16 / 8, kv: 2, expert: 4.16 / 8}
	case "mxfp4":
		return precision{weight: 2, kv: 2, expert: 4.25 / 8}
	}
	return precision{weight: 2, kv: 2, expert: 2}
}

// kvBytes is what one token holds on one GPU, all layers that keep the whole
// context together.
func (r *Roofline) kvBytes() float64 {
	m := r.model
	full := float64(m.Layers - m.LinearLayers - m.WindowLayers)
	return full * m.kvWidth(int(r.tp)) * r.bits.kv
}

// Step implements Speed.
func (r *Roofline) Step(b Batch) Cost {
	if b.Prefill == 0 && b.Decode < len(r.decodes) {
		return Cost{r.decodes[b.Decode], r.perKV}
	}
	return Cost{r.fixed(b), r.perKV}
}

// fixed is everything but the reading of the KV cache.
func (r *Roofline) fixed(b Batch) Picoseconds {
	tokens := float64(b.Prefill + b.Decode)
	logits := float64(b.Ends + b.Decode)
	t := stepOverhead + seqOverhead*logits
	t += r.dense(tokens) + r.head(logits) + r.experts(tokens)
	t += r.stream(tokens) + r.exchange(tokens) + r.prefillAttention(b)
	t += float64(r.model.Layers) * layerOverhead
	if b.Decode > 0 {
		t += float64(r.model.Layers) * r.gpu.Kernels.AttnFloorUs * 1e-6
	}
	return Picos(t)
}

// product is the time of matrix products with that many weights in all.
func (r *Roofline) product(rows, weights, bytes float64) float64 {
	g, k := r.gpu, r.gpu.Kernels
	curve, tflops := &k.GEMM16, g.TFLOPS16
	switch {
	case bytes < 1 && g.TFLOPS4 > 0:
		curve, tflops = &k.GEMM4, g.TFLOPS4
	case bytes <= 1 && g.TFLOPS8 > 0:
		curve, tflops = &k.GEMM8, g.TFLOPS8
	}
	return weights * curve.seconds(rows, bytes, g.BandwidthGB*1e9, tflops*1e12)
}

func (r *Roofline) dense(tokens float64) float64 {
	return r.product(tokens, float64(r.model.denseWeights())/r.tp, r.bits.weight)
}

// head is the output layer, computed for the tokens that are sampled from; it
// stays in 16 bits.
func (r *Roofline) head(logits float64) float64 {
	if logits == 0 || r.model.TiedHead && r.model.PlainMLP {
		return 0
	}
	return r.product(logits, float64(r.model.headWeights())/r.tp, 2)
}

// experts is the fused mixture: with T tokens that each pick k of E experts,
// E(1-(1-k/E)^T) of them are read.
func (r *Roofline) experts(tokens float64) float64 {
	m, g := r.model, r.gpu
	if m.Experts == 0 {
		return 0
	}
	e, k := float64(m.Experts), float64(m.ExpertsPerToken)
	hit := e * (1 - math.Pow(1-k/e, tokens))
	size := float64(m.expertWeights()) / r.tp
	read := hit * size * r.bits.expert / (g.BandwidthGB * 1e9 * g.Kernels.MoEBandwidth)
	tflops := g.TFLOPS16
	if r.bits.expert <= 1 && g.TFLOPS8 > 0 {
		tflops = g.TFLOPS8 * 0.6 // measured: fp8 experts gain a fifth over 16 bits
	}
	compute := 2 * tokens * k * size / (tflops * 1e12 * g.Kernels.MoECompute)
	return float64(m.moeLayers()) * (read + compute + g.Kernels.MoEFloorUs*1e-6)
}

// stream is what norms, activations and residuals move.
func (r *Roofline) stream(tokens float64) float64 {
	m := r.model
	inner := float64(m.Intermediate)
	if m.Experts > 0 {
		inner = float64(m.MoEIntermediate * (m.ExpertsPerToken + m.SharedExperts))
	}
	bytes := 2 * (hiddenPasses*float64(m.Hidden) + innerPasses*inner/r.tp)
	return float64(m.Layers) * tokens * bytes / (r.gpu.BandwidthGB * 1e9 * streamFraction)
}

// exchange is two all-reduces of the hidden state per layer.
func (r *Roofline) exchange(tokens float64) float64 {
	if r.tp < 2 {
		return 0
	}
	k := r.gpu.Kernels
	if !r.gpu.NVLink {
		k = &ada // measured over PCIe
	}
	return 2 * float64(r.model.Layers) * k.reduce(int(r.tp)).seconds(tokens*float64(r.model.Hidden))
}

// prefillAttention is 4 operations per pair of tokens and per value of a head.
func (r *Roofline) prefillAttention(b Batch) float64 {
	if b.Prefill == 0 {
		return 0
	}
	m := r.model
	length := 2 * float64(b.Pairs) / float64(b.Prefill) // as if one causal sequence
	flops := 4 * float64(m.Heads*m.HeadDim) * float64(b.Pairs) / r.tp
	layers := float64(m.Layers - m.LinearLayers)
	return layers * flops / (r.gpu.TFLOPS16 * 1e12 * r.gpu.Kernels.prefillFraction(length))
}
