package fit

import "encoding/json"

// hfConfig is config.json as far as memory depends on it, under the common name
// of each count (spellings).
type hfConfig struct {
	keys map[string]json.RawMessage // all keys
	Text *hfConfig                  `json:"-"` // the text model within

	TextRaw     json.RawMessage `json:"text_config"`
	LLMRaw      json.RawMessage `json:"llm_config"`
	LanguageRaw json.RawMessage `json:"language_config"`
	ThinkerRaw  json.RawMessage `json:"thinker_config"`
	VLMRaw      json.RawMessage `json:"vlm_config"`
	AudioRaw    json.RawMessage `json:"audio_config"`
	EncoderRaw  json.RawMessage `json:"encoder_config"` // of a pair of encoder and decoder

	ModelType string      `json:"model_type"`
	DType     string      `json:"torch_dtype"`
	DType2    string      `json:"dtype"`
	Classes   []string    `json:"architectures"`
	Vision    *hfVision   `json:"vision_config"`
	Quant     *hfQuant    `json:"quantization_config"`
	Scaling   *ropeConfig `json:"rope_scaling"`
	Rope      *ropeConfig `json:"rope_parameters"`

	Layers     count `json:"num_hidden_layers"`
	Encoders   count `json:"encoder_layers"`
	Decoders   count `json:"decoder_layers"`
	Hidden     count `json:"hidden_size"`
	Heads      count `json:"num_attention_heads"`
	KVHeads    count `json:"num_key_value_heads"`
	MultiQuery bool  `json:"multi_query"`
	HeadDim    count `json:"head_dim"`
	Inter      count `json:"intermediate_size"`
	Vocab      count `json:"vocab_size"`
	Tied       *bool `json:"tie_word_embeddings"`
	Positions  count `json:"max_position_embeddings"`
	Context    count `json:"-"` // the longest the config states
	Bias       bool  `json:"attention_bias"`

	Window        count    `json:"sliding_window"`
	UseWindow     *bool    `json:"use_sliding_window"`
	LayerTypes    []string `json:"layer_types"`
	Pattern       count    `json:"sliding_window_pattern"`
	GlobalKV      count    `json:"num_global_key_value_heads"`
	GlobalDim     count    `json:"global_head_dim"`
	KEqV          bool     `json:"attention_k_eq_v"`
	HeadsPerLayer []count  `json:"num_attention_heads_per_layer"`

	KVRank  count `json:"kv_lora_rank"`
	QRank   count `json:"q_lora_rank"`
	RopeDim count `json:"qk_rope_head_dim"`
	NopeDim count `json:"qk_nope_head_dim"`
	VDim    count `json:"v_head_dim"`
	Index   count `json:"index_head_dim"`

	Compress []json.RawMessage `json:"compress_ratios"` // DeepSeek-V4

	IndexHeads  count    `json:"index_n_heads"`
	IndexTypes  []string `json:"indexer_types"`
	IndexFreq   count    `json:"index_topk_freq"`
	IndexOffset count    `json:"index_skip_topk_offset"`

	Experts     count   `json:"num_experts"`
	PerToken    count   `json:"num_experts_per_tok"`
	Shared      count   `json:"n_shared_experts"`
	SharedInter count   `json:"shared_expert_intermediate_size"`
	Latent      count   `json:"moe_latent_size"`
	Latent2     count   `json:"routed_expert_hidden_size"`
	MoEInter    count   `json:"moe_intermediate_size"`
	FirstDense  count   `json:"first_k_dense_replace"`
	DenseOnly   []count `json:"mlp_only_layers"`

	KeyHeads   count    `json:"linear_num_key_heads"`
	ValueHeads count    `json:"linear_num_value_heads"`
	KeyDim     count    `json:"linear_key_head_dim"`
	Conv       count    `json:"linear_conv_kernel_dim"`
	Interval   count    `json:"full_attention_interval"`
	Hybrid     string   `json:"hybrid_override_pattern"`
	Blocks     []string `json:"layers_block_type"`
	MambaHeads count    `json:"mamba_num_heads"`
	MambaDim   count    `json:"mamba_head_dim"`
	State      count    `json:"ssm_state_size"`
	Groups     count    `json:"n_groups"`
	ConvKernel count    `json:"conv_kernel"`
	Expand     float64  `json:"expand"`
	StepRank   count    `json:"time_step_rank"`
	StateType  string   `json:"mamba_ssm_cache_dtype"`

	AttnPeriod   count   `json:"attn_layer_period"`
	AttnOffset   count   `json:"attn_layer_offset"`
	AttnLayers   []count `json:"attn_layer_indices"`
	ExpertPeriod count   `json:"expert_layer_period"`
	ExpertOffset count   `json:"expert_layer_offset"`
	ExpertStep   count   `json:"decoder_sparse_step"`

	Cross          []count `json:"cross_attention_layers"`
	SharedKVLayers count   `json:"num_kv_shared_layers"`
	LayerVocab     count   `json:"vocab_size_per_layer_input"`
	LayerHidden    count   `json:"hidden_size_per_layer_input"`
	Laurel         count   `json:"laurel_rank"`
	AltUp          count   `json:"altup_num_inputs"`
	Expansion      float64 `json:"expansion_ratio"`
	NewFalcon      bool    `json:"new_decoder_architecture"`
	GroupedQuery   *bool   `json:"multi_query_attention"`
	LearnedPos     bool    `json:"learned_pos_emb"`

	Partial float64 `json:"partial_rotary_factor"`

	LinearAttn  *linearConfig `json:"linear_attn_config"`
	FullIndexes []count       `json:"full_attn_idxs"`
	HybridIDs   []count       `json:"hybrid_layer_ids"`
	LayerGroup  count         `json:"layer_group_size"`
	SwaHeads    count         `json:"swa_num_attention_heads"`
	SwaKV       count         `json:"swa_num_key_value_heads"`
	SwaDim      count         `json:"swa_head_dim"`
	SwaVDim     count         `json:"swa_v_head_dim"`
	ConvCache   count         `json:"conv_L_cache"`
	Act         string        `json:"hidden_act"`
	MLPTypes    []string      `json:"mlp_layer_types"`
	OutputGate  bool          `json:"attn_output_gate"`
	WideMLP     bool          `json:"use_double_wide_mlp"` // layers that share keys and values have an MLP of twice the width

	PerLayer map[string]struct {
		HeadDim count `json:"head_dim"`
		KVHeads count `json:"num_key_value_heads"`
	} `json:"per_layer_config"`

	LinearDim   count `json:"linear_head_dim"` // Kimi Linear as transformers writes it
	LinearHeads count `json:"linear_num_heads"`
	ValueDim    count `json:"linear_value_head_dim"`
	MambaInner  count `json:"mamba_d_ssm"`
	MemBlocks   count `json:"num_mem_blocks"`
	Adapter     count `json:"adapter_rank"`
	FFNMultiple count `json:"block_multiple_of"`
	Other       *struct {
		Heads count `json:"num_attention_heads"`
		KV    count `json:"num_attention_groups"`
		Dim   count `json:"head_dim"`
	} `json:"attention_other_setting"`

	ZeroExperts count `json:"zero_expert_num"`
	OutGroups   count `json:"o_groups"` // DeepSeek-V4
	OutRank     count `json:"o_lora_rank"`

	CompressRates  map[string]count `json:"compress_rates"`
	ExpertType     string           `json:"expert_dtype"`
	KindsAsWritten []string         `json:"-"` // LayerTypes before spellLayers
}

