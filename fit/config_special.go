package fit

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"weir/price"
)

// Known families of config.json: decoders whose layers are attention and an MLP
// or experts, and those with a rule of their own below. Other families that
// vLLM and SGLang list are computed as such a decoder, with a note, unless
// their keys indicate other layers.
var knownFamilies = strings.Fields(`
	llama llama4 mistral mistral3 ministral mixtral pixtral llava qwen qwen2 qwen2_moe qwen2_vl qwen2_5_vl qwen3 qwen3_moe qwen3_next qwen3_5 qwen3_vl qwen3_vl_moe
	qwen2_5_omni gemma gemma2 gemma3 gemma3n gemma4 phi phi3 phi4mm phimoe cohere cohere2 command-r deepseek deepseek_v2 deepseek_v3 deepseek_v32 deepseek_vl_v2 glm_moe_dsa
	kimi_k2 kimi_k25 kimi_vl glm glm4 glm4_moe glm4v chatglm gpt2 gpt_bigcode gpt_neox gptj gpt_oss opt bloom mpt falcon dbrx starcoder2 codegen stablelm olmo olmo2 olmo3 olmoe
	granite granitemoe granitemoeshared granitemoehybrid nemotron nemotron_h bamba jamba mamba mamba2 falcon_mamba internlm internlm2 internlm3 internvl_chat baichuan
	exaone exaone4 aquila xverse orion minicpm smollm3 seed_oss dots1 ernie4_5 ernie4_5_moe hunyuan_v1_dense hunyuan_v1_moe bailing_moe arcee apertus helium persimmon
	laguna mllama whisper bert roberta xlm-roberta distilbert mpnet deberta-v2 nomic_bert electra albert vit modernbert new camembert`)

// understood refuses a shape whose layers fit cannot compute, naming the keys
// in question, and marks an unknown family.
func (c *hfConfig) understood(m *Model) error {
	if slices.Contains(knownFamilies, m.Family) {
		if len(c.Compressed()) == 0 {
			return nil
		}
		return fmt.Errorf("%w: %s compresses its KV cache layer by layer (compress_ratios): fit does not know how engines lay that out; start an engine and measure", ErrFile, m.Name)
	}
	m.Unknown = cmp.Or(m.Family, "none stated")
	if keys := c.strangers(); len(keys) > 0 {
		return fmt.Errorf("%w: %s is of the family %q, whose layers fit does not know (%s): start an engine and measure; --layers, --hidden and the other flags describe a plain decoder",
			ErrFile, m.Name, m.Unknown, strings.Join(keys, ", "))
	}
	if raw := string(c.keys["is_encoder_decoder"]); raw == "true" {
		return fmt.Errorf("%w: %s is an encoder-decoder of the family %q: of those fit knows only whisper", ErrFile, m.Name, m.Unknown)
	}
	return nil
}

// Compressed is the list of ratios by which layers compress their cache
// (DeepSeek-V4); empty without compression.
func (c *hfConfig) Compressed() string {
	if raw := string(c.keys["compress_ratios"]); raw != "null" && raw != "[]" {
		return raw
	}
	return ""
}

// oneKVCount refuses a list of unlike numbers of KV heads, one for each layer:
// without a number kvHeads would count one for each head of attention, several
// times the cache there is.
func (c *hfConfig) oneKVCount(name string) error {
	if raw := c.keys["num_key_value_heads"]; c.KVHeads == 0 && len(raw) > 0 && raw[0] == '[' {
		if len(raw) > 64 {
			raw = append(raw[:60:60], "...]"...)
		}
		return fmt.Errorf("%w: %s lacks kv_heads: num_key_value_heads is %s, and fit knows one number for all layers: set num_key_value_heads to the largest for an upper bound, or start an engine and measure",
			ErrShape, name, raw)
	}
	return nil
}

// kvHeads is the number of KV heads of families that state it by flags: one if
// queries share it, unless Falcon's newer layout groups them; ChatGLM's groups
// only if its flag is set.
func (c *hfConfig) kvHeads(family string, heads int) int {
	n := int(c.KVHeads)
	switch {
	case family == "falcon" && c.NewFalcon:
		return cmp.Or(n, heads)
	case family == "falcon" && c.MultiQuery:
		return 1
	case family == "falcon":
		return heads
	case family == "chatglm" && (c.GroupedQuery == nil || !*c.GroupedQuery):
		return heads
	case n > 0:
		return n
	case c.MultiQuery:
		return 1
	}
	return heads
}

// mlpWidth is the width of the MLP if the config does not state it directly:
// four times the hidden size in the older families, for MPT by its ratio.
// Qwen's first models state the width of gate and up together
// (modeling_qwen.py, QWenMLP).
func (c *hfConfig) mlpWidth(family string, hidden int) int {
	n := int(c.Inter)
	switch {
	case family == "qwen":
		return n / 2
	case family == "mpt" && c.Expansion > 0 && c.Expansion <= 64:
		return int(c.Expansion * float64(hidden))
	case n == 0 && slices.Contains([]string{"gpt2", "gpt_bigcode", "bloom", "falcon", "gptj", "codegen"}, family):
		return 4 * hidden
	}
	return n
}

// bareModel is the name of a class without an output layer, such as Qwen3Model;
// chat models of vision have such names too (InternVLChatModel), and so has
// ChatGLMModel.
var bareModel = regexp.MustCompile(`^[A-Za-z0-9]+Model$`)

