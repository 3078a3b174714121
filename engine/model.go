package engine

import "weir/price"

// Model is the shape of a decoder (or encoder), as far as speed and memory
// depend on it.
type Model struct {
	Name         string
	Layers       int
	Hidden       int
	Heads        int
	KVHeads      int
	HeadDim      int
	Intermediate int // of a dense MLP layer
	Vocab        int
	TiedHead     bool // the output layer is the embedding table
	Encoder      bool // no output layer, no decoding: an embedding model
	PlainMLP     bool // two MLP matrices (GELU) instead of three (SwiGLU)

	Experts         int // per MoE layer; 0: dense
	ExpertsPerToken int
	SharedExperts   int
	MoEIntermediate int
	DenseLayers     int // leading layers with a dense MLP in a mixture model

	// Layers that hold or read a part of the context only.
	Window       int // tokens; 0: none
	WindowLayers int
	LinearLayers int  // recurrent state instead of KV
	Sinks        bool // attention has learned sinks (gpt-oss)

	// Latent attention (MLA): the values of one token per layer, instead of 2 x
	// KVHeads x HeadDim, and the size of a layer's attention matrices.
	LatentDim   int
	LatentRank  int // of LatentDim: the part read as values
	AttnWeights int64
	// Of AttnWeights: held whole by every GPU: the projections down to the
	// latents, and those of the indexer.
	CopiedWeights int64

	// Sparse attention (DeepSeek-V3.2): an indexer scores every held token with
	// IndexHeads keys of IndexDim, and attention reads the IndexTopK best.
	IndexDim, IndexHeads, IndexTopK int

	entry price.Model // fit's input for its memory
}

// attnWeights returns the size of one layer's attention matrices, in weights.
func (m *Model) attnWeights() int64 {
	if m.AttnWeights > 0 {
		return m.AttnWeights
	}
	return int64(m.Hidden) * int64(m.HeadDim) * int64(2*m.Heads+2*m.KVHeads)
}

func (m *Model) mlpMatrices() int64 {
	if m.PlainMLP {
		return 2
	}
	return 3
}

// moeLayers returns the number of layers that route tokens to experts.
func (m *Model) moeLayers() int {
	if m.Experts == 0 {
		return 0
	}
	return m.Layers - m.DenseLayers
}

// expertWeights returns the size of one expert of one layer.
func (m *Model) expertWeights() int64 {
	return m.mlpMatrices() * int64(m.Hidden) * int64(m.MoEIntermediate)
}

// denseWeights returns the weights that every token passes, without the output
// layer.
func (m *Model) denseWeights() int64 {
	dense := int64(m.Layers-m.moeLayers()) * m.mlpMatrices() * int64(m.Hidden) * int64(m.Intermediate)
	shared := int64(m.moeLayers()) * (int64(m.SharedExperts)*m.expertWeights() + int64(m.Hidden)*int64(m.Experts))
	return int64(m.Layers)*m.attnWeights() + dense + shared
}

// copiedWeights returns those of denseWeights that every GPU of a rank holds
// whole.
func (m *Model) copiedWeights() int64 { return int64(m.Layers) * m.CopiedWeights }

// routedWeights returns the weights of all routed experts.
func (m *Model) routedWeights() int64 {
	return int64(m.moeLayers()) * int64(m.Experts) * m.expertWeights()
}

// headWeights returns the size of the output layer, and of the embedding table.
func (m *Model) headWeights() int64 { return int64(m.Hidden) * int64(m.Vocab) }

// kvWidth returns how many values one token has per layer on one of tp GPUs.
// Heads are spread over GPUs, or copied if there are fewer heads than GPUs; a
// latent is copied to all.
func (m *Model) kvWidth(tp int) float64 {
	if m.LatentDim > 0 {
		return float64(m.LatentDim)
	}
	return 2 * float64(m.HeadDim) * max(1, float64(m.KVHeads)/float64(tp))
}

// NewModel reads a model of the catalogue.
func NewModel(p price.Model) *Model {
	m := &Model{
		Name: p.Name, Layers: p.Layers, Hidden: p.Hidden, Heads: p.Heads, KVHeads: p.KVHeads, HeadDim: p.HeadDim,
		Intermediate: p.Intermediate, Vocab: p.Vocab, TiedHead: p.Tied,
		Experts: p.Experts, ExpertsPerToken: p.ExpertsPerToken, SharedExperts: p.SharedExperts,
		MoEIntermediate: p.MoEIntermediate, DenseLayers: p.DenseLayers,
		Window: p.Window, WindowLayers: p.WindowLayers, LinearLayers: p.LinearLayers,
		entry: p,
	}
	m.Encoder = p.Attention == price.Encoder
	m.Sinks = p.Family == "gpt_oss"
	m.PlainMLP = m.Encoder
	if p.KVLoRARank > 0 {
		m.LatentDim, m.LatentRank = p.KVLoRARank+p.QKRopeDim, p.KVLoRARank
		m.AttnWeights = latentWeights(p)
		m.CopiedWeights = int64(p.Hidden) * int64(p.QLoRARank+p.KVLoRARank+p.QKRopeDim)
		m.HeadDim = p.QKNopeDim + p.QKRopeDim
	}
	if p.IndexDim > 0 {
		// 2048 is index_topk in the config.json of DeepSeek-V3.2, the first
		// model with an indexer. Its queries come from the latent ones.
		m.IndexDim, m.IndexHeads, m.IndexTopK = p.IndexDim, p.IndexHeads, 2048
		index := int64(p.QLoRARank)*int64(m.IndexHeads*p.IndexDim) + int64(p.Hidden)*int64(p.IndexDim+m.IndexHeads)
		m.AttnWeights, m.CopiedWeights = m.AttnWeights+index, m.CopiedWeights+index
	}
	return m
}

// latentWeights returns the size of an MLA layer's attention matrices: queries,
// through their own low rank if there is one, the latent down and up, and the
// output (DeepSeek-V2, arXiv 2405.04434, section 2.1).
func latentWeights(p price.Model) int64 {
	query := int64(p.Hidden) * int64(p.Heads*(p.QKNopeDim+p.QKRopeDim))
	if p.QLoRARank > 0 {
		query = int64(p.QLoRARank) * int64(p.Hidden+p.Heads*(p.QKNopeDim+p.QKRopeDim))
	}
	down := int64(p.Hidden) * int64(p.KVLoRARank+p.QKRopeDim)
	up := int64(p.KVLoRARank) * int64(p.Heads*(p.QKNopeDim+p.VHeadDim))
	return query + down + up + int64(p.Heads*p.VHeadDim)*int64(p.Hidden)
}
