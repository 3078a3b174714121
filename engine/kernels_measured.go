package engine

// hopper: H100-SXM-80GB.
var hopper = Kernels{
	GEMM16:     gemmCurve{0.82, 0.825, 0.803, 0.806, 0.81, 0.816, 0.779, 0.808, 0.836, 0.836, 0.802, 0.755},
	GEMM8:      gemmCurve{0.665, 0.635, 0.643, 0.628, 0.653, 0.624, 0.535, 0.544, 0.568, 0.565, 0.553, 0.639},
	GEMM8Block: gemmCurve{0.336, 0.336, 0.324, 0.219, 0.24, 0.238, 0.259, 0.38, 0.519, 0.584, 0.6, 0.6},
	GEMM4:      gemmCurve{0.665, 0.635, 0.643, 0.628, 0.653, 0.624, 0.535, 0.544, 0.568, 0.565, 0.553, 0.639},
	Unpacked:   0.38, AttnBandwidth: 0.92, AttnFloorUs: 13, AttnSeqUs: 0.05,
	Prefill:      [8]float64{0.029, 0.064, 0.134, 0.23, 0.365, 0.48, 0.564, 0.612},
	MoEBandwidth: 0.9, MoECompute: 0.5, MoEFloorUs: 25, EagerReduce: 1.16,
	ReduceGB: 450,
	Reduce: [3]reduceCurve{
		{4.49, 4.75, 5.18, 6.32, 8.34, 12.38, 20.24, 81.42, 306.72, 885.42},
		{4.83, 5.8, 7.18, 11.4, 12.76, 18.6, 30.25, 98.77, 329.94, 1180.38},
		{5.31, 7.86, 10.79, 11.99, 14.97, 19.39, 30.81, 92.38, 343.96, 1091.02},
	},
}

// hopperHBM3e: H200-SXM-141GB. Prefill attention, experts and all-reduce are
// those of the H100, which has the same compute and links.
var hopperHBM3e = Kernels{
	GEMM16:     gemmCurve{0.745, 0.748, 0.75, 0.755, 0.75, 0.751, 0.624, 0.814, 0.827, 0.832, 0.779, 0.751},
	GEMM8:      gemmCurve{0.584, 0.565, 0.568, 0.486, 0.556, 0.521, 0.405, 0.576, 0.65, 0.641, 0.613, 0.668},
	GEMM8Block: gemmCurve{0.234, 0.242, 0.239, 0.168, 0.173, 0.167, 0.179, 0.369, 0.5, 0.57, 0.59, 0.601},
	GEMM4:      gemmCurve{0.584, 0.565, 0.568, 0.486, 0.556, 0.521, 0.405, 0.576, 0.65, 0.641, 0.613, 0.668},
	Unpacked:   0.38, AttnBandwidth: 0.88, AttnFloorUs: 13, AttnSeqUs: 0.05,
	Prefill:      [8]float64{0.029, 0.064, 0.134, 0.23, 0.365, 0.48, 0.564, 0.612},
	MoEBandwidth: 0.85, MoECompute: 0.5, MoEFloorUs: 25, EagerReduce: 1.16,
	ReduceGB: 450,
	Reduce: [3]reduceCurve{
		{4.49, 4.75, 5.18, 6.32, 8.34, 12.38, 20.24, 81.42, 306.72, 885.42},
		{4.83, 5.8, 7.18, 11.4, 12.76, 18.6, 30.25, 98.77, 329.94, 1180.38},
		{5.31, 7.86, 10.79, 11.99, 14.97, 19.39, 30.81, 92.38, 343.96, 1091.02},
	},
}

