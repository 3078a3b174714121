package fit

import (
	"cmp"
	"weir/price"
)

// params counts parameters by how they are stored and divided.
type params struct {
	linear    int64 // cut over the GPUs of a stage
	state     int64 // the part of linear in layers with a state
	dense     int64 // the part of linear in dense MLPs
	shared    int64 // the part of linear in the shared part of mixtures
	attention int64 // the part of linear and kv in attention and in linear layers
	kv        int64 // key and value projections: cut as far as there are KV heads
	experts   int64 // routed: cut, or spread whole
	latent    int64 // quantised like linear, on every GPU whole (MLA down projections)
	absorb    int64 // 16-bit copies engines make of MLA's up projection, cut by heads
	small     int64 // norms, routers, biases: 16 bits, on every GPU whole
	embed     int64
	head      int64
	vision    int64
}

// Params is the number of parameters, vision tower included.
func (m *Model) Params() int64 {
	p := m.count()
	return p.linear + p.kv + p.experts + p.latent + p.small + p.embed + p.head + p.vision
}

func (m *Model) count() params {
	if m.Attention == price.Encoder || m.Attention == price.EncoderDecoder {
		return m.countEncoder()
	}
	h := int64(m.Hidden)
	var p params
	if u := m.Uneven; u != nil {
		p.linear, p.kv = u.Queries, u.KeyVal
	} else {
		m.countAttention(&p)
	}
	p.attention = p.linear + p.kv
	m.countMLP(&p)
	norms := int64(2)
	if m.Sandwich {
		norms = 4
	}
	p.small += norms*h*int64(m.Layers) + h
	p.embed = int64(paddedVocab(m.Vocab)) * h
	if !m.Tied && !m.NoHead {
		p.head = p.embed
	}
	p.vision = m.VisionParams
	p.small += m.ExtraParams
	before := p.linear
	m.countLinear(&p)
	p.state = p.linear - before
	p.attention += p.state
	return p
}

func (m *Model) countAttention(p *params) {
	layers := int64(m.attentionLayers())
	h := int64(m.Hidden)
	if m.Attention == mla {
		heads, up := int64(m.Heads), int64(m.QKNopeDim+m.VHeadDim)
		q := int64(m.QKNopeDim + m.QKRopeDim)
		if m.QLoRARank > 0 {
			p.latent += layers * h * int64(m.QLoRARank)
			p.linear += layers * int64(m.QLoRARank) * heads * q
		} else {
			p.linear += layers * h * heads * q
		}
		p.latent += layers * h * int64(m.KVLoRARank+m.QKRopeDim)
		p.absorb = layers * int64(m.KVLoRARank) * heads * up
		p.linear += p.absorb + layers*heads*int64(m.VHeadDim)*h
		m.countIndexers(p)
		return
	}
	window := int64(m.windowed())
	m.countGQA(p, layers-window, cmp.Or(m.FullHeads, m.Heads), cmp.Or(m.FullKVHeads, m.KVHeads), cmp.Or(m.FullHeadDim, m.HeadDim), m.SharedKV)
	m.countGQA(p, window, cmp.Or(m.WindowHeads, m.Heads), m.KVHeads, m.HeadDim, false)
}

func (m *Model) countGQA(p *params, layers int64, heads, kvHeads, dim int, shared bool) {
	h, width := int64(m.Hidden), int64(heads*dim)
	q := h * width
	if m.GatedQuery {
		q *= 2
	}
	kv := 2 * h * int64(kvHeads*dim)
	if shared {
		kv /= 2
	}
	p.linear += layers * (q + width*h)
	p.kv += layers * kv
	if m.QKVBias {
		p.small += layers * (width + 2*int64(kvHeads*dim))
	}
}

func (m *Model) countMLP(p *params) {
	h, all := int64(m.Hidden), int64(m.mlpLayers())
	matrices := int64(3)
	if m.PlainMLP {
		matrices = 2
	}
	dense := all
	if m.Experts > 0 {
		dense = int64(m.DenseLayers)
		moe := all - dense
		width := int64(cmp.Or(m.MoEIntermediate, m.Intermediate))
		within := int64(cmp.Or(m.ExpertHidden, m.Hidden))
		p.experts += moe * int64(m.Experts) * matrices * within * width
		if m.ExpertHidden > 0 {
			p.linear += moe * 2 * h * within // into it and out of it
		}
		p.shared = moe * matrices * h * int64(cmp.Or(m.SharedWidth, m.SharedExperts*int(width)))
		p.linear += p.shared
		p.small += moe * h * int64(m.Experts)
		if m.BesideMLP {
			dense = all
		}
	}
	p.dense = dense * matrices * h * int64(m.Intermediate)
	if u := m.Uneven; u != nil {
		p.dense = u.MLP
	}
	p.linear += p.dense
}

