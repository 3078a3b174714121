package fit

import (
	"cmp"
	"strings"

	"weir/price"
)

// cache is how one GPU of a stage holds keys, values and states.
type cache struct {
	full, window, linear int   // layers by kind, on this stage
	fullToken            int64 // bytes of one token in one full layer on this GPU
	windowToken          int64
	index                int64 // bytes of one token in the indexers of sparse attention, all layers of the stage
	state                int64 // bytes of one sequence in one linear layer
	fixed                int64 // other bytes of one sequence (cross attention)
	span                 int   // tokens a window layer sees
	block                int   // tokens of a block; 1: not paged
	paged                bool  // layers of unlike kinds share one pool of equal blocks (vLLM)
	wholeToken           int64 // whole model, every attention layer at full length
}

// cache describes the cache on one GPU of a stage of n layers cut by tp.
func (m *Model) cache(s Setup, tp, n int) cache {
	if !m.generates() {
		return cache{block: 1}
	}
	attention, window := m.attentionLayers(), m.windowed()
	part := func(v int) int { return (v*n + m.Layers - 1) / m.Layers }
	t := s.Engine.traits()
	if !t.windows {
		window = 0
	}
	c := cache{
		full: part(attention - window), window: part(window), linear: part(m.LinearLayers),
		span: m.Window, block: max(t.block, 1), paged: t.groups,
	}
	if n := m.CachedFull + m.CachedWindow; n > 0 {
		c.full, c.window = part(m.CachedFull), part(m.CachedWindow)
		if !t.windows {
			c.full, c.window = part(n), 0
		}
	}
	c.full = max(0, c.full-part(m.CrossLayers))
	width := s.kvBytes(m)
	c.fullToken = m.tokenBytes(s, tp, cmp.Or(m.FullKVHeads, m.KVHeads), cmp.Or(m.FullHeadDim, m.HeadDim), width)
	c.windowToken = m.tokenBytes(s, tp, m.KVHeads, m.HeadDim, width)
	if u := m.Uneven; u != nil {
		m.unevenCache(&c, tp, part, width)
	}
	c.index = int64(part(int(m.TokenBytes)))
	if m.sparse() {
		c.index = int64(part(m.indexers(s.Engine))) * m.indexKey()
		if c.paged {
			c.block = 64 // of vLLM's sparse kernels (v1/attention/backends/mla/indexer.py)
		}
	}
	if m.LinearLayers > 0 {
		c.state = m.StateBytes / int64(m.LinearLayers) / int64(tp)
	}
	if m.Attention == price.EncoderDecoder {
		c.full = cmp.Or(m.DecoderLayers, m.Layers)
		c.fixed = 1500 * int64(c.full) * c.fullToken // Whisper's 30 s window is 1500 frames
	}
	c.fixed += m.FixedBytes * int64(n) / int64(m.Layers)
	c.fixed += int64(part(m.CrossLayers)) * int64(m.CrossTokens) * c.fullToken
	full, windowed := attention-m.windowed()-m.CrossLayers, m.windowed()
	if m.CachedFull+m.CachedWindow > 0 {
		full, windowed = m.CachedFull, m.CachedWindow
	}
	c.wholeToken = int64(m.indexers(s.Engine))*m.indexKey() + int64(full)*m.tokenBytes(s, 1, cmp.Or(m.FullKVHeads, m.KVHeads), cmp.Or(m.FullHeadDim, m.HeadDim), width) +
		int64(windowed)*m.tokenBytes(s, 1, m.KVHeads, m.HeadDim, width)
	if u := m.Uneven; u != nil {
		f, w, _, _ := u.tokens(1, width)
		c.wholeToken = f + w + m.TokenBytes
		if m.TokenBytes > 0 {
			c.wholeToken = f + m.TokenBytes // windows are not what grows
		}
	}
	if m.Attention == price.EncoderDecoder {
		c.wholeToken = int64(c.full) * m.tokenBytes(s, 1, m.KVHeads, m.HeadDim, width)
	}
	return c
}

// unevenCache sets the layers of a model whose layers are unlike: each kind at
// its mean size.
func (m *Model) unevenCache(c *cache, tp int, part func(int) int, width float64) {
	full, window, fulls, windows := m.Uneven.tokens(tp, width)
	c.full, c.window, c.fullToken, c.windowToken = part(int(fulls)), part(int(windows)), 0, 0
	if fulls > 0 {
		c.fullToken = full / fulls
	}
	if windows > 0 {
		c.windowToken = window / windows
	}
	for _, one := range m.Uneven.Caches {
		c.span = max(c.span, one.Window)
	}
}