// linearConfig is linear_attn_config of Kimi Linear; layers are counted from 1.
type linearConfig struct {
	Full     []count `json:"full_attn_layers"`
	KDA      []count `json:"kda_layers"`
	HeadDim  count   `json:"head_dim"`
	Heads    count   `json:"num_heads"`
	Conv     count   `json:"short_conv_kernel_size"`
	FullGate bool    `json:"use_full_rank_gate"`
}

type hfVision struct {
	Depth   count   `json:"depth"`
	Layers  count   `json:"num_hidden_layers"`
	Hidden  count   `json:"hidden_size"`
	Inter   count   `json:"intermediate_size"`
	Patch   count   `json:"patch_size"`
	Image   count   `json:"image_size"`
	Frames  count   `json:"temporal_patch_size"`
	Merge   count   `json:"spatial_merge_size"`
	Act     string  `json:"hidden_act"`
	Out     count   `json:"out_hidden_size"`
	Embed   count   `json:"embed_dim"`
	Width   count   `json:"width"`
	Layers2 count   `json:"layers"`
	Ratio   float64 `json:"mlp_ratio"`
	Kind    string  `json:"model_type"`
	Deep    []count `json:"deepstack_visual_indexes"`
}

type ropeConfig struct {
	Type     string  `json:"rope_type"`
	Old      string  `json:"type"`
	Factor   float64 `json:"factor"`
	Original count   `json:"original_max_position_embeddings"`
	Partial  float64 `json:"partial_rotary_factor"`
}
