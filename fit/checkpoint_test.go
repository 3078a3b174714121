package fit

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
)

const denseConfig = `{"model_type": "qwen3", "num_hidden_layers": 2, "hidden_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 8,
"head_dim": 128, "intermediate_size": 4096, "vocab_size": 64, "max_position_embeddings": 4096, "time_step_limit": [0.0, Infinity],
"comment": "NaN and \"Infinity\" in text stay"QUANT}`

// A layer has 4,194,304 parameters of attention and 12,582,912 of MLP.
func TestAttentionLeftInMoreBitsIsCountedSo(t *testing.T) {
	f := func(quant, name string, layers float64, bits float64) {
		t.Helper()
		m, err := ParseConfig("dense", []byte(strings.Replace(denseConfig, "QUANT", quant, 1)))
		if err != nil {
			t.Fatal(err)
		}
		q := m.Native()
		if q.Name != name {
			t.Fatalf("format %s, want %s", q.Name, name)
		}
		plain := m
		plain.Mix = nil
		s := Setup{Quant: q, TP: 1, PP: 1, Engine: Engine{Name: "transformers"}}
		have := float64(m.weights(s, 0, 2) - plain.weights(s, 0, 2))
		if want := layers * 4_194_304 * (bits - q.Linear) / 8; math.Abs(have-want) > 1 {
			t.Errorf("%s: %.0f bytes more, want %.0f", quant, have, want)
		}
	}
	const nvfp4 = `, "quantization_config": {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": [`
	f(nvfp4+`"lm_head"]}`, "nvfp4", 0, 16)
	f(nvfp4+`"lm_head", "model.layers.0.self_attn*"]}`, "nvfp4", 1, 16)
	f(nvfp4+`"re:.*self_attn.*"]}`, "nvfp4", 2, 16)
	f(`, "quantization_config": {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}`, "nvfp4", 2, 8)
}

func TestTheFormatBesideAConfigHoldsWhereTheConfigHasNone(t *testing.T) {
	beside := []byte(`{"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}}`)
	m, err := ParseConfig("dense", []byte(strings.Replace(denseConfig, "QUANT", "", 1)))
	if err != nil || m.Native().Name != "bf16" {
		t.Fatal(err, m.Native().Name)
	}
	if err := m.Quantised(beside); err != nil || m.Native().Name != "fp8" || m.KVFormat != "fp8" {
		t.Errorf("%v: %s, cache %s", err, m.Native().Name, m.KVFormat)
	}
	m.Format = "nvfp4"
	if err := m.Quantised(beside); err != nil || m.Format != "nvfp4" {
		t.Errorf("%v: the file beside changed it to %s", err, m.Format)
	}
	if err := m.Quantised([]byte("{")); !errors.Is(err, ErrFile) {
		t.Errorf("broken file: %v", err)
	}
}

func TestCompressedCachesAreRefusedAndNotGuessed(t *testing.T) {
	_, err := ParseConfig("DeepSeek-V4", []byte(strings.Replace(denseConfig, "QUANT", `, "compress_ratios": [0, 4, 128]`, 1)))
	if !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "compress_ratios") {
		t.Errorf("%v", err)
	}
}

// NVIDIA-Nemotron-3-Super-120B-A12B: experts work in a latent of 1,024.
func TestExpertsOfALatentWidthAreCountedInIt(t *testing.T) {
	m, err := ParseConfig("nemotron", []byte(`{"model_type": "nemotron_h", "hidden_size": 4096, "num_attention_heads": 32, "num_key_value_heads": 2,
"head_dim": 128, "intermediate_size": 2688, "moe_intermediate_size": 2688, "moe_latent_size": 1024, "moe_shared_expert_intermediate_size": 5376,
"n_routed_experts": 512, "num_experts_per_tok": 22, "vocab_size": 131072, "mamba_num_heads": 128, "mamba_head_dim": 64, "ssm_state_size": 128,
"n_groups": 8, "conv_kernel": 4, "layers_block_type": [`+strings.Repeat(`"mamba", "moe", `, 40)+strings.Repeat(`"attention", `, 7)+`"attention"]}`))
	if err != nil {
		t.Fatal(err)
	}
	if b := float64(m.Params()) / 1e9; m.Layers != 88 || b < 117 || b > 125 {
		t.Errorf("%d layers, %.1f x 10^9 parameters, published 120", m.Layers, b)
	}
}

// Valid JSON stays untouched, and other text becomes valid at most.
func FuzzWordsForNoNumber(f *testing.F) {
	f.Add([]byte(`{"a": [0.0, Infinity, -Infinity, NaN], "b": "Infinity \\" NaN"}`))
	f.Add([]byte(`"\`))
	f.Fuzz(func(t *testing.T, text []byte) {
		out := finite(text)
		if json.Valid(text) && !bytes.Equal(out, text) {
			t.Errorf("%q became %q", text, out)
		}
		m, _ := ParseConfig("fuzz", []byte(llamaConfig))
		if err := m.Quantised(text); err == nil {
			askAnything(t, m)
		}
	})
}