// ampere: A100-SXM-80GB. It computes 8 and 4 bit weights in 16 bits. Its L2 is
// two halves of 20 MB; each holds the data read by the SMs beside it.
var ampere = Kernels{
	GEMM16:   gemmCurve{0.701, 0.696, 0.681, 0.672, 0.68, 0.592, 0.433, 0.773, 0.84, 0.877, 0.892, 0.918},
	Unpacked: 0.6, AttnBandwidth: 0.78, AttnFloorUs: 22, AttnSeqUs: 0.15, L2MB: 20,
	Prefill:      [8]float64{0.066, 0.133, 0.23, 0.34, 0.438, 0.507, 0.542, 0.564},
	MoEBandwidth: 0.75, MoECompute: 0.36, MoEFloorUs: 25, EagerReduce: 1.16,
	ReduceGB: 300,
	Reduce: [3]reduceCurve{
		{5.34, 5.74, 6.57, 7.99, 10.7, 15.18, 25.24, 126.28, 388.47, 1427.57},
		{6.0, 7.78, 9.91, 14.55, 18.34, 26.05, 41.48, 182.5, 540.03, 1920.71},
		{6.54, 11.35, 17.13, 18.86, 21.71, 27.93, 45.37, 214.19, 594.19, 2170.24},
	},
}

// ada: L40S.
var ada = Kernels{
	GEMM16:     gemmCurve{0.847, 0.761, 0.757, 0.748, 0.735, 0.721, 0.703, 0.612, 0.641, 0.663, 0.613, 0.558},
	GEMM8:      gemmCurve{0.685, 0.681, 0.667, 0.664, 0.679, 0.649, 0.605, 0.466, 0.508, 0.506, 0.494, 0.484},
	GEMM8Block: gemmCurve{0.236, 0.246, 0.237, 0.239, 0.255, 0.259, 0.269, 0.253, 0.33, 0.367, 0.384, 0.36},
	GEMM4:      gemmCurve{0.685, 0.681, 0.667, 0.664, 0.679, 0.649, 0.605, 0.466, 0.508, 0.506, 0.494, 0.484},
	Unpacked:   0.6, AttnBandwidth: 0.82, AttnFloorUs: 13, AttnSeqUs: 0.15, L2MB: 96,
	Prefill:      [8]float64{0.078, 0.15, 0.244, 0.346, 0.409, 0.459, 0.492, 0.503},
	MoEBandwidth: 0.8, MoECompute: 0.36, MoEFloorUs: 25, EagerReduce: 1.16,
}

// turing: not measured; the curves of ada, with its own nominal figures.
var turing = Kernels{
	GEMM16:   gemmCurve{0.847, 0.761, 0.757, 0.748, 0.735, 0.721, 0.703, 0.612, 0.641, 0.663, 0.613, 0.558},
	Unpacked: 0.6, AttnBandwidth: 0.7, AttnFloorUs: 20, AttnSeqUs: 0.15, L2MB: 4,
	Prefill:      [8]float64{0.078, 0.15, 0.244, 0.346, 0.409, 0.459, 0.492, 0.503},
	MoEBandwidth: 0.7, MoECompute: 0.3, MoEFloorUs: 25, EagerReduce: 1.16,
}

// adaGeForce: RTX 4090, from layer profiles of vLLM (casys-kaist/LLMServingSim
// profiler/perf/RTX4090, MIT). Unlike the L40S it has memory without ECC, and
// half the rate with 32 bit accumulation, which it sustains at any power limit.
// Not measured: prefill attention (that of the L40S at nearly twice the part of
// the halved rate), 8 and 4 bit products, experts.
var adaGeForce = Kernels{
	GEMM16:     gemmCurve{0.93, 0.91, 0.905, 0.84, 0.82, 0.725, 0.605, 0.98, 0.985, 0.99, 0.99, 0.99},
	GEMM8:      gemmCurve{0.75, 0.75, 0.73, 0.73, 0.75, 0.71, 0.66, 0.8, 0.88, 0.9, 0.9, 0.9},
	GEMM8Block: gemmCurve{0.236, 0.246, 0.237, 0.239, 0.255, 0.259, 0.269, 0.253, 0.33, 0.367, 0.384, 0.36},
	GEMM4:      gemmCurve{0.75, 0.75, 0.73, 0.73, 0.75, 0.71, 0.66, 0.8, 0.88, 0.9, 0.9, 0.9},
	Unpacked:   0.9, AttnBandwidth: 0.925, AttnFloorUs: 20, AttnSeqUs: 0.2, L2MB: 72,
	Prefill:      [8]float64{0.13, 0.25, 0.42, 0.6, 0.72, 0.8, 0.85, 0.87},
	MoEBandwidth: 0.88, MoECompute: 0.6, MoEFloorUs: 25, EagerReduce: 1.16,
}

