package fit

import (
	"cmp"
	"encoding/json"
	"strings"

	"weir/price"
)

// hfTower is an encoder of sound beside a text model.
type hfTower struct {
	Layers  count `json:"num_hidden_layers"`
	Layers2 count `json:"encoder_layers"`
	Layers3 count `json:"num_layers"`
	Hidden  count `json:"hidden_size"`
	Hidden2 count `json:"d_model"`
	Hidden3 count `json:"hidden_dim"`
	Inter   count `json:"intermediate_size"`
	Inter2  count `json:"encoder_ffn_dim"`
	Mels    count `json:"num_mel_bins"`
	Kernel  count `json:"conv_kernel_size"`
}

// audio adds the encoder of sound: a transformer like Whisper's with two
// convolutions before it, or a conformer, whose layers have two MLPs and a
// convolution each; and the projection into the text model.
func (c *hfConfig) audio(m *Model) {
	raw := c.AudioRaw
	if len(raw) == 0 {
		raw = c.EncoderRaw
	}
	var t hfTower
	if len(raw) == 0 || raw[0] != '{' || json.Unmarshal(raw, &t) != nil || m.Attention == price.Encoder {
		return
	}
	layers, h := int64(first(t.Layers, t.Layers2, t.Layers3)), int64(first(t.Hidden, t.Hidden2, t.Hidden3))
	inter := int64(cmp.Or(first(t.Inter, t.Inter2), 4*int(h)))
	if layers > 500 || h > 1<<15 || inter > 1<<17 || layers*h == 0 {
		return
	}
	per := 4*h*h + 2*h*inter
	if t.Kernel > 1 || strings.Contains(string(raw), "conformer") || strings.Contains(string(raw), `"parakeet`) {
		per += h*h + 2*h*inter + 3*h*h // the second MLP, the pointwise convolutions, relative positions
	}
	m.VisionParams += layers*per + 3*h*(int64(cmp.Or(int(t.Mels), 128))+h) + h*int64(m.Hidden) + int64(m.Hidden)*int64(m.Hidden)
}

// glmTower: in GLM's vision towers the MLP is as wide as the text model, and
// the stated width is that of the merger behind them (Glm4vVisionPatchMerger).
func (v *hfVision) glmTower(family string) (merger int64) {
	if !strings.HasPrefix(family, "glm4v") || v.Out == 0 || v.Out > 1<<15 || v.Inter > 1<<17 {
		return 0
	}
	out, inter := int64(v.Out), int64(v.Inter)
	v.Inter = v.Out
	return out*out + 3*out*inter + 4*int64(min(v.Hidden, 1<<15))*out
}

// pair: a decoder behind an encoder that has a config of its own. Every layer
// of the decoder also attends to what the encoder gave.
func (c *hfConfig) pair(m *Model) {
	if string(c.keys["is_encoder_decoder"]) != "true" || len(c.EncoderRaw) == 0 || m.Attention == price.EncoderDecoder {
		return
	}
	var e struct {
		Positions count `json:"max_position_embeddings"`
		Factor    count `json:"subsampling_factor"`
	}
	if json.Unmarshal(c.EncoderRaw, &e) != nil || m.Hidden > 1<<18 {
		return
	}
	tokens := int64(min(cmp.Or(int(e.Positions), 1500), 1<<16)) / int64(max(min(int(e.Factor), 64), 1))
	wide := int64(m.KVHeads) * int64(m.HeadDim)
	m.FixedBytes += int64(m.Layers) * tokens * 2 * wide * 2
	m.ExtraParams += int64(m.Layers) * 2 * int64(m.Hidden) * (int64(m.Heads)*int64(m.HeadDim) + wide)
}