// countLinear adds the linear layers: from their shape, or as the rest of the
// published count of parameters.
func (m *Model) countLinear(p *params) {
	if m.LinearLayers == 0 {
		return
	}
	if m.LinearParams > 0 {
		p.linear += int64(m.LinearLayers) * m.LinearParams
		return
	}
	if m.ValueHeads > 0 {
		h, k, v := int64(m.Hidden), int64(m.KeyHeads*m.StateHeadDim), int64(m.ValueHeads*m.StateHeadDim)
		per := h*(2*k+2*v+2*int64(m.ValueHeads)) + (2*k+v)*int64(m.Conv) + v*h
		p.linear += int64(m.LinearLayers) * per
		return
	}
	if left := int64(m.TotalB*1e9) - (p.linear + p.kv + p.experts + p.latent + p.small + p.embed + p.head + p.vision); left > 0 {
		p.linear += left
	}
}

// countEncoder counts BERT-like encoders, vision transformers and Whisper-like
// pairs; without a shape it takes the published count.
func (m *Model) countEncoder() params {
	h := int64(m.Hidden)
	if h == 0 || m.Layers == 0 {
		return params{linear: int64(m.TotalB * 1e9)}
	}
	matrices := int64(2)
	if !m.PlainMLP {
		matrices = 3
	}
	block := 4*h*h + matrices*h*int64(m.Intermediate)
	small := 9*h + int64(m.Intermediate)
	p := params{embed: int64(m.Vocab) * h, vision: m.VisionParams}
	p.linear = int64(m.Layers) * block
	p.small = int64(m.Layers)*small + int64(m.Positions)*h
	if m.Attention == price.EncoderDecoder {
		decoder := int64(cmp.Or(m.DecoderLayers, m.Layers))
		p.linear += decoder * (block + 4*h*h)
		p.small += decoder*(small+5*h) + 3*h*(128+h) // two convolutions of width 3 over 128 mel bins
	}
	return p
}

// weights is what one GPU of a stage of n layers holds. first and last stages
// hold the embedding and the output layer; a tied table on both when there are
// several.
func (m *Model) weights(s Setup, stage, n int) int64 {
	if m.Stored != nil {
		return m.storedWeights(s, stage, n)
	}
	p, q, tp := m.count(), m.mixed(s.Quant), int64(s.TP)
	part := func(v int64) int64 { return v * int64(n) / int64(max(m.Layers, 1)) }
	expertBits := q.Expert
	experts := p.experts
	if q.Pad && !s.Engine.traits().asStored {
		experts = int64(float64(experts) * m.padding(s))
	}
	sum := bytesOf(part(p.linear), q.Linear)/tp + bytesOf(part(experts), expertBits)/tp
	sum += bytesOf(part(p.kv), q.Linear) / min(tp, int64(max(m.KVHeads, 1)))
	sum += bytesOf(part(p.latent), q.Linear)
	if m.Mix != nil && q.Name == m.Format {
		sum += m.apart(p, q, part) / tp
	} else if wide := cmp.Or(m.PlainBits, 16); q.Linear < wide && (q.Name == m.Format || q.Name == "nvfp4" && m.Format == "") {
		sum += bytesOf(int64(m.PlainShare*float64(part(p.attention))), wide-q.Linear) / tp
	}
	side := max(q.Table, 16)
	if q.Family == "fp32" {
		side = 32
	}
	sum += bytesOf(part(p.small), side)
	if s.Engine.traits().absorbs {
		sum += bytesOf(part(p.absorb), 16) / tp
	}
	first, last := stage == 0, stage == s.PP-1
	if first {
		sum += bytesOf(p.vision, side) / tp
	}
	if first && !s.Engine.traits().tablesOnCPU {
		sum += bytesOf(p.embed, q.Table) / tp
	}
	if s.Engine.traits().tablesOnCPU { // p.small counts the position table
		sum -= min(sum, bytesOf(part(m.positionTable()), side))
	}
	if last {
		switch {
		case p.head > 0:
			sum += bytesOf(p.head, q.head()) / tp
		case m.Tied && m.generates() && (!first || q.Untied || s.Engine.traits().untiesFP8 && q.Family == "fp8" || s.Engine.traits().tablesOnCPU):
			sum += bytesOf(p.embed, q.head()) / tp
		}
	}
	return sum + s.Engine.rotary(m, q) - min(s.Offload, sum)
}

