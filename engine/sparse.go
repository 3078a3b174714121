package engine

// Sparse attention over latents (DeepSeek-V3.2, vLLM's flashmla_sparse.py and
// indexer.py). Every query, of a prompt or decoding, scores all tokens before
// it in the indexer, then attends to a fixed number of slots in the latent
// space, filled or not. The kernel takes 64 query heads at least: a GPU with 16
// of a model's 128 heads computes four times its share.
const (
	sparseHeads = 64
	// FlashMLA's kernel reaches 640 TFLOPS on an H800 (deepseek-ai/FlashMLA,
	// README), which has the H100's nominal figure of 989.
	sparseFraction = 0.65
	// Part of compute reached by the indexer's scores: products with one row of
	// keys for all heads, then a weighted sum. Assumed.
	indexFraction = 0.5
	indexScale    = 4 // bytes of scale beside a token's 8 bit key
)

// indexBytes returns the indexer's bytes per token and layer.
func (m *Model) indexBytes() int {
	if m.IndexDim == 0 {
		return 0
	}
	return m.IndexDim + indexScale
}

// sparseAttention returns the time of all attention except reading the keys of
// held tokens.
func (r *Roofline) sparseAttention(b Batch) float64 {
	m, g := r.model, r.gpu
	heads := max(sparseHeads, float64(m.Heads)/r.tp)
	slots := float64(b.Prefill+b.Decode) * float64(m.IndexTopK)
	flops := slots * heads * 2 * float64(m.LatentDim+m.LatentRank)
	scores := 2 * float64(m.IndexHeads*m.IndexDim) * float64(b.Pairs)
	t := flops/(g.TFLOPS16*sparseFraction) + scores/(max(g.TFLOPS8, g.TFLOPS16)*indexFraction)
	return float64(m.Layers) * t * 1e-12
}
