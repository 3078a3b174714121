package engine

import "math"

// Kernels is the part of its nominal figures that an accelerator family's
// kernels reach: medians of measured kernel times (ai-dynamo/aiconfigurator
// commit 095f58a51c4c, Apache-2.0; vLLM kernels) at the token counts of
// gemmTokens. The figures of attention and experts are rounded from the same
// data. For a family that was not measured, its comment names the family used
// instead.
type Kernels struct {
	GEMM16, GEMM8, GEMM8Block, GEMM4 gemmCurve
	// Part of 16 bit compute reached by products with weights unpacked on the
	// fly. Assumed, not measured: tiles of 64 rows reach 0.6 of the throughput
	// of Ampere's instructions, which on Hopper are reported to stay near 0.63
	// of the nominal figure (see arXiv 2402.13499 on mma and wgmma).
	Unpacked float64
	// Decode attention reads the KV cache at this part of the bandwidth, after
	// a floor per layer (launch, and the reduction over splits) and one per
	// sequence in it.
	AttnBandwidth float64
	AttnFloorUs   float64
	AttnSeqUs     float64
	// L2MB is the level 2 cache, in 10^6 bytes, if steps that prefill and
	// decode run both through FlashAttention 2 (see Roofline.mixed); 0: they
	// run through FlashAttention 3, or decoding has a kernel of its own.
	L2MB float64
	// Prefill attention by sequence length (128, 256, ... 16384).
	Prefill [8]float64
	// Fused mixture of experts: the experts hit are read at MoEBandwidth, then
	// computed at MoECompute, after a floor (routing, sorting, two launches).
	MoEBandwidth, MoECompute, MoEFloorUs float64
	// All-reduce inside a CUDA graph over links all to all, microseconds by
	// elements of 2 bytes (reduceElements), for 2, 4 and 8 GPUs; 0: the family
	// has no such links, see GPU.allReduce.
	Reduce   [3]reduceCurve
	ReduceGB float64 // of the links they were measured on, GB/s in one direction
	// Its factor outside a graph: 1.14 to 1.19 measured from 8 million elements
	// on, for 2, 4 and 8 GPUs of an A100 and an H100; 1.16 is used for all.
	EagerReduce float64
}

// gemmTokens are the rows of the measured matrix products.
var gemmTokens = [12]float64{1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192}

// gemmCurve is the part of the nominal figures that a matrix product reaches:
// of bandwidth for the first 7 of gemmTokens, of compute for the last 5. Both
// express the same measured time. With few rows the time is that of reading the
// matrix; with many rows it is that of computing.
type gemmCurve [12]float64

const gemmBandwidthPoints = 7

// seconds returns the time of a product with that many rows, per weight of the
// matrix.
func (c *gemmCurve) seconds(rows, weightBytes, bandwidth, flops float64) float64 {
	at := func(i int) float64 {
		if i < gemmBandwidthPoints {
			return weightBytes / (bandwidth * c[i])
		}
		return 2 * gemmTokens[i] / (flops * c[i])
	}
	last := len(gemmTokens) - 1
	if rows >= gemmTokens[last] {
		return at(last) * rows / gemmTokens[last]
	}
	i := 0
	for i+1 < last && rows > gemmTokens[i+1] {
		i++
	}
	lo, hi := gemmTokens[i], gemmTokens[i+1]
	return lerp(rows, lo, hi, at(i), at(i+1))
}

// unpacked returns the time of a product, per weight of the matrix, where
// weights are stored narrower than the GPU computes. They are read as stored,
// at the part of the bandwidth that few rows reach, and unpacked for 16 bit
// units, in slabs of 64 rows (vLLM's Marlin, thread_m_blocks). Unpacked is the
// part of compute reached.
func (k *Kernels) unpacked(rows, weightBytes, bandwidth, flops float64) float64 {
	const fewRows = 4 // 64 of gemmTokens
	return max(weightBytes/(bandwidth*k.GEMM16[fewRows]), 2*rows/(flops*k.Unpacked))
}

// prefillFraction returns the part of compute that attention over a sequence of
// that length reaches.
func (k *Kernels) prefillFraction(length float64) float64 {
	x := math.Log2(max(length, 1) / 128)
	if x <= 0 {
		return k.Prefill[0] * max(length, 1) / 128 // launch-bound: same time as for 128
	}
	i := min(int(x), len(k.Prefill)-2)
	return lerp(min(x, float64(len(k.Prefill)-1)), float64(i), float64(i+1), k.Prefill[i], k.Prefill[i+1])
}

var reduceElements = [10]float64{8192, 65536, 131072, 262144, 524288, 1048576, 2097152, 8388608, 33554432, 134217728}

type reduceCurve [10]float64

// seconds returns the time of one all-reduce of that many elements.
func (c *reduceCurve) seconds(elements float64) float64 {
	last := len(reduceElements) - 1
	if elements <= reduceElements[0] {
		return c[0] * 1e-6
	}
	i := 0
	for i+1 < last && elements > reduceElements[i+1] {
		i++
	}
	return lerp(elements, reduceElements[i], reduceElements[i+1], c[i], c[i+1]) * 1e-6
}

func lerp(x, x0, x1, y0, y1 float64) float64 { return y0 + (x-x0)/(x1-x0)*(y1-y0) }