// padding is how much larger kernels for MXFP4 make the experts, slice by slice
// after they are cut by tensor parallel (vLLM layers/quantization/mxfp4.py,
// fused_moe/oracle/mxfp4.py). Marlin's, before Hopper and on GeForce Blackwell,
// pads the hidden size to 256 and the slice to 128; those of Blackwell and of
// AMD both to 256; Triton's on Hopper what is summed over: the hidden size of
// the first two matrices, the slice of the third.
func (m *Model) padding(s Setup) float64 {
	h, w := cmp.Or(m.ExpertHidden, m.Hidden), m.MoEIntermediate
	if !s.EP {
		w = (w + s.TP - 1) / s.TP
	}
	if h*w == 0 {
		return 1
	}
	wide, slice := roundUp(h, 256), roundUp(w, 256)
	all := float64(3 * wide * slice)
	switch {
	case s.GPU.SM >= 9 && s.GPU.SM < 10:
		all = float64(2*w*wide + h*slice)
	case s.GPU.SM > 0 && s.GPU.SM < 9, s.GPU.SM >= 12:
		all = float64(3 * wide * roundUp(w, 128))
	}
	return all / float64(3*h*w)
}

// positionTable is the number of parameters of a learned embedding of positions.
func (m *Model) positionTable() int64 {
	if m.Attention != price.Encoder {
		return 0
	}
	return int64(m.Positions) * int64(m.Hidden)
}

// mixed is the format of published checkpoints of a mixture: most int4 ones
// (compressed-tensors) leave attention and shared experts in 16 bits, as do
// NVFP4 ones of hybrids with linear layers; AWQ and GPTQ quantise everything.
// If only a name is known this is the larger of the two: a config.json says
// which.
func (m *Model) mixed(q Quant) Quant {
	if m.Mix != nil && q.Name == m.Format {
		q.Expert = m.Mix.Expert
		return q
	}
	plain := q.Name == "w4a16" && m.Format != "w4a16" || q.Name == "nvfp4" && m.LinearLayers > 0
	if m.Experts > 0 && (m.Plain16 && (q.Name == m.Format || m.Format == "") || plain) {
		q.Linear = 16
	}
	return q
}

func (m *Model) storedWeights(s Setup, stage, n int) int64 {
	w, tp := m.Stored, int64(s.TP)
	part := func(v int64) int64 { return v * int64(n) / int64(max(m.Layers, 1)) }
	sum := part(w.Linear)/tp + part(w.Experts)/tp + part(w.Small)
	onCPU := s.Engine.traits().tablesOnCPU
	if stage == 0 {
		sum += w.Vision / tp
	}
	if stage == 0 && !onCPU {
		sum += w.Embed / tp
	}
	if stage == s.PP-1 {
		sum += w.Head / tp
		if w.Head == 0 && (stage > 0 || onCPU) && m.generates() {
			sum += w.Embed / tp
		}
	}
	return sum + s.Engine.rotary(m, s.Quant) - min(s.Offload, sum)
}

// lora is the memory of resident adapters: two matrices of the rank beside
// every linear layer, 16 bits, stacked to the number of adapters; vLLM cuts one
// of the two by tensor parallel.
func (m *Model) lora(s Setup, n int) int64 {
	if s.LoRAs == 0 || s.LoRARank == 0 {
		return 0
	}
	h, r := int64(m.Hidden), int64(s.LoRARank)
	q, kv := int64(m.Heads*m.HeadDim), int64(m.KVHeads*m.HeadDim)
	inter := int64(m.Intermediate)
	down := r * (5*h + q + inter)                      // into the rank, whole
	up := r * (q + 2*kv + 2*h + 2*inter) / int64(s.TP) // out of it, cut
	return int64(s.LoRAs) * int64(n) * (down + up) * 2
}
