package fit

import (
	"fmt"
	"strings"
	"testing"
)

const sparseConfig = `{"model_type": "glm_moe_dsa", "num_hidden_layers": 78, "hidden_size": 6144, "num_attention_heads": 64,
"num_key_value_heads": 64, "intermediate_size": 12288, "vocab_size": 154880, "kv_lora_rank": 512, "q_lora_rank": 2048,
"qk_rope_head_dim": 64, "qk_nope_head_dim": 192, "v_head_dim": 256, "n_routed_experts": 256, "num_experts_per_tok": 8,
"n_shared_experts": 1, "moe_intermediate_size": 2048, "first_k_dense_replace": 3, "max_position_embeddings": 1048576,
"index_head_dim": 128, "index_n_heads": 32%s}`

func TestIndexKeysAreKeptWhereALayerHasAnIndexer(t *testing.T) {
	f := func(schedule string, engine string, layers int) {
		t.Helper()
		m, err := ParseConfig("glm", fmt.Appendf(nil, sparseConfig, schedule))
		if err != nil {
			t.Fatal(err)
		}
		e, err := ParseEngine(engine)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Check(m, Setup{GPU: card(t, "H200"), Engine: e, KV: "fp8_ds_mla", TP: 8, Context: 8192})
		if err != nil {
			t.Fatal(err)
		}
		if want := int64(78*656 + layers*132); a.KVPerToken != want {
			t.Errorf("%s on %s: %d bytes per token, want %d", schedule, engine, a.KVPerToken, want)
		}
	}
	f("", "vllm@0.23", 78)
	// Every fourth layer from the third on: 0, 1, 2, 6, ... 74.
	f(`, "index_topk_freq": 4, "index_skip_topk_offset": 3`, "vllm@0.23", 21)
	f(`, "indexer_types": ["full", "shared", "full"]`, "vllm@0.23", 2)
	// A frequency without the offset is a choice at run time: keys are kept everywhere.
	f(`, "index_topk_freq": 4`, "vllm@0.23", 78)
	f(`, "index_topk_freq": 4, "index_skip_topk_offset": 3`, "sglang@0.5", 78)
}

func TestUnverifiedShapesAreSaid(t *testing.T) {
	m, q := model(t, "moonshotai/Kimi-VL-A3B-Instruct")
	a, err := Check(m, Setup{GPU: card(t, "H100"), Quant: q})
	if err != nil || !strings.Contains(strings.Join(a.Notes, "\n"), "has not been checked") {
		t.Errorf("%v: notes %q", err, a.Notes)
	}
	m, q = model(t, "meta-llama/Llama-3.1-8B")
	a, err = Check(m, Setup{GPU: card(t, "H100"), Quant: q})
	if err != nil || strings.Contains(strings.Join(a.Notes, "\n"), "not been checked") || len(a.Sources) != 2 {
		t.Errorf("%v: notes %q, sources %q", err, a.Notes, a.Sources)
	}
}

func TestSeventyBillionOnFortyGBCardsIsFourBitsOnTwoFirst(t *testing.T) {
	m, q := model(t, "meta-llama/Llama-3.1-70B")
	a, err := Check(m, Setup{GPU: card(t, "A100-40GB"), Quant: q, Context: 8192})
	if err != nil || len(a.Remedies) < 2 {
		t.Fatal(err, a.Remedies)
	}
	if r := a.Remedies[0]; r.GPUs != 2 || r.Change != "quantise to awq (--quant awq) and 2 GPUs, tensor parallel (--tp 2)" {
		t.Errorf("first is %+v", r)
	}
}
