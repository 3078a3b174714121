package fit

import (
	"cmp"
	"encoding/json"
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
	afmoe aria audioflamingo3 axk1 beam cohere2_moe cohere2_vision cosmos3_edge cwm deepseek_v4 deepseek_ref dots3_note ernie4_5_vl_moe exaone_moe exaone4_5 falcon_h1 flex_olmo flint
	gemma4_unified glm4_moe_lite glm4v_moe glm5_next glmasr glm_ocr gpt_neo granitemoe_swa granite_swa granite_speech granite_speech_plus hy_v3 hyperclovax idefics3 inkling internvl jais2
	kimi_linear kimi_k3 kolibri1 lfm2 lfm2_vl lfm2_moe llava_next llava_next_video llava_onevision longcat_flash mellum mimo mimo_v2_flash minicpm3 minicpmv4_6 minicpmv4_7 minimax_m2 minimax_m3 minimax_m3_vl
	ministral3 molmo2 moss_transcribe_diarize nemotron-nas olmo_hybrid openai_privacy_filter paligemma qianfan_ocr qwen2_audio qwen3_asr smolvlm step3p5 step3p7 vaultgemma voxtral zamba2
	clip siglip gte modernvbert cohere_asr muse_spark
	laguna mllama whisper bert roberta xlm-roberta distilbert mpnet deberta-v2 nomic_bert electra albert vit modernbert new camembert`)

// understood refuses a shape with layers fit cannot compute, naming the keys in
// question, and marks an unknown family.
func (c *hfConfig) understood(m *Model) error {
	if slices.Contains(knownFamilies, m.Family) && (m.Uneven != nil || len(c.keys["block_configs"]) == 0) {
		if raw := string(c.keys["compress_ratios"]); m.TokenBytes > 0 || raw == "" || raw == "null" || raw == "[]" {
			return nil
		}
		return fmt.Errorf("%w: %s compresses its KV cache layer by layer (compress_ratios), and not as DeepSeek-V4 does: fit does not know how engines lay that out; start an engine and measure", ErrFile, m.Name)
	}
	m.Unknown = cmp.Or(m.Family, "none stated")
	keys := slices.DeleteFunc(c.strangers(), func(key string) bool { return m.explains(key) || len(c.LayerTypes) > 0 && key == "attn_type_list" })
	if len(keys) > 0 {
		return fmt.Errorf("%w: %s is of the family %q, whose layers fit does not know (%s): start an engine and measure; --layers, --hidden and the other flags describe a plain decoder",
			ErrFile, m.Name, m.Unknown, strings.Join(keys, ", "))
	}
	if raw := string(c.keys["is_encoder_decoder"]); raw == "true" && len(c.EncoderRaw) == 0 {
		return fmt.Errorf("%w: %s is an encoder-decoder of the family %q: of those fit knows only whisper, and those with an encoder_config", ErrFile, m.Name, m.Unknown)
	}
	return nil
}

// explains says whether a key of unlike layers has been counted.
func (m *Model) explains(key string) bool {
	low := strings.ToLower(key)
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(low, p) })
	}
	switch {
	case has("mamba", "ssm", "linear_attn", "conv_l_cache", "conv_bias_dim", "lightning"):
		return m.LinearLayers > 0 || m.FullLayers == m.Layers
	case has("block_configs"):
		return m.Uneven != nil
	case has("compress"):
		return m.TokenBytes > 0
	case has("kv_shared"):
		return m.CachedFull+m.CachedWindow > 0
	case has("cross_attention"):
		return m.CrossLayers > 0 || m.FixedBytes > 0 || key == "cross_attention_hidden_size" || key == "add_cross_attention"
	}
	return false
}

// oneKVCount refuses a list of numbers of KV heads that is not one for each
// layer: without a number kvHeads would count one for each head of attention,
// several times the cache there is.
func (c *hfConfig) oneKVCount(m *Model) error {
	if raw := c.keys["num_key_value_heads"]; m.Uneven == nil && c.KVHeads == 0 && len(raw) > 0 && raw[0] == '[' {
		if len(raw) > 64 {
			raw = append(raw[:60:60], "...]"...)
		}
		return fmt.Errorf("%w: %s lacks kv_heads: num_key_value_heads is %s, and the model has %d layers: it must be one number, or one for each layer",
			ErrShape, m.Name, raw, m.Layers)
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
	case strings.HasPrefix(family, "lfm2") && string(c.keys["block_auto_adjust_ff_dim"]) == "true":
		var times float64
		if n = 2 * n / 3; json.Unmarshal(c.keys["block_ffn_dim_multiplier"], &times) == nil && times > 0 && times < 64 {
			to := max(int(c.FFNMultiple), 1)
			n = (int(times*float64(n)) + to - 1) / to * to
		}
		return n
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
	case "gemma4", "gemma4_unified":
		c.gemma4(m)
	case "longcat_flash":
		c.longcat(m)
	case "zamba2":
		c.zamba(m)
	case "mllama":
		c.crossAttention(m)
	case "mpt":
		if c.LearnedPos {
			m.ExtraParams += int64(m.MaxContext) * int64(m.Hidden)
		}
	}
	c.pair(m)
	c.compressed(m)
}

// gemma4: full layers have wider heads, in the larger sizes with fewer keys
// that are the values too; in the small ones each layer has an embedding of
// its own, and the last layers read the cache of earlier ones, with an MLP of
// twice the width (transformers modeling_gemma4.py).
func (c *hfConfig) gemma4(m *Model) {
	dim, kv := int(c.GlobalDim), int(c.GlobalKV)
	for _, l := range c.PerLayer { // order does not show: full layers agree
		dim, kv = max(dim, int(l.HeadDim)), max(kv, int(l.KVHeads))
	}
	m.FullHeads, m.FullHeadDim, m.FullKVHeads, m.SharedKV = m.Heads, cmp.Or(dim, 512), cmp.Or(kv, m.KVHeads), c.KEqV
	l, h, per, vocab := int64(m.Layers), int64(m.Hidden), int64(c.LayerHidden), int64(c.LayerVocab)
	if per > 0 && per <= 1<<14 && vocab <= 1<<24 {
		m.ExtraParams += vocab*l*per + h*l*per + l*2*h*per
	}
	shared := min(int(c.SharedKVLayers), m.Layers)
	if shared == 0 {
		return
	}
	full, window := 0, 0
	for i, t := range c.LayerTypes {
		switch {
		case i >= m.Layers-shared:
		case t == fullLayer:
			full++
		default:
			window++
		}
	}
	m.CachedFull, m.CachedWindow = full, window
	if c.WideMLP {
		m.ExtraParams += int64(shared) * 3 * h * int64(m.Intermediate)
	}
}

// longcat: each layer has attention and a dense MLP twice, and experts once
// beside them (vLLM longcat_flash.py); experts without weights are routed to as
// well.
func (c *hfConfig) longcat(m *Model) {
	if m.Layers > 1000 {
		return
	}
	m.DenseLayers = m.Layers
	m.Layers *= 2
	m.BesideMLP = true
	m.ExtraParams += int64(m.DenseLayers) * int64(m.Hidden) * int64(min(c.ZeroExperts, 1<<14))
}

// zamba: blocks of attention and an MLP, of twice the hidden width, are shared
// by all layers that call them; each call has its own adapters and matrix
// (transformers modeling_zamba2.py). Every call keeps its keys and values.
func (c *hfConfig) zamba(m *Model) {
	calls, blocks, rank := int64(min(len(c.HybridIDs), 2000)), int64(max(min(c.MemBlocks, 16), 1)), int64(min(c.Adapter, 1<<12))
	h, inter := int64(m.Hidden), int64(m.Intermediate)
	dim := int64(c.sharedHeadDim(m))
	if h > 1<<18 || inter > 1<<20 || dim > 1<<14 {
		return
	}
	width := int64(m.Heads) * dim
	u := Uneven{Queries: blocks * (2*h*width + width*h), KeyVal: blocks * 4 * h * width, MLP: blocks * 3 * h * inter}
	u.MLP += calls * (h*h + rank*(h+2*inter))
	u.Caches = []Cached{{Layers: int(calls), KVHeads: m.KVHeads, Key: int(dim), Value: int(dim)}}
	m.Uneven, m.HeadDim, m.FullLayers = &u, int(dim), int(calls)
}

// sharedHeadDim: attention_head_dim before kv_channels.
func (c *hfConfig) sharedHeadDim(m *Model) int {
	var n count
	if raw := c.keys["attention_head_dim"]; len(raw) > 0 && n.UnmarshalJSON(raw) == nil && n > 0 {
		return int(n)
	}
	return 2 * m.Hidden / max(m.Heads, 1)
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
	if c.MambaInner > 0 {
		inner = int64(c.MambaInner)
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
	case "falcon_h1": // every layer attends and has a state
		m.Linear, m.LinearLayers, m.FullLayers, m.EveryMLP = "mamba2", m.Layers, m.Layers, true
	case "zamba2":
		m.Linear, m.LinearLayers, m.FullLayers = "mamba2", m.Layers, min(len(c.HybridIDs), m.Layers)
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
		if m.Experts > 0 {
			m.DenseLayers = min(strings.Count(c.Hybrid, "-"), m.Layers)
		}
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
	if m.states() {
		m.Attention, m.Heads, m.KVHeads, m.HeadDim, m.Intermediate = price.MHA, 0, 0, 0, 0
	}
}
