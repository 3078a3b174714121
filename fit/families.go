package fit

import (
	"cmp"
	"slices"
	"strings"

	"weir/price"
)

// family fills in counts that all models of a family share and a catalogue
// entry lacks. Sources are the families' modelling code in transformers and
// vLLM.
func family(m *Model) {
	name := strings.ToLower(m.Name)
	f := m.Family
	switch {
	case strings.HasPrefix(f, "qwen2"):
		m.QKVBias = true
	case f == "phi", f == "nemotron_h":
		m.PlainMLP = true
		m.QKVBias = f == "phi"
		if f == "phi" {
			m.RotaryDim = m.HeadDim * 2 / 5 // partial_rotary_factor 0.4
		}
	case strings.HasPrefix(f, "gemma2"), strings.HasPrefix(f, "gemma3"), f == "gemma4":
		m.Sandwich = true
	case f == "laguna":
		m.WindowHeads = 72
		m.Plain16 = true // its quantised checkpoints ignore self_attn and shared_expert
	case f == "jamba":
		m.EveryMLP = true
	case f == "gpt_oss":
		m.QKVBias = true
	case f == "qwen3_next", f == "qwen3_5":
		m.GatedQuery = true
		m.RotaryDim = m.HeadDim / 4 // partial_rotary_factor 0.25
		if m.Experts == 0 {
			m.PlainShare, m.PlainBits = 1, 8 // its NVFP4 checkpoints have attention and linear layers in fp8
		}
		deltaNet(m)
	}
	if f == "gemma3" && m.Vision && m.RotaryRows == 0 {
		m.RotaryRows = 8 * m.MaxContext // linear rope scaling by 8 makes the table 8 times as long
	}
	if f == "gemma4" {
		if m.Experts == 0 {
			m.PlainShare = 1 // its NVFP4 checkpoint ignores self_attn
		}
		m.BesideMLP = m.Experts > 0
	}
	if f == "gemma4" && m.FullHeadDim == 0 {
		m.SharedKV = true
		m.FullHeads, m.FullHeadDim = m.Heads, 512
		m.FullKVHeads = 2
		if m.Hidden > 5000 {
			m.FullKVHeads = 4
		}
	}
	if m.Attention == mla {
		m.RotaryDim = cmp.Or(m.QKRopeDim, 64)
	}
	encoder(m, name)
	if m.KVHeads == 0 && m.Attention == price.MHA {
		m.KVHeads = m.Heads
	}
	visionOf(m)
}

// encoder is what encoders, alone or before a decoder, have in common.
func encoder(m *Model, name string) {
	if m.Attention == price.EncoderDecoder {
		m.PlainMLP, m.QKVBias = true, true
		m.Positions = 1500 + m.MaxContext
		m.Vocab = cmp.Or(m.Vocab, 51866)
		if strings.Contains(name, "turbo") {
			m.DecoderLayers = 4
			m.Layers = cmp.Or(m.Layers, 32)
		}
	}
	if m.Attention == price.Encoder {
		m.PlainMLP = !slices.Contains([]string{"nomic_bert", "modernbert", "new", "gte"}, m.Family)
		m.QKVBias = true
		m.Positions = cmp.Or(m.Positions, m.MaxContext)
		if slices.Contains([]string{"modernbert", "modernvbert", "new", "gte"}, m.Family) {
			m.Positions = 0 // rotary
		}
	}
}

// deltaNet recovers the heads of gated delta net layers from the state one
// sequence holds: fp32 matrices of 128 x 128 per value head, and three 16-bit
// rows of the convolution, with 16 key heads in every published size.
func deltaNet(m *Model) {
	if m.LinearLayers == 0 || m.StateBytes == 0 || m.ValueHeads > 0 {
		return
	}
	const keys, dim, conv = 16, 128, 4
	per := m.StateBytes / int64(m.LinearLayers)
	heads := (per - 2*keys*dim*(conv-1)*2) / (dim*dim*4 + dim*(conv-1)*2)
	if heads > 0 && heads < 1<<10 {
		m.KeyHeads, m.ValueHeads, m.StateHeadDim, m.Conv = keys, int(heads), dim, conv
	}
}
