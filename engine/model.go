package engine

// Model is the shape of a decoder (or encoder) as far as its speed and its
// memory depend on it.
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
	PlainMLP     bool // two MLP matrices (GELU) instead of three (SwiGLU)

	Experts         int // per MoE layer; 0: dense
	ExpertsPerToken int
	SharedExperts   int
	MoEIntermediate int
	DenseLayers     int // leading layers with a dense MLP in a mixture model

	// Layers that hold or read less than the whole context.
	Window       int // tokens; 0: none
	WindowLayers int
	LinearLayers int // recurrent state instead of KV

	// Latent attention (MLA): what one token holds per layer, instead of
	// 2 x KVHeads x HeadDim, and the size of the attention matrices of a layer.
	LatentDim   int
	AttnWeights int64
}

// attnWeights is the size of one layer's attention matrices, in weights.
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

// moeLayers is how many layers route tokens to experts.
func (m *Model) moeLayers() int {
	if m.Experts == 0 {
		return 0
	}
	return m.Layers - m.DenseLayers
}

// expertWeights is the size of one expert of one layer.
func (m *Model) expertWeights() int64 {
	return m.mlpMatrices() * int64(m.Hidden) * int64(m.MoEIntermediate)
}

// denseWeights are the weights every token passes, output layer excluded.
func (m *Model) denseWeights() int64 {
	dense := int64(m.Layers-m.moeLayers()) * m.mlpMatrices() * int64(m.Hidden) * int64(m.Intermediate)
	shared := int64(m.moeLayers()) * (int64(m.SharedExperts)*m.expertWeights() + int64(m.Hidden)*int64(m.Experts))
	return int64(m.Layers)*m.attnWeights() + dense + shared
}

// routedWeights are the weights of all routed experts.
func (m *Model) routedWeights() int64 {
	return int64(m.moeLayers()) * int64(m.Experts) * m.expertWeights()
}

// headWeights is the size of the output layer, and of the embedding table.
func (m *Model) headWeights() int64 { return int64(m.Hidden) * int64(m.Vocab) }

// kvWidth is how many values one token holds per layer, on one of tp GPUs.
// Heads are spread over GPUs, or copied where there are fewer than GPUs; a
// latent is copied to all.
func (m *Model) kvWidth(tp int) float64 {
	if m.LatentDim > 0 {
		return float64(m.LatentDim)
	}
	return 2 * float64(m.HeadDim) * max(1, float64(m.KVHeads)/float64(tp))
}

// models are the models known by name: shapes from their published
// config.json.
var models = []Model{
	{Name: "Llama-3.1-8B", Layers: 32, Hidden: 4096, Heads: 32, KVHeads: 8, HeadDim: 128, Intermediate: 14336, Vocab: 128256},
	{Name: "Llama-3.3-70B", Layers: 80, Hidden: 8192, Heads: 64, KVHeads: 8, HeadDim: 128, Intermediate: 28672, Vocab: 128256},
	{Name: "Llama-2-70B", Layers: 80, Hidden: 8192, Heads: 64, KVHeads: 8, HeadDim: 128, Intermediate: 28672, Vocab: 32000},
	{Name: "Qwen3-30B-A3B", Layers: 48, Hidden: 2048, Heads: 32, KVHeads: 4, HeadDim: 128, Vocab: 151936,
		Experts: 128, ExpertsPerToken: 8, MoEIntermediate: 768},
	{Name: "Mixtral-8x7B", Layers: 32, Hidden: 4096, Heads: 32, KVHeads: 8, HeadDim: 128, Vocab: 32000,
		Experts: 8, ExpertsPerToken: 2, MoEIntermediate: 14336},
	{Name: "bge-large-en", Layers: 24, Hidden: 1024, Heads: 16, KVHeads: 16, HeadDim: 64, Intermediate: 4096, Vocab: 30522,
		TiedHead: true, PlainMLP: true},
}
