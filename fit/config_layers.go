package fit

import (
	"encoding/json"
	"slices"
	"strings"
)

// Configs state the kinds of their layers in many ways. This file brings them
// to one: LayerTypes, a name for each layer, in transformers' own words.

// Names of layers in LayerTypes.
const (
	fullLayer   = "full_attention"
	windowLayer = "sliding_attention"
	linearLayer = "linear_attention"
	convLayer   = "conv"
	mambaLayer  = "mamba"
	emptyLayer  = "none" // neither
)

// layerNames are other words for the same kinds.
var layerNames = map[string]string{
	"attention": fullLayer, "full": fullLayer, "global": fullLayer, "global_attention": fullLayer, "*": fullLayer, "hybrid_full_attention": fullLayer,
	"compressed_sparse_attention": fullLayer, "heavily_compressed_attention": fullLayer, "dense": fullLayer,
	"chunked_attention": windowLayer, "sliding": windowLayer, "local": windowLayer, "local_attention": windowLayer, "swa": windowLayer, "sliding_window": windowLayer, "hybrid_sliding": windowLayer,
	"kda": linearLayer, "gdn": linearLayer, "gated_deltanet": linearLayer, "lightning": linearLayer, "lightning_attention": linearLayer, "linear": linearLayer, "recurrent": linearLayer,
	"mamba2": mambaLayer, "ssm": mambaLayer, "m": mambaLayer,
	"short_conv": convLayer, "shortconv": convLayer,
	"mlp": emptyLayer, "moe": emptyLayer,
}

func layerName(s string) string {
	low := strings.ToLower(s)
	if name, ok := layerNames[low]; ok {
		return name
	}
	return low
}

// spellLayers fills LayerTypes from the family's own way to say it.
func (c *hfConfig) spellLayers() {
	if c.Layers > 2000 {
		return // refused later
	}
	if len(c.LayerTypes) > int(c.Layers) {
		c.LayerTypes = c.LayerTypes[:c.Layers] // those beyond predict more than one token
	}
	if o := c.Other; o != nil { // Step-3.5: the shape of window layers
		c.SwaHeads, c.SwaKV, c.SwaDim = o.Heads, o.KV, o.Dim
	}
	c.KindsAsWritten = slices.Clone(c.LayerTypes)
	for i, t := range c.LayerTypes {
		c.LayerTypes[i] = layerName(t)
	}
	if len(c.LayerTypes) > 0 {
		return
	}
	switch {
	case c.flags("attn_type_list", map[int]string{0: linearLayer, 1: fullLayer}): // MiniMax-Text-01
	case c.flags("hybrid_layer_pattern", map[int]string{0: fullLayer, 1: windowLayer}): // MiMo-V2
	case c.LinearAttn != nil && len(c.LinearAttn.Full)+len(c.LinearAttn.KDA) > 0: // Kimi Linear: numbers from 1
		c.name(c.LinearAttn.Full, 1, fullLayer, linearLayer)
	case len(c.FullIndexes) > 0: // LFM2
		c.name(c.FullIndexes, 0, fullLayer, convLayer)
	case c.LayerGroup > 1: // Ling 2.5: the last layer of a group, and what does not fill one, are full
		whole := int(c.Layers) / int(c.LayerGroup) * int(c.LayerGroup)
		for i := range int(c.Layers) {
			c.LayerTypes = append(c.LayerTypes, pick((i+1)%int(c.LayerGroup) == 0 || i >= whole, fullLayer, linearLayer))
		}
	}
}

