package fit

import "cmp"

// Sparse attention (DeepSeek-V3.2, GLM-5) chooses the tokens a layer attends to
// by an indexer: a small key of each token, kept beside the latent, with its
// own queries. From GLM-5.2 on most layers have none and reuse the choice of an
// earlier layer.

// sparse reports whether the model has indexers.
func (m *Model) sparse() bool { return m.IndexDim > 0 && m.Attention == mla }

// ownIndexers is how many layers have the weights of an indexer.
func (m *Model) ownIndexers() int {
	if !m.sparse() {
		return 0
	}
	return cmp.Or(m.IndexLayers, m.attentionLayers())
}

// indexers is how many layers keep index keys. vLLM (since 0.23, which knows
// GLM-5.2) and llama.cpp keep none in a layer that uses another layer's choice.
// SGLang kept them in every layer until August 2026 (sgl-project/sglang#30531),
// and is counted so, since the first changed version is unknown.
func (m *Model) indexers(e Engine) int {
	if m.sparse() && e.traits().indexAlways {
		return m.attentionLayers()
	}
	return m.ownIndexers()
}

// indexKey is the size of one token in one indexer, on every GPU whole: the key
// in fp8, and an fp32 scale for each 128 numbers of it (vLLM deepseek_v2.py,
// DeepseekV32IndexerCache).
func (m *Model) indexKey() int64 { return int64(m.IndexDim) + int64(m.IndexDim+127)/128*4 }

// countIndexers adds the indexers' weights: queries from the latent of the
// query, keys from the hidden state, both on every GPU whole and stored like
// other matrices; the weight of each head in 16 bits.
func (m *Model) countIndexers(p *params) {
	n, h := int64(m.ownIndexers()), int64(m.Hidden)
	p.latent += n * int64(m.IndexDim) * (int64(m.QLoRARank)*int64(m.IndexHeads) + h)
	p.small += n * h * int64(m.IndexHeads)
}

// indexerSchedule counts the layers of a config with their own indexer
// (transformers configuration_glm_moe_dsa.py): a list, or every freq-th layer
// from the offset on, and all before it. A freq alone is a choice at run time
// (DeepSeek's index cache): weights and keys exist nevertheless.
func (c *hfConfig) indexerSchedule(layers int) int {
	full := 0
	for _, t := range c.IndexTypes {
		if t == "full" {
			full++
		}
	}
	freq, offset := int(c.IndexFreq), int(c.IndexOffset)
	if len(c.IndexTypes) == 0 && freq > 1 && offset > 0 && layers <= 2000 {
		for i := range layers {
			if max(i-offset+1, 0)%freq == 0 {
				full++
			}
		}
	}
	return full
}
