package fit

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"weir/price"
)

// MaxConfig is the longest config.json or index read, in bytes.
const MaxConfig = 32 << 20

// ErrFile: a model file is not valid.
var ErrFile = fmt.Errorf("model file")

// count reads a whole JSON number; null, absent and other values are 0. A list
// of the same number for every layer is that number (Gemma 3n's MLP widths); a
// list of unlike ones is 0, so that what needs the count says it is missing.
type count int

func (c *count) UnmarshalJSON(text []byte) error {
	*c = 0
	var f float64
	if text[0] == '[' {
		var list []float64
		if json.Unmarshal(text, &list) != nil || len(list) == 0 || slices.Min(list) != slices.Max(list) {
			return nil
		}
		f = list[0]
	} else if json.Unmarshal(text, &f) != nil {
		return nil
	}
	if f != math.Trunc(f) || f < 0 || f > 1<<40 {
		return fmt.Errorf("%w: %s is not a count", ErrFile, text)
	}
	*c = count(f)
	return nil
}

// ParseConfig reads the config.json of a model repository. name is the model's
// name. Other text in the file is ignored; a shape with holes is an error of
// Check, which names them.
func ParseConfig(name string, text []byte) (Model, error) {
	if len(text) > MaxConfig {
		return Model{}, fmt.Errorf("%w: config of %s has %d bytes, the limit is %d", ErrFile, name, len(text), MaxConfig)
	}
	outer, err := readConfig(finite(text), 0)
	if err != nil {
		return Model{}, fmt.Errorf("%w: config of %s: %w", ErrFile, name, err)
	}
	c := outer
	if outer.Text != nil {
		c = *outer.Text
	}
	if c.Layers+c.Encoders == 0 {
		return Model{}, fmt.Errorf("%w: config of %s has no num_hidden_layers: is it a model's config.json?", ErrFile, name)
	}
	m := Model{}
	m.Name = name
	m.Family = familyName(outer.ModelType, c.ModelType)
	c.spellLayers()
	c.spellMixture()
	m.DType = dtypeName(firstText(c.DType, c.DType2, outer.DType, outer.DType2))
	c.sizes(&m)
	c.layers(&m)
	c.mixture(&m)
	c.linear(&m)
	c.rope(&m)
	family(&m)
	c.special(&m)
	c.uneven(&m)
	if err := errors.Join(c.understood(&m), c.oneKVCount(&m)); err != nil {
		return Model{}, err
	}
	outer.vision(&m)
	outer.audio(&m)
	outer.task(&m)
	quant := outer.Quant
	if quant == nil {
		quant = c.Quant
	}
	quant.format(&m)
	if outer.Tied != nil && set(outer.keys["tie_word_embeddings"]) && (c.Tied == nil || !set(c.keys["tie_word_embeddings"])) {
		m.Tied = *outer.Tied
	}
	return m, m.validate()
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func first(counts ...count) int {
	for _, c := range counts {
		if c > 0 {
			return int(c)
		}
	}
	return 0
}

// familyName: a text model inside a multimodal one has the outer name if that
// identifies the vision tower.
func familyName(outer, inner string) string {
	name := firstText(outer, inner)
	name = strings.TrimSuffix(name, "_text")
	switch name {
	case "qwen3_5_moe":
		return "qwen3_5"
	case "deepseek_v32":
		return name
	case "xlm-roberta-xl":
		return "xlm-roberta"
	}
	return name
}

func dtypeName(d string) string {
	switch strings.TrimPrefix(d, "torch.") {
	case "float16":
		return "fp16"
	case "float32":
		return "fp32"
	}
	return "bf16"
}

var (
	encoders = []string{"bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "deberta-v2", "nomic_bert", "electra", "albert", "vit", "modernbert", "modernvbert", "new", "gte", "camembert", "clip", "siglip"}
	plainMLP = []string{"gpt2", "opt", "phi", "bloom", "falcon", "gpt_neox", "gpt_bigcode", "starcoder2", "nemotron", "mpt", "gptj", "whisper", "nemotron_h", "jais2", "persimmon", "apertus", "arcee"}
	tied     = []string{"gemma", "gemma2", "gemma3", "gemma4", "gpt2", "opt", "bloom", "whisper", "gpt_bigcode", "cohere", "cohere2"}
)

func (c *hfConfig) sizes(m *Model) {
	m.Layers, m.Hidden = first(c.Layers, c.Encoders), int(c.Hidden)
	m.Heads, m.Vocab = int(c.Heads), int(c.Vocab)
	m.KVHeads = c.kvHeads(m.Family, m.Heads)
	m.HeadDim = int(c.HeadDim)
	if m.HeadDim == 0 && m.Heads > 0 {
		m.HeadDim = m.Hidden / m.Heads
	}
	m.Intermediate = c.mlpWidth(m.Family, m.Hidden)
	m.MaxContext = int(c.Context)
	m.PlainMLP, m.QKVBias = slices.Contains(plainMLP, m.Family) || c.Act == "relu2" || c.Act == "xielu", c.Bias
	m.Tied = slices.Contains(tied, m.Family)
	if c.Tied != nil {
		m.Tied = *c.Tied
	}
	switch {
	case c.KVRank > 0:
		m.Attention = price.MLA
		m.KVLoRARank, m.QLoRARank, m.QKRopeDim, m.QKNopeDim, m.VHeadDim = int(c.KVRank), int(c.QRank), int(c.RopeDim), int(c.NopeDim), int(c.VDim)
		m.IndexDim, m.IndexHeads, m.IndexLayers = int(c.Index), int(c.IndexHeads), c.indexerSchedule(int(c.Layers))
	case slices.Contains(encoders, m.Family):
		m.Attention = price.Encoder
		m.Positions = m.MaxContext
	case c.Encoders > 0 && c.Decoders > 0:
		m.Attention, m.DecoderLayers = price.EncoderDecoder, int(c.Decoders)
	case m.KVHeads == m.Heads:
		m.Attention = price.MHA
	default:
		m.Attention = price.GQA
	}
}

// layers counts the kinds of attention layers.
func (c *hfConfig) layers(m *Model) {
	window := int(c.Window)
	if c.UseWindow != nil && !*c.UseWindow {
		window = 0
	}
	pattern := int(c.Pattern)
	switch m.Family {
	case "gemma3":
		pattern = cmp.Or(pattern, 6)
	case "gemma2":
		pattern = 2
	case "phi3":
		window = 0 // vLLM keeps its cache at full length
	}
	if len(c.LayerTypes) > 0 {
		for _, t := range c.LayerTypes {
			switch t {
			case windowLayer:
				m.WindowLayers++
			case linearLayer, mambaLayer, convLayer:
				m.LinearLayers++
			case emptyLayer:
			default:
				m.FullLayers++
			}
		}
	} else if window > 0 && pattern > 1 {
		m.FullLayers = m.Layers / pattern
		m.WindowLayers = m.Layers - m.FullLayers
	} else if window > 0 && c.UseWindow == nil {
		m.WindowLayers = m.Layers
	}
	if m.WindowLayers > 0 {
		m.Window = window
	}
	if len(c.HeadsPerLayer) > 0 {
		m.WindowHeads = int(slices.Max(c.HeadsPerLayer))
	}
	m.FullKVHeads, m.FullHeadDim = int(c.GlobalKV), int(c.GlobalDim)
	m.SharedKV = c.KEqV
}

func (c *hfConfig) mixture(m *Model) {
	m.Experts = int(c.Experts)
	if m.Experts <= 1 {
		m.Experts = 0
		return
	}
	m.ExpertsPerToken = int(c.PerToken)
	m.MoEIntermediate = first(c.MoEInter, c.Inter)
	c.twoKinds(m)
	m.SharedExperts, m.ExpertHidden = int(c.Shared), first(c.Latent, c.Latent2)
	if inter := int(c.SharedInter); inter > 0 && m.MoEIntermediate > 0 {
		m.SharedExperts = max(1, inter/m.MoEIntermediate)
		if m.SharedExperts*m.MoEIntermediate != inter {
			m.SharedWidth = inter
		}
	}
	if strings.HasPrefix(m.Family, "llama4") {
		m.SharedExperts = 1
	}
	m.DenseLayers = min(max(int(c.FirstDense), len(c.DenseOnly)), m.Layers)
	if n := int(c.ExpertPeriod); n > 1 && m.Layers <= 2000 { // Jamba: every n-th layer from the offset on
		m.DenseLayers = m.Layers - everyNth(m.Layers, n, int(c.ExpertOffset))
	}
	if n := int(c.ExpertStep); n > 1 && m.Layers <= 2000 { // Qwen's decoder_sparse_step: layer i is one where n divides i+1
		m.DenseLayers = m.Layers - m.Layers/n
	}
}

func everyNth(layers, n, from int) int {
	got := 0
	for i := range layers {
		if i%n == from {
			got++
		}
	}
	return got
}

// bounded keeps products of four such numbers in 63 bits.
func bounded(ns ...int64) bool {
	for _, n := range ns {
		if n < 0 || n > 1<<14 {
			return false
		}
	}
	return true
}

// rope sets the rows of vLLM's rotary table, and the context that scaling
// reaches: linear scaling makes both longer, YaRN builds the table for the scaled
// length, dynamic scaling changes the limit alone (vLLM config/model.py,
// _get_and_verify_max_len).
func (c *hfConfig) rope(m *Model) {
	r := c.Scaling
	if r == nil {
		r = c.Rope
	}
	partial := c.Partial
	if r != nil {
		kind := firstText(r.Type, r.Old)
		ok := r.Factor >= 1 && r.Factor <= 1024
		switch {
		case kind == "linear" && ok:
			m.RotaryRows = int(float64(m.MaxContext) * r.Factor)
			if !strings.HasPrefix(m.Family, "gemma3") { // their limit includes the scaling already
				m.MaxContext = m.RotaryRows
			}
		case kind == "dynamic" && ok:
			m.MaxContext = int(float64(m.MaxContext) * r.Factor)
		case (kind == "yarn" || kind == "deepseek_yarn") && ok && r.Original > 0 && r.Original < 1<<24:
			m.RotaryRows = int(float64(r.Original) * r.Factor)
			m.MaxContext = m.RotaryRows
		}
		if r.Partial > 0 {
			partial = r.Partial
		}
	}
	if partial > 0 && partial < 1 {
		m.RotaryDim = int(float64(m.HeadDim) * partial)
	}
}
