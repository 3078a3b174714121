package fit

import (
	"cmp"
	"strings"

	"weir/price"
)

// budget is the memory of one GPU of a pipeline stage.
func budget(m *Model, s Setup, stage, layers int) Budget {
	b := Budget{
		Total: s.GPU.Total, Weights: m.weights(s, stage, layers), LoRA: m.lora(s, layers),
		NonTorch: nonTorch(s), Activation: activation(m, s, stage),
	}
	b.Allowed = int64(s.Utilisation * float64(s.GPU.Total))
	t := s.Engine.traits()
	if !t.claims && s.FreeBytes > 0 {
		b.Allowed = min(b.Allowed, s.FreeBytes)
	}
	b.Graphs = graphs(m, s, layers)
	b.GraphsIn = t.graphsInside
	switch t.pool {
	case poolOfFree:
		// The pool is a share of the memory free after the engine is loaded and
		// has run once.
		free := s.GPU.Total - b.Need() - b.Graphs
		b.Allowed = s.GPU.Total
		b.Cache = free
		if free > 0 {
			b.Cache = int64(s.Utilisation * float64(free))
		}
	case poolOfLoad:
		// mem_fraction_static is a share of the memory free before loading. The
		// pool is the rest of it after weights and collectives
		// (model_runner.py, profile_max_num_token); workspace and graphs live
		// outside it.
		b.Cache = b.Allowed - b.Weights - b.LoRA - b.NonTorch
	default:
		b.Cache = b.Allowed - b.Need()
	}
	if !m.generates() { // it claims no more than it needs
		b.NonTorch = max(b.NonTorch, ownContext(s))
		room := b.Allowed
		b.Allowed, b.Cache = min(room, b.Need()), min(room-b.Need(), 0)
	}
	if s.CacheBytes > 0 {
		b.Cache = min(b.Cache, s.CacheBytes)
	}
	return b
}

// nonTorch is the memory outside the tensor allocator. With one GPU: the
// modules and workspaces loaded after the engine's first look (kernels of
// Hopper and later are larger). With several: the buffers of the collectives;
// where an NVSwitch does multicast (compute capability 9.0 and up, all-to-all
// links) NCCL's NVLink SHARP and the symmetric-memory all-reduce take about 2
// GiB on each GPU.
func nonTorch(s Setup) int64 {
	hopper, t := s.GPU.SM >= 9 && s.GPU.Fast, s.Engine.traits()
	switch {
	case t.countsOwn > 0:
		return ownContext(s)
	case t.process > 0:
		return gibs(t.process)
	case s.TP == 1 && hopper:
		return gibs(t.aloneHopper)
	case s.TP == 1:
		return gibs(t.alone)
	case hopper && s.TP == 2:
		return gibs(t.collective2)
	case hopper:
		return gibs(t.collectives)
	}
	return gibs(0.30)
}

// ownContext is the CUDA context with its modules. Engines that log their
// budget leave it out: it is already missing from the free memory they see at
// the start. Others share the GPU and must count it: about 0.3 GiB before
// Hopper, 0.5 since.
func ownContext(s Setup) int64 {
	t := s.Engine.traits()
	if s.GPU.SM >= 9 {
		return gibs(cmp.Or(t.countsOwnNew, 0.5))
	}
	return gibs(cmp.Or(t.countsOwn, 0.3))
}

func gibs(x float64) int64 { return int64(x * GiB) }

// logitBytes is the memory of sampling per sequence and vocabulary entry.
func logitBytes(s Setup) float64 {
	b := s.Engine.traits().logits
	if s.Quant.Family == "fp32" {
		b += 2
	}
	return b
}

