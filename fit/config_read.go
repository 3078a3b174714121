package fit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// readConfig reads one object of config.json, the outer one or that of the text
// model within it. Absent keys get the class's default, and a family's own
// spellings are read under the common name. depth is the number of enclosing
// objects; a text model holds none of its own.
func readConfig(text []byte, depth int) (hfConfig, error) {
	var c hfConfig
	raw := map[string]json.RawMessage{}
	if err := json.Unmarshal(text, &raw); err != nil {
		return c, err
	}
	var kind string
	if json.Unmarshal(raw["model_type"], &kind) != nil {
		kind = ""
	}
	if kind == "" {
		kind = stateSpaces(raw)
	}
	spell(raw, kind)
	if err := json.Unmarshal([]byte(cmp.Or(classDefaults[kind], "{}")), &c); err != nil {
		return c, fmt.Errorf("defaults of %s: %w", kind, err) // TestClassDefaultsAreRead
	}
	own, err := json.Marshal(raw)
	if err == nil {
		err = json.Unmarshal(own, &c)
	}
	if err != nil {
		return c, err
	}
	c.keys, c.ModelType = raw, kind
	c.limit(raw)
	c.spellBlocks()
	if depth == 0 {
		err = c.readText()
	}
	return c, err
}

// readText takes the inner text model, if there is one.
func (c *hfConfig) readText() error {
	for _, text := range []json.RawMessage{c.TextRaw, c.LLMRaw, c.LanguageRaw, c.ThinkerRaw, c.VLMRaw} {
		if len(text) == 0 || text[0] != '{' {
			continue
		}
		inner, err := readConfig(text, 1)
		if err != nil {
			return err
		}
		if within := inner.TextRaw; len(within) > 0 && within[0] == '{' { // thinker_config has a text_config
			if c.Vision == nil {
				c.Vision = inner.Vision
			}
			if len(c.AudioRaw) == 0 {
				c.AudioRaw = inner.AudioRaw
			}
			if inner, err = readConfig(within, 2); err != nil {
				return err
			}
		}
		if inner.Layers+inner.Encoders > 0 {
			c.Text = &inner
			return nil
		}
	}
	return nil
}

// spellings are the families' names for the same count, the common one first.
// Sources are the attribute_map of each configuration class in transformers
// and, for models with their own code, the configuration file beside their
// weights.
var spellings = [][]string{
	{"num_hidden_layers", "n_layer", "n_layers", "num_layers"},
	{"hidden_size", "n_embd", "d_model", "n_embed"},
	{"hidden_act", "hidden_activation", "activation_function", "ffn_act_fn"},
	{"num_attention_heads", "n_head", "n_heads", "encoder_attention_heads"},
	{"num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num", "kv_n_heads", "num_query_groups", "num_attention_groups", "num_key_value_heads_per_layer"},
	{"intermediate_size", "n_inner", "ffn_hidden_size", "ffn_dim", "encoder_ffn_dim"},
	{"head_dim", "kv_channels", "attention_head_dim"},
	{"vocab_size", "padded_vocab_size"},
	{"num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts", "num_moe_experts"},
	{"num_experts_per_tok", "moe_top_k", "moe_k", "moe_topk", "num_experts_per_token", "top_k_experts"},
	{"n_shared_experts", "num_shared_experts", "moe_num_shared_experts", "num_shared_expert"},
	{"moe_intermediate_size", "expert_ffn_hidden_size", "moe_ffn_hidden_size"},
	{"first_k_dense_replace", "moe_layer_start_index", "num_dense_layers"},
	{"shared_expert_intermediate_size", "moe_shared_expert_intermediate_size", "shared_intermediate_size", "share_expert_dim"},
	{"moe_latent_size", "moe_hidden_size"},
	{"mamba_num_heads", "mamba_n_heads", "n_mamba_heads"},
	{"mamba_head_dim", "mamba_d_head", "mamba_headdim"},
	{"ssm_state_size", "mamba_d_state", "state_size"},
	{"n_groups", "mamba_n_groups", "mamba_ngroups"},
	{"conv_kernel", "mamba_d_conv"},
	{"expand", "mamba_expand"},
	{"time_step_rank", "mamba_dt_rank"},
	{"v_head_dim", "value_head_dim"},
	{"sliding_window", "sliding_window_size"},
	{"num_global_key_value_heads", "global_num_key_value_heads"},
}

