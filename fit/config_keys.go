package fit

import "encoding/json"

// hfConfig is config.json as far as memory depends on it, in the spellings of
// the families.
type hfConfig struct {
	ModelType string      `json:"model_type"`
	DType     string      `json:"torch_dtype"`
	DType2    string      `json:"dtype"`
	Text      *hfConfig   `json:"text_config"`
	LLM       *hfConfig   `json:"llm_config"`
	Language  *hfConfig   `json:"language_config"`
	Vision    *hfVision   `json:"vision_config"`
	Quant     *hfQuant    `json:"quantization_config"`
	Scaling   *ropeConfig `json:"rope_scaling"`
	Rope      *ropeConfig `json:"rope_parameters"`

	Layers     count `json:"num_hidden_layers"`
	Layers2    count `json:"n_layer"`
	Layers3    count `json:"encoder_layers"`
	Decoders   count `json:"decoder_layers"`
	Hidden     count `json:"hidden_size"`
	Hidden2    count `json:"n_embd"`
	Hidden3    count `json:"d_model"`
	Heads      count `json:"num_attention_heads"`
	Heads2     count `json:"n_head"`
	Heads3     count `json:"encoder_attention_heads"`
	KVHeads    count `json:"num_key_value_heads"`
	KVHeads2   count `json:"num_kv_heads"`
	MultiQuery bool  `json:"multi_query"`
	HeadDim    count `json:"head_dim"`
	Inter      count `json:"intermediate_size"`
	Inter2     count `json:"n_inner"`
	Inter3     count `json:"encoder_ffn_dim"`
	Inter4     count `json:"ffn_dim"`
	Vocab      count `json:"vocab_size"`
	Tied       *bool `json:"tie_word_embeddings"`
	Positions  count `json:"max_position_embeddings"`
	Positions2 count `json:"n_positions"`
	Positions3 count `json:"max_target_positions"`
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

	Experts      count   `json:"num_experts"`
	Experts2     count   `json:"n_routed_experts"`
	Experts3     count   `json:"num_local_experts"`
	PerToken     count   `json:"num_experts_per_tok"`
	Shared       count   `json:"n_shared_experts"`
	SharedInter  count   `json:"shared_expert_intermediate_size"`
	SharedInter2 count   `json:"moe_shared_expert_intermediate_size"`
	Latent       count   `json:"moe_latent_size"`
	Latent2      count   `json:"routed_expert_hidden_size"`
	MoEInter     count   `json:"moe_intermediate_size"`
	FirstDense   count   `json:"first_k_dense_replace"`
	DenseOnly    []count `json:"mlp_only_layers"`

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
	Partial    float64  `json:"partial_rotary_factor"`
}

type hfVision struct {
	Depth  count   `json:"depth"`
	Layers count   `json:"num_hidden_layers"`
	Hidden count   `json:"hidden_size"`
	Inter  count   `json:"intermediate_size"`
	Patch  count   `json:"patch_size"`
	Image  count   `json:"image_size"`
	Frames count   `json:"temporal_patch_size"`
	Merge  count   `json:"spatial_merge_size"`
	Act    string  `json:"hidden_act"`
	Deep   []count `json:"deepstack_visual_indexes"`
}

type ropeConfig struct {
	Type     string  `json:"rope_type"`
	Old      string  `json:"type"`
	Factor   float64 `json:"factor"`
	Original count   `json:"original_max_position_embeddings"`
	Partial  float64 `json:"partial_rotary_factor"`
}
