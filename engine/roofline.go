package engine

import (
	"math"
	"strings"
)

// Roofline computes step times from the figures of a GPU and a model: reads at
// bandwidth, compute, exchange between GPUs, and the host's overhead. Nothing
// in it belongs to one served model; the common constants were set with
// docs/benchmarks/engine.md in view.
type Roofline struct {
	gpu   *GPU
	model *Model
	tp    float64
	dp    float64
	bits  widths

	inRank, inAll link // between the GPUs of a rank, and of all ranks

	perKV          Picoseconds
	padded, reread float64       // seconds per held token in a step that also prefills, see mixed
	decodes        []Picoseconds // fixed cost of plain decode steps by number of sequences, filled by NewRoofline
}

// Precision is the storage format of numbers: bf16, fp16, fp8 (one scale per
// tensor or channel), fp8_block (one per block, as published by DeepSeek and
// Qwen), int8, nvfp4 or fp4, mxfp4 (experts only, the rest in 16 bits), int4.
// Empty or unknown: 16 bits.
type Precision struct {
	Weights string
	KV      string // of the KV cache
}

// widths are the bytes of one number.
type widths struct {
	weight, expert, kv float64
	block              bool // products with one scale per block
}

func (p Precision) widths() widths {
	w := widths{weight: 2, expert: 2, kv: 2}
	switch p.Weights {
	case "fp8", "int8":
		w.weight, w.expert = 1, 1
	case "fp8_block":
		w.weight, w.expert, w.block = 1, 1, true
	case "fp4", "nvfp4":
		w.weight, w.expert = 4.5/8, 4.5/8
	case "int4":
		w.weight, w.expert = 4.16/8, 4.16/8
	case "mxfp4":
		w.expert = 4.25 / 8
	}
	if strings.HasPrefix(p.KV, "fp8") || p.KV == "int8" {
		w.kv = 1
	}
	return w
}

// Constants of a serving engine, the same for every GPU and model.
const (
	// Work between steps during which the GPU waits: launching the graph,
	// copying inputs, the sampler's launches, with scheduling done a step
	// ahead.
	stepOverhead = 0.5e-3
	// The same per sequence in the batch: sampling (measured 0.3 ms for 256 on
	// an RTX 4090), its row of the block table.
	seqOverhead = 2e-6
	// A small kernel inside a CUDA graph, and the number of them per layer
	// besides products and attention: two norms, rotary, KV write, activation,
	// and residuals; a mixture's gate, top-k, sorting, padding, combining and
	// shared part; the projections down to the latent and their norms;
	// block-wise quantisation of the input of each of four products.
	launch                                                         = 3e-6
	denseLaunches, moeLaunches, latentLaunches, blockQuantLaunches = 7, 12, 14, 4
	// Latency of an NCCL collective, beyond that of the all-reduce inside a
	// graph of the curves.
	ncclLatency, ncclLatencyPCIe = 15e-6, 30e-6
	// Steps with more tokens are not captured in CUDA graphs.
	graphTokens = 512
	// Bytes a layer's small kernels move per token: about 12 passes over the
	// hidden state and 3 over the MLP's inner state, 2 bytes each.
	hiddenPasses, innerPasses = 12, 3
	// Part of the bandwidth such streaming kernels reach.
	streamFraction = 0.75
	// FlashAttention 2 does not support attention sinks. Instead of it vLLM
	// uses a Triton kernel with tiles of 16 rows (triton_unified_attention.py).
	// It does 16 operations for each byte from the L2 cache: 72 of an A100's
	// 312 TFLOPS if its L2 delivers 4.5 TB/s (assumed), against 0.56.
	sinksFraction = 0.4
)

// NewRoofline prepares the step times of a model, for batches up to maxSeqs.
func NewRoofline(g *GPU, m *Model, l Layout, p Precision, maxSeqs int) *Roofline {
	l = l.withDefaults()
	r := &Roofline{gpu: g, model: m, tp: float64(l.TP), dp: float64(l.DP), bits: p.widths()}
	r.inRank, r.inAll = g.between(l.TP), g.between(l.TP*l.DP)
	r.perKV = Picos(r.kvBytes() / r.dp / (g.BandwidthGB * 1e9 * g.Kernels.AttnBandwidth))
	r.padded, r.reread = r.tiles()
	r.decodes = make([]Picoseconds, maxSeqs+1)
	for n := range r.decodes {
		r.decodes[n] = r.fixed(Batch{Decode: n})
	}
	return r
}

// kvBytes returns the bytes that decoding reads per held token on one GPU, over
// all layers that keep the whole context.
func (r *Roofline) kvBytes() float64 {
	m := r.model
	full := float64(m.Layers - m.LinearLayers - m.WindowLayers)
	if m.IndexDim > 0 {
		return full * float64(m.indexBytes())
	}
	return full * m.kvWidth(int(r.tp)) * r.bits.kv
}

// Step implements Speed.
func (r *Roofline) Step(b Batch) Cost {
	if b.Prefill == 0 && b.Decode < len(r.decodes) {
		return Cost{r.decodes[b.Decode], r.perKV}
	}
	perKV := r.perKV
	fixed := r.fixed(b)
	if b.Prefill > 0 && r.padded > 0 {
		perKV = max(perKV, r.mixed(b.Held))
		fixed += perKV * Picoseconds(r.busiest(b).Decode*tileColumns/2)
	}
	return Cost{fixed, perKV}
}

