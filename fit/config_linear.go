package fit

import "slices"

// linear describes layers that keep a state of fixed size instead of keys and
// values, by the keys the config states them with.
func (c *hfConfig) linear(m *Model) {
	if c.ValueHeads > 0 && m.LinearLayers == 0 && c.Interval > 0 {
		m.FullLayers = m.Layers / int(c.Interval)
		m.LinearLayers = m.Layers - m.FullLayers
	}
	if m.LinearLayers > 0 {
		switch {
		case c.ValueHeads > 0:
			c.deltaNet(m)
		case c.LinearAttn != nil || c.LinearHeads > 0:
			c.kimiDelta(m)
		case slices.Contains(c.LayerTypes, convLayer):
			c.shortConv(m)
		case c.State == 0 && slices.Contains(c.LayerTypes, linearLayer):
			c.lightning(m)
		}
	}
	c.stateSpace(m)
}

// deltaNet is the gated delta net of Qwen3-Next, Qwen3.5 and Olmo Hybrid: a
// matrix in fp32 for each value head, and the last rows of a convolution.
func (c *hfConfig) deltaNet(m *Model) {
	k, v, dk, conv := int64(c.KeyHeads), int64(c.ValueHeads), int64(c.KeyDim), int64(max(c.Conv, 1))
	dv := int64(first(c.ValueDim, c.KeyDim))
	m.Linear, m.KeyHeads, m.ValueHeads, m.StateHeadDim, m.Conv = "gated_delta_net", int(k), int(v), int(dk), int(conv)
	if bounded(k, v, dk, conv) && bounded(dv) {
		m.StateBytes = int64(m.LinearLayers) * (v*dk*dv*4 + (2*k*dk+v*dv)*(conv-1)*2)
	}
	if dv != dk && bounded(k, v, dk, conv) && bounded(dv) {
		h := int64(m.Hidden)
		m.LinearParams = h*(2*k*dk+3*v*dv+2*v) + (2*k*dk+v*dv)*conv
	}
	m.GatedQuery = c.OutputGate || m.Family != "olmo_hybrid"
}

// kimiDelta is Kimi Linear's delta attention (vLLM layers/kda.py): queries,
// keys and values of the same width with a convolution each, gates through the
// dimension of one head.
func (c *hfConfig) kimiDelta(m *Model) {
	heads, dim, conv, fullGate := int64(c.LinearHeads), int64(c.LinearDim), int64(max(c.Conv, 1)), false
	if l := c.LinearAttn; l != nil {
		heads, dim, conv, fullGate = int64(l.Heads), int64(l.HeadDim), int64(max(l.Conv, 1)), l.FullGate
	}
	if !bounded(heads, dim, conv) || heads*dim > 1<<19 {
		return
	}
	h, width := int64(m.Hidden), heads*dim
	gate := h*dim + dim*width
	m.LinearParams = 4*h*width + 3*width*conv + 2*gate + h*heads
	if fullGate {
		m.LinearParams += h*width - gate
	}
	m.Linear = "kda"
	m.StateBytes = int64(m.LinearLayers) * (heads*dim*dim*4 + 3*width*(conv-1)*2)
}

// shortConv is LFM2's gated convolution: one matrix in of three times the
// width, one out, and the last rows of its input.
func (c *hfConfig) shortConv(m *Model) {
	h, rows := int64(m.Hidden), int64(max(c.ConvCache, 1))
	if h > 1<<18 || rows > 1<<10 {
		return
	}
	m.Linear, m.LinearParams = "short_conv", 4*h*h+h*rows
	m.StateBytes = int64(m.LinearLayers) * h * (rows - 1) * 2
}

// lightning is linear attention with the model's own heads (MiniMax-Text-01,
// Ling 2.5): queries, keys, values, a gate and the output, and one matrix in
// fp32 for each head.
func (c *hfConfig) lightning(m *Model) {
	heads, dim, h := int64(m.Heads), int64(m.HeadDim), int64(m.Hidden)
	if !bounded(heads, dim) || h > 1<<18 {
		return
	}
	m.Linear, m.LinearParams = "lightning", 5*h*heads*dim
	m.StateBytes = int64(m.LinearLayers) * heads * dim * dim * 4
}
