package fit

import (
	"encoding/json"
	"strings"

	"weir/price"
)

// Bytes of one entry in the caches of DeepSeek-V4, whatever --kv-cache-dtype
// says (vLLM models/deepseek_v4, fp8_ds_mla: 448 numbers in fp8, 64 in bf16 and
// 8 of scales; the indexer: 128 in fp8 and a scale in fp32).
const (
	compressedEntry = 584
	indexEntry      = 132
)

// ratios lists, layer by layer, how many tokens share one entry of the cache
// (DeepSeek-V4); 0: the layer keeps its window alone. nil: no compression.
func (c *hfConfig) ratios() []int {
	var list []int
	if json.Unmarshal(c.keys["compress_ratios"], &list) == nil && len(list) >= int(c.Layers) && len(list) <= 2000 {
		return list[:c.Layers]
	}
	if len(c.CompressRates) == 0 || len(c.KindsAsWritten) != int(c.Layers) {
		return nil
	}
	for _, kind := range c.KindsAsWritten {
		list = append(list, int(c.CompressRates[kind]))
	}
	return list
}

// compressed describes attention whose layers keep a window of single tokens,
// and of everything one entry for every few tokens (ratio 4, chosen by an
// indexer) or for very many (ratio 128). Keys are values. What the compressors
// have not yet made entries of, in fp32, is a cache with a window too, of the
// tokens of one entry, of two where entries overlap
// (models/deepseek_v4/compressor.py); like every window it holds the tokens of
// a whole step beside. A window of 8 or 128 tokens under steps of 8192 makes
// that the larger part of a request.
func (c *hfConfig) compressed(m *Model) {
	ratios := c.ratios()
	h, dim, rank := int64(m.Hidden), int64(m.HeadDim), int64(c.QRank)
	heads, groups, out := int64(m.Heads), int64(c.OutGroups), int64(c.OutRank)
	index, indexHeads := int64(c.Index), int64(c.IndexHeads)
	if ratios == nil || groups*out*rank == 0 || h > 1<<18 || !bounded(dim, heads, groups, out) || !bounded(rank, index, indexHeads) {
		return
	}
	u := Uneven{Caches: []Cached{{Layers: m.Layers, KVHeads: 1, Window: max(int(c.Window), 1), Bytes: compressedEntry}}}
	var token float64
	for _, r := range ratios {
		u.Queries += h*rank + rank*heads*dim + heads*dim*out + groups*out*h
		u.KeyVal += h * dim
		switch {
		case r == 4:
			u.Queries += 4*h*dim + rank*indexHeads*index + h*indexHeads + 4*h*index
			token += float64(compressedEntry+indexEntry) / 4
			u.keep(Cached{Layers: 1, KVHeads: 1, Window: 2 * r, Bytes: int(2 * 2 * dim * 4)})
			u.keep(Cached{Layers: 1, KVHeads: 1, Window: 2 * r, Bytes: int(2 * 2 * index * 4)})
		case r > 1 && r <= 1<<16:
			u.Queries += 2 * h * dim
			token += compressedEntry / float64(r)
			u.keep(Cached{Layers: 1, KVHeads: 1, Window: r, Bytes: int(2 * dim * 4)})
		}
	}
	m.Uneven, m.TokenBytes, m.Attention = &u, int64(token+0.5), price.GQA
	m.Window, m.WindowLayers, m.FullLayers = u.Caches[0].Window, m.Layers, 0
	m.PlainMLP = false
	m.FP4Experts = strings.EqualFold(c.ExpertType, "fp4")
}
