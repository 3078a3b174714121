package fit

import (
	"cmp"
	"strings"
)

// A tower is a vision encoder: its transformer, and the projector to the text
// model.
type tower struct {
	layers, hidden, mlp int
	matrices            int // of its MLP
	patch               int // numbers of one patch
	positions           int
	merge, imageTokens  int
	joined              int // extra mergers (deepstack)
}

func (t tower) params(text int) int64 {
	h := int64(t.hidden)
	n := int64(t.layers) * (4*h*h + int64(t.matrices)*h*int64(t.mlp) + 8*h)
	n += int64(t.patch)*h + int64(t.positions)*h
	in := h
	if t.joined > 0 || t.matrices == 3 && t.merge == 4 {
		in = 4 * h
	}
	join := in * int64(text)
	if in > h {
		join = in*in + in*int64(text) // a merger has a square matrix before
	}
	return n + join*int64(1+t.joined)
}

var (
	siglip   = tower{layers: 27, hidden: 1152, mlp: 4304, matrices: 2, patch: 588, positions: 4096, merge: 16, imageTokens: 256}
	pixtral  = tower{layers: 24, hidden: 1024, mlp: 4096, matrices: 3, patch: 768, merge: 1, imageTokens: 3025}
	moonvit  = tower{layers: 27, hidden: 1152, mlp: 4304, matrices: 2, patch: 588, positions: 4096, merge: 4, imageTokens: 1024}
	qwen25vl = tower{layers: 32, hidden: 1280, mlp: 3420, matrices: 3, patch: 1176, merge: 4, imageTokens: 16384}
	qwen3vl  = tower{layers: 27, hidden: 1152, mlp: 4304, matrices: 2, patch: 1536, positions: 2304, merge: 4, imageTokens: 16384, joined: 3}
	clip336  = tower{layers: 24, hidden: 1024, mlp: 4096, matrices: 2, patch: 588, positions: 577, merge: 1, imageTokens: 576}
	llama4v  = tower{layers: 34, hidden: 1408, mlp: 5632, matrices: 2, patch: 588, positions: 577, merge: 4, imageTokens: 2304}
)

// visionOf adds the vision tower of a family.
func visionOf(m *Model) {
	if !m.Vision || m.VisionParams > 0 {
		return
	}
	var t tower
	switch m.Family {
	case "gemma3", "gemma4":
		t = siglip
	case "mistral3", "pixtral":
		t = pixtral
	case "kimi_vl":
		t = moonvit
	case "qwen2_5_vl":
		t = qwen25vl
	case "qwen3_vl", "qwen3_vl_moe":
		t = qwen3vl
	case "qwen3_5":
		t = qwen3vl
		t.joined = 0
	case "llava":
		t = clip336
	case "llama4":
		t = llama4v
	default:
		return
	}
	setTower(m, t)
}

func setTower(m *Model, t tower) {
	m.VisionParams = t.params(m.Hidden)
	m.VisionHidden, m.VisionMLP, m.PatchSize = t.hidden, t.mlp, t.patch
	m.ImageTokens, m.Merge, m.DeepStack = t.imageTokens, t.merge, t.joined
	if strings.HasPrefix(m.Family, "qwen") && m.RotaryRows == 0 {
		m.RotaryRows = 4 * m.MaxContext // vLLM mrope.py: tables of multimodal rope are 4 times as long
	}
}

func (c *hfConfig) vision(m *Model) {
	v := c.Vision
	if v == nil {
		return
	}
	m.Vision = true
	merger := v.glmTower(m.Family)
	layers, h := first(v.Depth, v.Layers, v.Layers2), first(v.Hidden, v.Width)
	inter := int(v.Inter)
	if v.Embed > 0 { // Qwen2-VL: hidden_size is the text model's
		h, inter = int(v.Embed), 4*int(v.Embed)
	} else if v.Kind == "radio" {
		inter = 4 * h
	} else if v.Width > 0 && inter == 0 {
		inter = int(float64(h) * min(cmp.Or(v.Ratio, 4), 16))
	}
	if layers == 0 || h == 0 || inter == 0 || layers > 500 || h > 1<<15 || inter > 1<<17 {
		visionOf(m)
		return
	}
	base := *m
	base.VisionParams, base.RotaryRows = 0, m.RotaryRows
	visionOf(&base)
	side := first(v.Patch, 14)
	t := tower{layers: layers, hidden: h, mlp: inter, matrices: 2, merge: max(base.Merge, 1), imageTokens: cmp.Or(base.ImageTokens, 1024), joined: len(v.Deep)}
	if strings.Contains(v.Act, "silu") {
		t.matrices = 3
	}
	if side < 1<<8 {
		t.patch = 3 * side * side * max(1, min(int(v.Frames), 8))
	}
	if v.Merge > 0 && v.Merge <= 16 {
		t.merge = int(v.Merge * v.Merge)
	}
	if v.Image > 0 && v.Image < 1<<14 {
		t.positions = (int(v.Image) / side) * (int(v.Image) / side)
	}
	m.RotaryRows = base.RotaryRows
	setTower(m, t)
	m.VisionParams += merger
}