// spell adds the common names for the family's own spellings. Counts in inner
// objects of MPT and DBRX are lifted out.
func spell(raw map[string]json.RawMessage, kind string) {
	for _, within := range []string{"attn_config", "ffn_config"} {
		var inner map[string]json.RawMessage
		if json.Unmarshal(raw[within], &inner) != nil {
			continue
		}
		for name, v := range inner { // order does not show: names of the two objects differ
			if !set(raw[name]) {
				raw[name] = v
			}
		}
	}
	for _, names := range spellings {
		if set(raw[names[0]]) {
			continue
		}
		for _, name := range names[1:] {
			if set(raw[name]) {
				raw[names[0]] = raw[name]
				break
			}
		}
	}
	if kind == "mamba2" || kind == "nemotron_h" {
		lift(raw, "mamba_num_heads", "num_heads")
	}
	if kind == "mamba2" {
		lift(raw, "mamba_head_dim", "head_dim")
		delete(raw, "head_dim")
	}
}

// stateSpaces names the family of a config of the mamba_ssm package, which
// names none: ssm_cfg describes its layers.
func stateSpaces(raw map[string]json.RawMessage) string {
	var cfg map[string]json.RawMessage
	if !set(raw["ssm_cfg"]) || json.Unmarshal(raw["ssm_cfg"], &cfg) != nil {
		return ""
	}
	var attention []int
	if json.Unmarshal(raw["attn_layer_idx"], &attention) == nil && len(attention) > 0 {
		return "" // a hybrid: strangers names the keys that are not understood
	}
	for to, from := range map[string]string{"ssm_state_size": "d_state", "expand": "expand", "n_groups": "ngroups", "mamba_head_dim": "headdim", "conv_kernel": "d_conv"} {
		if set(cfg[from]) {
			raw[to] = cfg[from]
		}
	}
	if string(cfg["layer"]) != `"Mamba2"` {
		return "mamba"
	}
	for name, value := range map[string]string{"ssm_state_size": "128", "mamba_head_dim": "64", "n_groups": "1", "mamba_num_heads": "0"} {
		if !set(raw[name]) {
			raw[name] = json.RawMessage(value)
		}
	}
	return "mamba2"
}

func lift(raw map[string]json.RawMessage, to, from string) {
	if !set(raw[to]) && set(raw[from]) {
		raw[to] = raw[from]
	}
}

func set(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }

// limits are the keys that bound a context, as vLLM reads them
// (config/model.py, _get_and_verify_max_len): the least of them holds.
var limits = []string{
	"max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "model_max_length",
	"max_target_positions", "max_sequence_length", "max_seq_length", "seq_len",
}

// unlimited is the tokenizers' value for "no limit".
const unlimited = 1 << 27

// limit sets the longest context the config states; 0: it states none.
func (c *hfConfig) limit(raw map[string]json.RawMessage) {
	for _, key := range limits {
		var n count
		if !set(raw[key]) || json.Unmarshal(raw[key], &n) != nil || n == 0 || n >= unlimited {
			continue
		}
		if c.Context == 0 || n < c.Context {
			c.Context = n
		}
	}
	if c.Context == 0 {
		c.Context = c.Positions // a default of the class
	}
}

// strange are parts of keys that indicate layers other than attention and MLP.
var strange = []string{
	"ssm", "mamba", "rwkv", "recurrent", "lru_", "retention", "hyena", "block_configs", "cla_share", "compress",
	"kv_shared", "cross_attention", "layers_per_stack", "linear_attn", "lightning", "altup", "lora_rank_", "shared_block", "attn_type_list", "conv_l_cache", "conv_bias_dim",
}

// strangers lists, in order, the keys of a config that indicate such layers.
func (c *hfConfig) strangers() []string {
	var out []string
	for key, v := range c.keys { // sorted below
		low := strings.ToLower(key)
		if !set(v) || string(v) == "0" || string(v) == "false" || string(v) == "[]" || string(v) == "1" {
			continue
		}
		if slices.ContainsFunc(strange, func(s string) bool { return strings.Contains(low, s) }) {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return out
}