// activation is the peak of a step of BatchTokens with MaxSeqs sampled, as the
// engine profiles it. The length of the context does not matter: prefill comes
// in chunks.
func activation(m *Model, s Setup, stage int) int64 {
	if !m.generates() {
		return encoderActivation(m, s)
	}
	w, tokens, h := s.Quant.act(), int64(s.BatchTokens), int64(m.Hidden)
	seqs := int64(min(s.MaxSeqs, s.BatchTokens))
	t := s.Engine.traits()
	if t.layersOnly {
		return fileActivation(m, s)
	}
	const fixed = 0.05 // cuBLAS workspaces, attention metadata, positions: GiB
	residual := tokens * h * w
	mlp := tokens*widest(m, s)*w + 3*residual
	moe := expertWorkspace(m, s)
	persistent := int64(0)
	if t.keepsScratch {
		persistent = moe
	} else {
		mlp = max(mlp, moe+2*residual)
	}
	peak := mlp
	if stage > 0 || s.PP > 1 {
		peak += 2 * residual // hidden states and residual received from the stage before
	}
	if stage == s.PP-1 && !m.NoHead {
		logits := int64(logitBytes(s) * float64(seqs) * float64(m.Vocab))
		peak = max(peak, logits+residual)
	}
	seen, tower := visionActivation(m, s)
	return max(peak, tower) + persistent + seen + speechActivation(m, s) + gibs(fixed)
}

// widest is the widest dense MLP transient per token: gate, up and their
// product.
func widest(m *Model, s Setup) int64 {
	inter := int64(m.Intermediate)
	if m.Experts > 0 && m.DenseLayers == 0 && !m.BesideMLP {
		inter = int64(m.SharedExperts * m.MoEIntermediate)
	}
	if m.PlainMLP {
		return inter * 2 / int64(s.TP)
	}
	return inter * 3 / int64(s.TP)
}

// expertWorkspace is the workspace of fused experts (vLLM fused_moe.py,
// TritonExperts.workspace_shapes): per token and chosen expert, the larger of
// product and hidden width, and the larger of gate-and-up and hidden width.
// MXFP4 kernels compute in registers and have none of it.
func expertWorkspace(m *Model, s Setup) int64 {
	if m.Experts == 0 || s.Quant.Name == "mxfp4" {
		return 0
	}
	inter := m.MoEIntermediate
	if !s.EP {
		inter /= s.TP
	}
	rows := int64(s.BatchTokens) * int64(m.ExpertsPerToken)
	if s.Quant.Family == "4bit" {
		return rows * int64(max(2*inter, m.Hidden)+inter) * 2 // fused_marlin_moe.py
	}
	return rows * int64(max(inter, m.Hidden)+max(2*inter, m.Hidden)) * s.Quant.act()
}

// visionActivation is, for a model with a vision tower, the part of the largest
// input that the profile keeps (its embeddings and pixels), and the tower's own
// transient. Qwen's models take videos (qwen2_vl.py, qwen3_vl.py,
// get_num_frames_with_most_features).
func visionActivation(m *Model, s Setup) (kept, transient int64) {
	if m.VisionParams == 0 || m.ImageTokens == 0 || !s.Engine.traits().profiles {
		return 0, 0
	}
	tokens, merge := int64(max(s.BatchTokens, m.ImageTokens)), int64(max(m.Merge, 1))
	pixel := int64(2)
	if strings.HasPrefix(m.Family, "qwen") && s.Engine.traits().longVideos {
		tokens, pixel = max(tokens, int64(s.Context)), 4
	}
	kept = tokens*int64(m.Hidden)*int64(1+m.DeepStack)*2 + tokens*merge*int64(m.PatchSize)*pixel
	return kept, int64(m.ImageTokens) * merge * int64(m.VisionMLP/s.TP+3*m.VisionHidden) * 2
}

// speechActivation: an encoder-decoder is profiled with every sequence's
// encoder output held twice, in a list and joined, beside the mel input.
func speechActivation(m *Model, s Setup) int64 {
	if m.Attention != price.EncoderDecoder {
		return 0
	}
	return int64(s.MaxSeqs) * (2*1500*int64(m.Hidden) + 3000*128) * 2
}

// fileActivation is the compute buffer of engines that run one batch: a
// micro-batch's transients and the logits of its tokens (llama.cpp keeps all of
// a micro-batch in fp32, transformers only the last token's).
func fileActivation(m *Model, s Setup) int64 {
	if s.Engine.Name == "transformers" {
		extra := int64(0)
		if s.Quant.Name == "awq" {
			// AutoAWQ unpacks a whole matrix for prompts above 1024 tokens (WQLinear_GEMM).
			extra = int64(max(m.Intermediate, m.Hidden)) * int64(m.Hidden) * 2
		}
		return 16*int64(m.Vocab) + extra
	}
	tokens, h := int64(min(s.BatchTokens, 512)), int64(m.Hidden)
	return tokens * 4 * (h + max(int64(m.Vocab), widest(m, s)*2/3+3*h))
}