// blackwellPro: RTX PRO 6000 Blackwell Server. Decode attention and experts are
// from layer profiles of vLLM (casys-kaist/LLMServingSim
// profiler/perf/RTXPRO6000, MIT): there is no attention kernel made for it, and
// most of the experts' compute overlaps with their reading. Prefill attention
// is that of the L40S.
var blackwellPro = Kernels{
	GEMM16:     gemmCurve{0.822, 0.793, 0.788, 0.77, 0.771, 0.73, 0.67, 0.763, 0.803, 0.843, 0.858, 0.85},
	GEMM8:      gemmCurve{0.723, 0.729, 0.73, 0.735, 0.733, 0.695, 0.492, 0.586, 0.7, 0.768, 0.789, 0.784},
	GEMM8Block: gemmCurve{0.236, 0.246, 0.237, 0.239, 0.255, 0.259, 0.269, 0.253, 0.33, 0.367, 0.384, 0.36},
	GEMM4:      gemmCurve{0.479, 0.504, 0.521, 0.569, 0.624, 0.659, 0.583, 0.508, 0.587, 0.624, 0.628, 0.634},
	Unpacked:   0.6, AttnBandwidth: 0.85, AttnFloorUs: 10, AttnSeqUs: 0.17, L2MB: 128,
	Prefill:      [8]float64{0.078, 0.15, 0.244, 0.346, 0.409, 0.459, 0.492, 0.503},
	MoEBandwidth: 0.83, MoECompute: 1.15, MoEFloorUs: 25, EagerReduce: 1.16,
}

// blackwell: B200-SXM-180GB; prefill attention as measured on the H100.
var blackwell = Kernels{
	GEMM16:     gemmCurve{0.696, 0.725, 0.717, 0.7, 0.734, 0.701, 0.616, 0.643, 0.666, 0.69, 0.696, 0.681},
	GEMM8:      gemmCurve{0.287, 0.456, 0.446, 0.455, 0.453, 0.441, 0.339, 0.369, 0.444, 0.476, 0.473, 0.444},
	GEMM8Block: gemmCurve{0.036, 0.05, 0.049, 0.049, 0.049, 0.05, 0.056, 0.085, 0.168, 0.334, 0.494, 0.529},
	GEMM4:      gemmCurve{0.358, 0.359, 0.362, 0.382, 0.396, 0.402, 0.377, 0.303, 0.362, 0.407, 0.451, 0.462},
	Unpacked:   0.38, AttnBandwidth: 0.92, AttnFloorUs: 10, AttnSeqUs: 0.05,
	Prefill:      [8]float64{0.029, 0.064, 0.134, 0.23, 0.365, 0.48, 0.564, 0.612},
	MoEBandwidth: 0.8, MoECompute: 0.45, MoEFloorUs: 25, EagerReduce: 1.16,
	ReduceGB: 900,
	Reduce: [3]reduceCurve{
		{7.1, 7.4, 7.66, 9.44, 13.12, 25.34, 33.67, 57.43, 155.12, 528.58},
		{7.36, 8.06, 8.63, 18.02, 18.42, 23.76, 29.96, 68.01, 187.42, 680.64},
		{8.07, 9.36, 25.8, 26.15, 17.17, 20.72, 26.31, 63.21, 222.78, 714.98},
	},
}