// tokenBytes is the size of one token in one layer on one GPU, cut as far as
// there are KV heads. Latent attention holds one vector for all heads, on every
// GPU whole; before engines had a cache for it, they kept keys and values at
// full size, padded to 256.
func (m *Model) tokenBytes(s Setup, tp, heads, dim int, width float64) int64 {
	if m.Attention == mla {
		t := s.Engine.traits()
		if t.fullLatent {
			return int64(2 * float64(max(1, m.Heads/tp)*256) * width)
		}
		latent := float64(m.KVLoRARank + cmp.Or(m.QKRopeDim, 64))
		if s.KV == "fp8_ds_mla" || m.sparse() && width == 1 && t.sparseLatent && s.GPU.SM < 10 {
			return 656 // 512 fp8, four fp32 scales, 64 bf16: what FlashMLA's sparse kernels take for fp8 (vLLM mla_attention.py)
		}
		return int64(latent * width)
	}
	return int64(2 * float64(max(1, heads/tp)*dim) * width)
}

// kvBytes is the width of one number in the cache.
func (s Setup) kvBytes(m *Model) float64 {
	kv := strings.ToLower(s.KV)
	if kv == "" || kv == "auto" {
		kv = m.KVFormat
	}
	switch {
	case strings.HasPrefix(kv, "fp8"), kv == "int8":
		return 1
	case kv == "q8_0":
		return 8.5 / 8
	case kv == "q4_0":
		return 4.5 / 8
	case kv == "fp16", kv == "bf16", kv == "f16":
		return 2
	}
	return float64(s.Quant.act())
}

// request is the bytes of one sequence of n tokens in engines that schedule
// chunks of that many tokens.
func (c cache) request(n, chunk int) int64 {
	if c.full+c.window+c.linear == 0 {
		return 0
	}
	if c.paged {
		return c.pagedRequest(n, chunk)
	}
	tokens := roundUp(n, c.block)
	held := min(tokens, roundUp(c.span, c.block))
	return int64(c.full)*int64(tokens)*c.fullToken + int64(c.window)*int64(held)*c.windowToken + int64(c.linear)*c.state + int64(tokens)*c.index + c.fixed
}

// pagedRequest follows vLLM's kv_cache_utils.py: layers of one kind form groups
// of equal size; all blocks have the same size in bytes (kinds with smaller
// tokens have more of them in a block; a linear layer's state is one block);
// and a request takes a block of a group for each of its tokens' blocks. A
// window layer holds its window and one chunk, and one block more because a
// window need not begin where a block does.
func (c cache) pagedRequest(n, chunk int) int64 {
	size := c.groupSize()
	page := int64(c.block) * max(c.fullToken, c.windowToken)
	if c.window == 0 {
		page = int64(c.block) * c.fullToken
	} else if c.full == 0 {
		page = int64(c.block) * c.windowToken
	}
	if c.linear > 0 && c.state > page && c.fullToken > 0 {
		page = (c.state + 16*c.fullToken - 1) / (16 * c.fullToken) * 16 * c.fullToken
	}
	blocks := int64(0)
	if c.full > 0 {
		per := max(page/c.fullToken, 1)
		blocks += groups(c.full, size) * ((int64(n) + per - 1) / per)
	}
	if c.window > 0 {
		per := max(page/c.windowToken, 1)
		seen := min(int64(c.span)-1+int64(chunk), int64(n))
		blocks += groups(c.window, size) * ((seen+per-1)/per + 1)
	}
	if c.linear > 0 {
		blocks += groups(c.linear, size)
	}
	return blocks*page*int64(size) + int64(roundUp(n, c.block))*c.index + c.fixed
}

// groupSize is the least number of layers of a kind; the largest, when the
// others are within a quarter of it (vLLM's choice against padding).
func (c cache) groupSize() int {
	least, most := 0, 0
	for _, n := range []int{c.full, c.window, c.linear} {
		if n == 0 {
			continue
		}
		if least == 0 || n < least {
			least = n
		}
		most = max(most, n)
	}
	if 4*most < 5*least {
		return most
	}
	return max(least, 1)
}

func groups(layers, size int) int64 { return int64((layers + size - 1) / size) }

func roundUp(n, to int) int {
	if to <= 1 {
		return n
	}
	return (n + to - 1) / to * to
}