// encoderActivation is one batch through an encoder. Scores are not kept (fused
// attention); the widest transient is the MLP's.
func encoderActivation(m *Model, s Setup) int64 {
	tokens := int64(s.BatchTokens) // llama.cpp's is one micro-batch
	if s.Engine.Name == "transformers" {
		tokens = int64(s.Concurrency) * int64(s.Context)
	}
	width := 2*int64(m.Intermediate) + 6*int64(m.Hidden)
	return tokens*width*s.Quant.act() + gibs(0.05)
}

// graphs is the memory of captured CUDA graphs. vLLM captures 1, 2, 4 and every
// multiple of 8 (16 above 256) up to twice the sequences, at most 512: 51 sizes
// in all. A captured size holds a node of about 20 KiB for each kernel of each
// layer; the largest one's tensors stay as the pool of all.
func graphs(m *Model, s Setup, layers int) int64 {
	if s.Eager || !s.Engine.traits().claims || !m.generates() {
		return 0
	}
	const node = 20 << 10
	top := min(2*s.MaxSeqs, 512)
	n := int64(captured(top))
	return n*int64(layers)*kernels(m, s)*node + gibs(0.4)*int64(top)/512
}

// kernels is roughly the number one layer launches: 15 for a dense or
// fused-experts layer; latent attention projects and concatenates in many small
// ones; Triton's MXFP4 experts take some 45 for routing.
func kernels(m *Model, s Setup) int64 {
	switch {
	case triton4(s):
		return 60
	case m.Attention == mla:
		return 42
	}
	return 15
}

func captured(top int) int {
	n := 0
	for _, small := range []int{1, 2, 4} {
		if small <= top {
			n++
		}
	}
	n += min(top, 256) / 8
	return n + max(top-256, 0)/16
}

// warmUp is the memory of sampling with every sequence at the first real step.
func warmUp(m *Model, s Setup) int64 {
	if m.NoHead {
		return 0 // nothing is sampled
	}
	return int64(14.5 * float64(min(s.MaxSeqs, s.BatchTokens)) * float64(m.Vocab))
}

// triton4 reports whether MXFP4 experts run on Triton's kernels: on Hopper.
// Older GPUs use Marlin's kernels, newer ones their own FP4 units (vLLM
// layers/quantization/mxfp4.py).
func triton4(s Setup) bool {
	return s.Engine.traits().profiles && s.Quant.Name == "mxfp4" && s.GPU.SM >= 9 && s.GPU.SM < 10
}

// outside is memory an engine may allocate on first use beside its budget: the
// sampler's warm-up finds the memory set aside by the profile, but about half
// of it in fragments.
func (e Engine) outside(m *Model, s Setup) int64 {
	if !e.traits().profiles || !m.generates() {
		return 0
	}
	return warmUp(m, s)/2 + e.unprofiled(m, s)
}

// unprofiled is memory an engine certainly allocates after its cache and did
// not profile.
//
// Sparse attention (vLLM v1/attention/backends/mla: flashmla_sparse.py,
// indexer.py) gathers latents of five and index keys of forty of the longest
// contexts, has up to 512 MiB of index scores, and pads queries and outputs to
// 64 heads. Weights in host memory pass through the GPU two layers at a time.
// Scratch of Triton's MXFP4 kernels replaces the sampler's warm-up.
func (e Engine) unprofiled(m *Model, s Setup) int64 {
	if !e.traits().profiles {
		return 0
	}
	var sum int64
	if triton4(s) {
		sum += warmUp(m, s)
	}
	if m.sparse() {
		n := int64(s.Context)
		sum += 5*n*576*2 + 40*n*m.indexKey() + GiB/2
		sum += int64(s.BatchTokens) * int64(max(64, m.Heads/s.TP)) * (576 + 512) * 2
	}
	if s.Offload > 0 {
		sum += 2 * s.Offload / int64(max(m.Layers, 1))
	}
	return sum
}
