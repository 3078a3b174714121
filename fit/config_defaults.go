package fit

// classDefaults are the counts of a configuration class of transformers that
// config.json may leave out: files are written as the difference to the class
// (configuration_utils.py, to_diff_dict), so a count equal to the default is
// absent. Listed are those that memory depends on and that published files do
// leave out; the number of layers and the hidden size are never assumed.
// Sources: configuration_*.py of each family in transformers 4.57; for
// DeepSeek-V2, Falcon, MPT and Phi-3 small the files beside the weights.
var classDefaults = map[string]string{
	"llama":     `{"vocab_size":32000,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"mistral":   `{"vocab_size":32000,"num_key_value_heads":8,"max_position_embeddings":131072,"sliding_window":4096,"tie_word_embeddings":false}`,
	"mixtral":   `{"vocab_size":32000,"num_key_value_heads":8,"num_experts":8,"num_experts_per_tok":2,"max_position_embeddings":131072,"tie_word_embeddings":false}`,
	"ministral": `{"vocab_size":32000,"num_key_value_heads":8,"max_position_embeddings":131072,"sliding_window":4096,"tie_word_embeddings":false}`,
	"qwen2":     `{"vocab_size":151936,"max_position_embeddings":32768,"use_sliding_window":false,"tie_word_embeddings":false}`,
	"qwen2_moe": `{"vocab_size":151936,"max_position_embeddings":32768,"use_sliding_window":false,"moe_intermediate_size":1408,"shared_expert_intermediate_size":5632,"num_experts_per_tok":4,"num_experts":60,"tie_word_embeddings":false}`,
	"qwen3":     `{"vocab_size":151936,"head_dim":128,"max_position_embeddings":32768,"use_sliding_window":false,"tie_word_embeddings":false}`,
	"qwen3_moe": `{"vocab_size":151936,"num_key_value_heads":4,"max_position_embeddings":32768,"use_sliding_window":false,"moe_intermediate_size":768,"num_experts_per_tok":8,"num_experts":128,"tie_word_embeddings":false}`,

	"gemma":        `{"vocab_size":256000,"head_dim":256,"max_position_embeddings":8192,"tie_word_embeddings":true}`,
	"gemma2":       `{"vocab_size":256000,"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"max_position_embeddings":8192,"sliding_window":4096,"tie_word_embeddings":true}`,
	"gemma3_text":  `{"vocab_size":262208,"num_attention_heads":8,"num_key_value_heads":4,"head_dim":256,"max_position_embeddings":131072,"sliding_window":4096,"tie_word_embeddings":true}`,
	"gemma3n_text": `{"vocab_size":262400,"vocab_size_per_layer_input":262144,"hidden_size_per_layer_input":256,"num_attention_heads":8,"num_key_value_heads":2,"head_dim":256,"max_position_embeddings":32768,"sliding_window":512,"num_kv_shared_layers":15,"laurel_rank":64,"altup_num_inputs":4,"tie_word_embeddings":true}`,
	"cohere":       `{"vocab_size":256000,"max_position_embeddings":8192,"tie_word_embeddings":true}`,
	"cohere2":      `{"vocab_size":256000,"max_position_embeddings":8192,"sliding_window":4096,"sliding_window_pattern":4,"tie_word_embeddings":true}`,

	"deepseek_v2":  `{"vocab_size":102400,"kv_lora_rank":512,"q_lora_rank":1536,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"deepseek_v3":  `{"vocab_size":129280,"kv_lora_rank":512,"q_lora_rank":1536,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,"n_shared_experts":1,"num_experts":256,"num_experts_per_tok":8,"moe_intermediate_size":2048,"first_k_dense_replace":3,"max_position_embeddings":4096,"tie_word_embeddings":false}`,
	"deepseek_v32": `{"vocab_size":129280,"kv_lora_rank":512,"q_lora_rank":1536,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,"index_head_dim":128,"index_n_heads":64,"tie_word_embeddings":false}`,
	"kimi_k2":      `{"kv_lora_rank":512,"q_lora_rank":1536,"qk_rope_head_dim":64,"qk_nope_head_dim":128,"v_head_dim":128,"tie_word_embeddings":false}`,

	"phi":          `{"vocab_size":51200,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"phi3":         `{"vocab_size":32064,"max_position_embeddings":4096,"tie_word_embeddings":false}`,
	"phimoe":       `{"vocab_size":32064,"num_key_value_heads":8,"max_position_embeddings":131072,"num_experts":16,"num_experts_per_tok":2,"tie_word_embeddings":false}`,
	"falcon":       `{"vocab_size":65024,"multi_query":true,"max_position_embeddings":2048,"tie_word_embeddings":true}`,
	"bloom":        `{"vocab_size":250880,"seq_length":2048,"tie_word_embeddings":true}`,
	"mpt":          `{"vocab_size":50368,"max_seq_len":2048,"expansion_ratio":4,"tie_word_embeddings":true}`,
	"dbrx":         `{"vocab_size":32000,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"gpt2":         `{"vocab_size":50257,"max_position_embeddings":1024,"tie_word_embeddings":true}`,
	"gpt_bigcode":  `{"vocab_size":50257,"max_position_embeddings":1024,"multi_query":true,"tie_word_embeddings":true}`,
	"gpt_neox":     `{"vocab_size":50432,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"gptj":         `{"vocab_size":50400,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"opt":          `{"vocab_size":50272,"max_position_embeddings":2048,"tie_word_embeddings":true}`,
	"stablelm":     `{"vocab_size":50304,"num_key_value_heads":32,"max_position_embeddings":4096,"tie_word_embeddings":false}`,
	"starcoder2":   `{"vocab_size":49152,"num_key_value_heads":2,"max_position_embeddings":4096,"tie_word_embeddings":true}`,
	"ernie4_5_moe": `{"moe_layer_start_index":1,"first_k_dense_replace":1}`,
	"olmo":         `{"vocab_size":50304,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"olmo2":        `{"vocab_size":50304,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"granite":      `{"vocab_size":32000,"max_position_embeddings":2048,"tie_word_embeddings":false}`,
	"nemotron":     `{"vocab_size":256000,"max_position_embeddings":4096,"tie_word_embeddings":false}`,
	"chatglm":      `{"padded_vocab_size":65024,"max_position_embeddings":2048,"kv_channels":128,"tie_word_embeddings":false}`,
	"qwen":         `{"vocab_size":151936,"kv_channels":128,"max_position_embeddings":8192,"tie_word_embeddings":false}`,
	"baichuan":     `{"vocab_size":64000,"tie_word_embeddings":false}`,

	"mamba":        `{"vocab_size":50280,"ssm_state_size":16,"conv_kernel":4,"expand":2,"tie_word_embeddings":true}`,
	"falcon_mamba": `{"vocab_size":50280,"ssm_state_size":16,"conv_kernel":4,"expand":2,"tie_word_embeddings":true}`,
	"mamba2":       `{"vocab_size":32768,"ssm_state_size":128,"conv_kernel":4,"expand":2,"mamba_num_heads":128,"mamba_head_dim":64,"n_groups":8,"tie_word_embeddings":false}`,
	"jamba":        `{"vocab_size":65536,"num_key_value_heads":8,"ssm_state_size":16,"conv_kernel":4,"expand":2,"attn_layer_period":8,"attn_layer_offset":4,"expert_layer_period":2,"expert_layer_offset":1,"num_experts":16,"num_experts_per_tok":2,"max_position_embeddings":262144,"tie_word_embeddings":false}`,
	"bamba":        `{"vocab_size":128000,"num_key_value_heads":8,"mamba_num_heads":128,"ssm_state_size":256,"n_groups":1,"conv_kernel":4,"expand":2,"max_position_embeddings":262144,"tie_word_embeddings":false}`,

	"mllama_text_model": `{"vocab_size":128256,"num_attention_heads":32,"num_key_value_heads":8,"max_position_embeddings":131072,"cross_attention_layers":[3,8,13,18,23,28,33,38],"tie_word_embeddings":false}`,
}