func pick(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// flags reads a list with a number for each layer.
func (c *hfConfig) flags(key string, names map[int]string) bool {
	var list []int
	if json.Unmarshal(c.keys[key], &list) != nil || len(list) == 0 || len(list) != int(c.Layers) {
		return false
	}
	var out []string
	for _, n := range list {
		name, ok := names[n]
		if !ok {
			return false
		}
		out = append(out, name)
	}
	c.LayerTypes = out
	return true
}

// name names the listed layers, counted from first, and all others.
func (c *hfConfig) name(listed []count, first int, yes, no string) {
	for i := range int(c.Layers) {
		c.LayerTypes = append(c.LayerTypes, pick(slices.Contains(listed, count(i+first)), yes, no))
	}
}

// Uneven is a model whose layers have unlike shapes: sums over them, in
// parameters, and the layers that keep keys and values, by shape.
type Uneven struct {
	Queries int64 // projections of queries and of the output
	KeyVal  int64 // of keys and values
	MLP     int64 // dense MLPs
	Caches  []Cached
}

// Cached are layers that keep the same number of keys and values of a token.
type Cached struct {
	Layers, KVHeads int
	Key, Value      int // numbers of one head
	Window          int // tokens; 0: all
	Bytes           int // of one token, if the engine fixes it
}

// tokens is the bytes of one token in all layers without a window, and in all
// with one, and the numbers of these layers.
func (u *Uneven) tokens(tp int, width float64) (full, window, fulls, windows int64) {
	for _, c := range u.Caches {
		bytes := int64(c.Layers) * int64(float64(max(1, c.KVHeads/tp)*(c.Key+c.Value))*width)
		if c.Bytes > 0 {
			bytes = int64(c.Layers) * int64(c.Bytes)
		}
		if c.Window > 0 {
			window, windows = window+bytes, windows+int64(c.Layers)
		} else {
			full, fulls = full+bytes, fulls+int64(c.Layers)
		}
	}
	return full, window, fulls, windows
}

// layer is the shape of one layer.
type layer struct {
	heads, kv, key, value int // 0 heads: no attention
	window                int
	mlp                   int // width of a dense MLP; 0: none, or experts
	keeps                 bool
}

// uneven sums layers of unlike shapes, which counts for all layers cannot say.
func (c *hfConfig) uneven(m *Model) {
	if m.Attention == mla || !m.generates() || m.Layers > 2000 {
		return
	}
	list := c.layerList(m)
	if list == nil {
		return
	}
	u := Uneven{}
	h := int64(m.Hidden)
	var widest, mlps int
	for _, l := range list {
		q := h * int64(l.heads) * int64(l.key)
		if m.GatedQuery {
			q *= 2
		}
		u.Queries += q + h*int64(l.heads)*int64(l.value)
		u.MLP += int64(m.mlpMatrices()) * h * int64(l.mlp)
		if l.mlp > 0 {
			mlps++
			widest = max(widest, l.mlp)
		}
		if l.heads == 0 || !l.keeps {
			continue
		}
		u.KeyVal += h * int64(l.kv) * int64(l.key+l.value)
		u.keep(Cached{Layers: 1, KVHeads: l.kv, Key: l.key, Value: l.value, Window: l.window})
	}
	m.Uneven = &u
	m.Intermediate = max(m.Intermediate, widest)
	m.evenOut(list)
}

func (u *Uneven) keep(one Cached) {
	for i := range u.Caches {
		c := &u.Caches[i]
		if c.KVHeads == one.KVHeads && c.Key == one.Key && c.Value == one.Value && c.Window == one.Window && c.Bytes == one.Bytes {
			c.Layers++
			return
		}
	}
	u.Caches = append(u.Caches, one)
}

// evenOut sets the counts for all layers to what most of them have: layout
// rules and the speed of the engine take those.
func (m *Model) evenOut(list []layer) {
	by := map[int]int{}
	for _, l := range list {
		if l.kv > 0 {
			by[l.kv]++
		}
	}
	for kv, n := range by { // the larger of equally frequent ones
		if best := by[m.KVHeads]; n > best || n == best && kv > m.KVHeads {
			m.KVHeads = kv
		}
	}
}

func (m *Model) mlpMatrices() int {
	if m.PlainMLP {
		return 2
	}
	return 3
}

// layerList is the shape of each layer; nil if they are alike, or unlike only
// in ways that Details states.
func (c *hfConfig) layerList(m *Model) []layer {
	heads, kv, widths := c.perLayer("num_attention_heads"), c.perLayer("num_key_value_heads"), c.perLayer("intermediate_size")
	blocks := c.blockList()
	swa := int(c.SwaKV) > 0 && (int(c.SwaKV) != m.KVHeads || first(c.SwaHeads) > 0 && int(c.SwaHeads) != m.Heads || first(c.SwaDim) > 0 && int(c.SwaDim) != m.HeadDim)
	value := first(c.VDim)
	apart := value > 0 && m.HeadDim > 0 && value != m.HeadDim && int(c.KVRank) == 0
	if heads == nil && kv == nil && widths == nil && blocks == nil && !swa && !apart {
		return nil
	}
	list := make([]layer, m.Layers)
	for i := range list {
		l := layer{heads: m.Heads, kv: m.KVHeads, key: m.HeadDim, value: m.HeadDim, mlp: m.Intermediate, keeps: true}
		if apart {
			l.value = value
		}
		kind := fullLayer
		if i < len(c.LayerTypes) {
			kind = c.LayerTypes[i]
		}
		c.shapeOf(kind, m, &l)
		l.at(i, heads, kv, widths)
		if blocks != nil {
			blocks[i].shape(m, &l)
		}
		if m.Experts > 0 && !c.denseAt(i) {
			l.mlp = 0
		}
		list[i] = l
	}
	return list
}

// shapeOf applies the kind of a layer to its shape.
func (c *hfConfig) shapeOf(kind string, m *Model, l *layer) {
	switch kind {
	case windowLayer:
		l.window = int(c.Window)
		if c.SwaKV > 0 {
			l.heads, l.kv = first(c.SwaHeads, count(l.heads)), int(c.SwaKV)
			l.key = first(c.SwaDim, count(l.key))
			l.value = first(c.SwaVDim, c.SwaDim, count(l.value))
		}
	case linearLayer, mambaLayer, convLayer, emptyLayer:
		l.heads, l.kv = 0, 0
	}
}

func (l *layer) at(i int, heads, kv, widths []count) {
	if i < len(heads) && l.heads > 0 {
		l.heads = int(heads[i])
	}
	if i < len(kv) && l.heads > 0 {
		l.kv = int(kv[i])
	}
	if i < len(widths) {
		l.mlp = int(widths[i])
	}
}

// denseAt says whether a layer of a mixture has a dense MLP.
func (c *hfConfig) denseAt(i int) bool {
	return i < int(c.FirstDense) || slices.Contains(c.DenseOnly, count(i))
}

// perLayer reads a list of unlike numbers, one for each layer; nil for others.
func (c *hfConfig) perLayer(key string) []count {
	var list []count
	if raw := c.keys[key]; len(raw) == 0 || raw[0] != '[' || json.Unmarshal(raw, &list) != nil || len(list) != int(c.Layers) {
		return nil
	}
	if slices.Min(list) == slices.Max(list) {
		return nil
	}
	return list
}

// block is an entry of DeciLM's block_configs.
type block struct {
	Attention struct {
		Group  count `json:"n_heads_in_group"`
		KV     count `json:"num_key_value_heads"`
		Window count `json:"window_length"`
		None   bool  `json:"no_op"`
		Linear bool  `json:"replace_with_linear"`
	} `json:"attention"`
	FFN struct {
		Times  float64 `json:"ffn_mult"`
		Inter  count   `json:"intermediate_size"`
		None   bool    `json:"no_op"`
		Linear bool    `json:"replace_with_linear"`
	} `json:"ffn"`
}

func (c *hfConfig) blockList() []block {
	var list []block
	if json.Unmarshal(c.keys["block_configs"], &list) != nil || len(list) != int(c.Layers) {
		return nil
	}
	return list
}

// shape follows nemotron_nas.py: the width is the multiple of 2/3 of the hidden
// size, rounded up to 256; a layer replaced by a matrix has no cache.
func (b block) shape(m *Model, l *layer) {
	a, f := b.Attention, b.FFN
	switch {
	case a.Linear:
		l.heads, l.kv, l.keeps = 0, 0, false
	case a.None:
		l.heads, l.kv = 0, 0
	case a.KV > 0:
		l.kv = int(a.KV)
	case a.Group > 0:
		l.kv = max(1, m.Heads/int(a.Group))
	}
	if a.Window > 0 {
		l.window = int(a.Window)
	}
	switch {
	case f.None:
		l.mlp = 0
	case f.Linear:
		l.mlp = m.Hidden / m.mlpMatrices()
	case f.Inter > 0:
		l.mlp = int(f.Inter)
	case f.Times > 0 && f.Times < 64:
		l.mlp = (int(2*f.Times*float64(m.Hidden)/3) + 255) / 256 * 256
	}
}
