package fit

import (
	"cmp"
	"strings"

	"weir/price"
)

// shape reads the model from the metadata.
func (g *ggufReader) shape(name string) Model {
	arch := g.text["general.architecture"]
	n := func(key string) int {
		v := g.num[arch+"."+key]
		if v == 0 {
			v = g.most[arch+"."+key]
		}
		if !(v > 0 && v < 1<<40) {
			return 0
		}
		return int(v)
	}
	var m Model
	m.Name, m.Family, m.DType = name, ggufFamily(arch), "fp16"
	m.Layers, m.Hidden, m.Heads = n("block_count"), n("embedding_length"), n("attention.head_count")
	m.KVHeads, m.HeadDim = cmp.Or(n("attention.head_count_kv"), m.Heads), n("attention.key_length")
	if m.HeadDim == 0 && m.Heads > 0 {
		m.HeadDim = m.Hidden / m.Heads
	}
	m.Intermediate, m.MaxContext = n("feed_forward_length"), n("context_length")
	m.Vocab = cmp.Or(n("vocab_size"), g.list["tokenizer.ggml.tokens"])
	m.Experts, m.ExpertsPerToken = n("expert_count"), n("expert_used_count")
	m.MoEIntermediate, m.DenseLayers = n("expert_feed_forward_length"), n("leading_dense_block_count")
	m.Window = n("attention.sliding_window")
	m.Attention = price.GQA
	if rank := n("attention.kv_lora_rank"); rank > 0 {
		m.Attention, m.KVLoRARank, m.QKRopeDim = mla, rank, cmp.Or(n("rope.dimension_count"), 64)
	}
	if strings.Contains(arch, "bert") {
		m.Attention = price.Encoder
	}
	switch m.Family {
	case "gemma2", "gpt_oss":
		m.FullLayers = m.Layers / 2
		m.WindowLayers = m.Layers - m.FullLayers
	case "gemma3":
		m.FullLayers = m.Layers / 6
		m.WindowLayers = m.Layers - m.FullLayers
	default:
		m.Window = 0
	}
	return m
}

func ggufFamily(arch string) string {
	switch arch {
	case "gpt-oss":
		return "gpt_oss"
	case "qwen3moe":
		return "qwen3_moe"
	case "deepseek2":
		return "deepseek_v3"
	}
	return arch
}