// task drops the output layer of models that classify, score or embed: their
// class has none (its own head is a few rows).
func (c *hfConfig) task(m *Model) {
	for _, class := range c.Classes {
		switch {
		case strings.HasSuffix(class, "ForCausalLM"), strings.HasSuffix(class, "ForConditionalGeneration"), strings.Contains(class, "LMHead"), strings.Contains(class, "Chat"):
			return
		case strings.HasSuffix(class, "ForSequenceClassification"), strings.HasSuffix(class, "ForTokenClassification"),
			strings.Contains(class, "RewardModel"), strings.HasSuffix(class, "EmbeddingModel"),
			bareModel.MatchString(class) && !strings.Contains(class, "GLM"):
			m.NoHead = m.generates()
		}
	}
}

// special adds parts of single families beyond attention and an MLP.
func (c *hfConfig) special(m *Model) {
	switch m.Family {
	case "gemma3n":
		c.gemma3n(m)
	case "mllama":
		c.crossAttention(m)
	case "mpt":
		if c.LearnedPos {
			m.ExtraParams += int64(m.MaxContext) * int64(m.Hidden)
		}
	}
}

// gemma3n adds an embedding per layer, which projects into it, the low-rank
// LAuReL blocks and the AltUp projections (transformers modeling_gemma3n.py);
// the last layers read the cache of earlier ones and keep none.
func (c *hfConfig) gemma3n(m *Model) {
	l, h := int64(m.Layers), int64(m.Hidden)
	per, vocab, rank, inputs := int64(c.LayerHidden), int64(c.LayerVocab), int64(c.Laurel), int64(c.AltUp)
	if per > 1<<14 || vocab > 1<<24 || rank > 1<<14 || inputs > 1<<8 {
		return
	}
	m.ExtraParams += vocab*l*per + h*l*per // the tables, and the projection into them
	m.ExtraParams += l * (2*h*per + 2*h*rank)
	m.ExtraParams += 2 * max(inputs-1, 0) * h * h
	m.Tied = true
	shared := min(int(c.SharedKVLayers), m.Layers)
	full := 0
	for i, t := range c.LayerTypes {
		if t == "full_attention" && i < m.Layers-shared {
			full++
		}
	}
	if len(c.LayerTypes) == 0 { // four window layers, then a full one
		full = (m.Layers - shared) / 5
	}
	m.CachedFull, m.CachedWindow = full, m.Layers-shared-full
	m.WindowLayers, m.FullLayers, m.Window = m.Layers-m.Layers/5, m.Layers/5, int(c.Window)
}

// crossAttention: layers of Llama 3.2 Vision that attend to the image keep its
// keys and values, of four tiles of 1601 patches, and none of the text
// (transformers configuration_mllama.py; vLLM mllama.py).
func (c *hfConfig) crossAttention(m *Model) {
	m.CrossLayers, m.CrossTokens = min(len(c.Cross), m.Layers), 4*1601
}

// stateSpace describes layers with a state instead of keys and values: pure
// Mamba, and hybrids with attention.
func (c *hfConfig) stateSpace(m *Model) {
	heads, groups, st, k := int64(c.MambaHeads), int64(max(c.Groups, 1)), int64(c.State), int64(max(c.ConvKernel, 1))
	h, inner := int64(m.Hidden), int64(max(c.Expand, 0)*float64(m.Hidden))
	if c.Hybrid != "" && heads > 0 && c.MambaDim > 0 {
		inner = heads * int64(c.MambaDim)
	}
	if c.Expand > 16 || !bounded(heads, groups, st, k) || inner > 1<<19 || h > 1<<18 {
		return
	}
	switch m.Family {
	case "mamba", "falcon_mamba":
		m.Linear, m.LinearLayers = "mamba1", m.Layers
	case "mamba2":
		m.Linear, m.LinearLayers = "mamba2", m.Layers
		heads = cmp.Or(heads, inner/int64(max(c.MambaDim, 1)))
	case "jamba":
		m.Linear, m.FullLayers = "mamba1", everyNth(min(m.Layers, 2000), max(int(c.AttnPeriod), 1), int(c.AttnOffset))
		m.LinearLayers = m.Layers - m.FullLayers
	case "bamba", "granitemoehybrid":
		m.Linear, m.FullLayers = "mamba2", max(len(c.AttnLayers), m.FullLayers)
		m.FullLayers = min(m.FullLayers, m.Layers)
		m.LinearLayers = m.Layers - m.FullLayers
		m.EveryMLP = true
	default:
		if c.Hybrid == "" || heads == 0 {
			return
		}
		m.Linear = "mamba2"
		m.LinearLayers, m.FullLayers = strings.Count(c.Hybrid, "M"), strings.Count(c.Hybrid, "*")
	}
	width := int64(2) // bytes of a number in the state; Nemotron-H's class keeps it in fp32
	if m.Family == "nemotron_h" || c.StateType == "float32" {
		width = 4
	}
	var params, state int64
	if m.Linear == "mamba1" {
		rank := int64(cmp.Or(int(c.StepRank), (m.Hidden+15)/16))
		params = h*2*inner + inner*k + inner*(rank+2*st) + rank*inner + inner*st + inner*h
		state = inner*st*width + inner*(k-1)*2
		m.EveryMLP = m.Family == "jamba"
	} else {
		params = h*(2*inner+2*groups*st+heads) + inner*h
		state = inner*st*width + (inner+2*groups*st)*(k-1)*2
	}
	m.ExtraParams += int64(m.LinearLayers) * params
	m.StateBytes = int64(m.LinearLayers) * state
	if m.LinearLayers == m.Layers {
		m.Attention, m.Heads, m.KVHeads, m.HeadDim, m.Intermediate = price.MHA, 0, 0, 0, 0
	}
}