// fixed returns the time of everything except reading the KV cache.
func (r *Roofline) fixed(b Batch) Picoseconds {
	rank := r.busiest(b)
	tokens := float64(rank.Prefill + rank.Decode)
	total := tokens * r.dp // collectives need equal parts: every rank is padded to the busiest
	logits := float64(rank.Ends + rank.Decode)
	t := stepOverhead + seqOverhead*logits
	t += r.dense(tokens) + r.head(logits) + r.experts(total)
	t += r.stream(tokens) + r.exchange(tokens, total) + r.prefillAttention(rank)
	t += r.launches() * launch
	if k := r.gpu.Kernels; b.Decode > 0 {
		t += float64(r.model.Layers) * (k.AttnFloorUs + k.AttnSeqUs*float64(rank.Decode)) * 1e-6
	}
	return Picos(t)
}

// launches returns how many small kernels a step starts.
func (r *Roofline) launches() float64 {
	m := r.model
	n := denseLaunches*m.Layers + moeLaunches*m.moeLayers()
	if m.LatentDim > 0 {
		n += latentLaunches * m.Layers
	}
	if r.bits.block {
		n += blockQuantLaunches * m.Layers
	}
	return float64(n)
}

// product returns the time of matrix products with that many weights in total.
func (r *Roofline) product(rows, weights, bytes float64) float64 {
	g, k := r.gpu, r.gpu.Kernels
	bandwidth := g.BandwidthGB * 1e9
	switch {
	case bytes < 1 && g.TFLOPS4 > 0:
		return weights * k.GEMM4.seconds(rows, bytes, bandwidth, g.TFLOPS4*1e12)
	case bytes < 1 || bytes == 1 && g.TFLOPS8 == 0:
		return weights * k.unpacked(rows, bytes, bandwidth, g.TFLOPS16*1e12)
	case bytes == 1 && r.bits.block:
		return weights * k.GEMM8Block.seconds(rows, bytes, bandwidth, g.TFLOPS8*1e12)
	case bytes == 1:
		return weights * k.GEMM8.seconds(rows, bytes, bandwidth, g.TFLOPS8*1e12)
	}
	return weights * k.GEMM16.seconds(rows, bytes, bandwidth, g.TFLOPS16*1e12)
}

func (r *Roofline) dense(tokens float64) float64 {
	copied := float64(r.model.copiedWeights())
	split := float64(r.model.denseWeights()) - copied
	return r.product(tokens, split/r.tp+copied, r.bits.weight)
}

// head returns the time of the output layer for the sampled tokens; it stays in
// 16 bits.
func (r *Roofline) head(logits float64) float64 {
	if logits == 0 || r.model.Encoder {
		return 0
	}
	return r.product(logits, float64(r.model.headWeights())/r.tp, 2)
}

// experts returns the time of the fused mixture over the tokens of all ranks:
// with T tokens that each pick k of E experts, E(1-(1-k/E)^T) of them are read.
func (r *Roofline) experts(tokens float64) float64 {
	m, g := r.model, r.gpu
	if m.Experts == 0 {
		return 0
	}
	e, k := float64(m.Experts), float64(m.ExpertsPerToken)
	hit := e * (1 - math.Pow(1-k/e, tokens)) / r.dp
	size := float64(m.expertWeights()) / r.tp
	read := hit * size * r.bits.expert / (g.BandwidthGB * 1e9 * g.Kernels.MoEBandwidth)
	tflops := g.TFLOPS16
	switch {
	case r.bits.expert < 1 && g.TFLOPS4 > 0:
		tflops = g.TFLOPS4 * 0.6
	case r.bits.expert == 1 && g.TFLOPS8 > 0:
		tflops = g.TFLOPS8 * 0.6 // measured: fp8 experts gain a fifth over 16 bits
	}
	compute := 2 * tokens * k / r.dp * size / (tflops * 1e12 * g.Kernels.MoECompute)
	// Each expert's answer has the width of the hidden state, however thin its
	// slice: it is written per token and expert, then read for the sum. The
	// measured kernels, of whole experts, include one such pass.
	answers := 2 * 2 * tokens * k / r.dp * float64(m.Hidden) * (1 - 1/r.tp) / (g.BandwidthGB * 1e9 * streamFraction)
	return float64(m.moeLayers()) * (read + compute + answers + g.Kernels.MoEFloorUs*1e-6)
}

// stream returns the time of norms, activations and residuals.
func (r *Roofline) stream(tokens float64) float64 {
	m := r.model
	inner := float64(m.Intermediate)
	if m.Experts > 0 {
		inner = float64(m.MoEIntermediate * (m.ExpertsPerToken + m.SharedExperts))
	}
	bytes := 2 * (hiddenPasses*float64(m.Hidden) + innerPasses*inner/r.tp)
	return float64(m.Layers) * tokens * bytes / (r.gpu.BandwidthGB * 1e9 * streamFraction)
}

// prefillAttention counts 4 operations per pair of tokens and value of a head.
// A layer with a window pairs each token with at most so many before it.
func (r *Roofline) prefillAttention(b Batch) float64 {
	m := r.model
	if m.IndexDim > 0 {
		return r.sparseAttention(b)
	}
	if b.Prefill == 0 {
		return 0
	}
	sinks := 1.0
	if m.Sinks && r.gpu.Kernels.L2MB > 0 {
		sinks = sinksFraction
	}
	time := func(pairs float64) float64 {
		length := 2 * pairs / float64(b.Prefill) // as for one causal sequence
		flops := 4 * float64(m.Heads*m.HeadDim) * pairs / r.tp
		return flops / (r.gpu.TFLOPS16 * 1e12 * r.gpu.Kernels.prefillFraction(length) * sinks)
	}
	pairs := float64(b.Pairs)
	t := float64(m.Layers-m.LinearLayers-m.WindowLayers) * time(pairs)
	if m.WindowLayers > 0 {
		t += float64(m.WindowLayers) * time(min(pairs, float64(m.Window*b.Prefill)))
	}
	return t
}
