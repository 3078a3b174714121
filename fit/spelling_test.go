package fit

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The files in testdata/configs have the keys and counts of the models' published
// config.json on which memory depends; they are written by hand, not copied.
// expect.json beside them has the published count of parameters, in 10^9, the
// bytes of one token in a 16-bit cache, whole model, and the longest context.
func TestConfigsOfEverySpellingGiveThePublishedModel(t *testing.T) {
	text, err := os.ReadFile("testdata/configs/expect.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		ParamsB float64 `json:"params_b"`
		KV      int64   `json:"kv_bytes_per_token"`
		State   int64   `json:"state_bytes"`
		Context int     `json:"context"`
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/configs/*.config.json")
	if err != nil || len(files) != len(want) {
		t.Fatalf("%d files, %d expectations, %v", len(files), len(want), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".config.json")
		w := want[name]
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := ParseConfig(name, text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if have := float64(m.Params()) / 1e9; math.Abs(have/w.ParamsB-1) > 0.012 {
			t.Errorf("%s has %.3f 10^9 parameters, published are %.3f", name, have, w.ParamsB)
		}
		s := Setup{GPU: GPU{Name: "big", Total: 2000 * GiB, SM: 9}, Quant: mustQuant("bf16"), Context: 2048}
		a, err := Check(m, s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a.KVPerToken != w.KV || m.StateBytes != w.State || m.MaxContext != w.Context {
			t.Errorf("%s: %d bytes a token, state %d, context %d; want %d, %d, %d", name, a.KVPerToken, m.StateBytes, m.MaxContext, w.KV, w.State, w.Context)
		}
		if m.Unknown != "" {
			t.Errorf("%s: the family %s is not known", name, m.Unknown)
		}
	}
}

func TestClassDefaultsAreRead(t *testing.T) {
	for kind, text := range classDefaults {
		var c hfConfig
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// A config that states only seq_length has that context, and an absent limit is
// not taken from a table of another size.
func TestLimitsAreReadInEverySpelling(t *testing.T) {
	f := func(keys string, want int) {
		t.Helper()
		text := strings.Replace(llamaConfig, `"max_position_embeddings":131072`, keys, 1)
		m, err := ParseConfig("m", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if m.MaxContext != want {
			t.Errorf("%s: context %d, want %d", keys, m.MaxContext, want)
		}
	}
	f(`"seq_length":4096`, 4096)
	f(`"model_max_length":4096`, 4096)
	f(`"max_seq_len":4096`, 4096)
	f(`"max_sequence_length":4096`, 4096)
	f(`"n_positions":4096`, 4096)
	f(`"max_position_embeddings":32768,"seq_length":8192`, 8192)
	f(`"max_position_embeddings":8192,"model_max_length":1000000000000000019884624838656`, 8192)
	f(`"pad_token_id":0`, 2048) // the default of the class
}

// Layers that fit cannot compute are named in the error, not guessed.
func TestStrangeLayersAreRefusedByName(t *testing.T) {
	f := func(keys, say string) {
		t.Helper()
		text := strings.Replace(llamaConfig, `"model_type":"llama"`, keys, 1)
		_, err := ParseConfig("m", []byte(text))
		if err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%s: %v, want an error that names %s", keys, err, say)
		}
	}
	f(`"model_type":"zamba9","mamba_d_state":64,"num_mem_blocks":2`, "mamba_d_state")
	f(`"model_type":"rwkv7","rwkv_head_size":64`, "rwkv_head_size")
	f(`"model_type":"minimax","attn_type_list":[0,1]`, "attn_type_list")
	f(`"model_type":"nemotron-nas","block_configs":[{}]`, "block_configs")
	f(`"model_type":"t5","is_encoder_decoder":true`, "encoder-decoder")
	m, err := ParseConfig("m", []byte(strings.Replace(llamaConfig, `"model_type":"llama"`, `"model_type":"newcomer"`, 1)))
	if err != nil || m.Unknown != "newcomer" {
		t.Fatalf("%v %q: a plain decoder of an unknown family is computed, and said to be", err, m.Unknown)
	}
	a, err := Check(m, Setup{GPU: GPU{Name: "big", Total: 80 * GiB, SM: 9}, Context: 2048})
	if err != nil || !strings.Contains(strings.Join(a.Notes, "\n"), "newcomer") {
		t.Errorf("%v %q", err, a.Notes)
	}
}

// vLLM before chunked prefill profiles the longest prompt at once: the workspace
// grows with the context, and Qwen1.5-7B-Chat-GPTQ-Int4 at 32,768 on 24 GB left
// room for 24,320 tokens.
func TestUncutPrefillGrowsWithTheContext(t *testing.T) {
	text := `{"model_type":"qwen2","torch_dtype":"float16","hidden_size":4096,"intermediate_size":11008,"num_hidden_layers":32,"num_attention_heads":32,
		"num_key_value_heads":32,"vocab_size":151936,"max_position_embeddings":32768,"quantization_config":{"quant_method":"gptq","bits":4,"group_size":128}}`
	m, err := ParseConfig("qwen1.5-7b", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	f := func(version string, context int) Answer {
		e, err := ParseEngine("vllm@" + version)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Check(m, Setup{GPU: card(t, "RTX 3090"), Engine: e, Quant: m.Native(), Context: context})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if n := f("0.3", 32768).MaxContext; n < 23900 || n > 24800 {
		t.Errorf("the longest context is %d, the engine said 24,320", n)
	}
	long, short := f("0.7", 32768).Stages[0].Activation, f("0.7", 4096).Stages[0].Activation
	if long <= short {
		t.Errorf("0.7: workspace %d at 32k and %d at 4k", long, short)
	}
	if a, b := f("0.8", 32768).Stages[0].Activation, f("0.8", 4096).Stages[0].Activation; a != b {
		t.Errorf("0.8 cuts prefill: workspace %d and %d", a, b)
	}
}

// gpustack measured 0.90 GiB for bge-reranker-v2-m3 in fp16 on llama.cpp.
func TestLlamaCppKeepsEmbeddingsInHostMemory(t *testing.T) {
	m, _ := model(t, "bge-reranker-v2-m3")
	a, err := Check(m, Setup{GPU: card(t, "T4"), Engine: Engine{Name: "llama.cpp"}, Quant: mustQuant("fp16")})
	if err != nil {
		t.Fatal(err)
	}
	if need := gib(a.Stages[0].Need()); need < 0.81 || need > 0.99 {
		t.Errorf("%.2f GiB, measured 0.90", need)
	}
	tied, err := ParseConfig("tied", []byte(strings.Replace(llamaConfig, `"tie_word_embeddings":false`, `"tie_word_embeddings":true`, 1)))
	if err != nil {
		t.Fatal(err)
	}
	s := Setup{GPU: card(t, "H100"), Engine: Engine{Name: "llama.cpp"}, Quant: mustQuant("fp16"), Context: 4096}
	one, err := Check(tied, s)
	if err != nil {
		t.Fatal(err)
	}
	untied, err := ParseConfig("untied", []byte(llamaConfig))
	if err != nil {
		t.Fatal(err)
	}
	two, err := Check(untied, s)
	if err != nil || one.Stages[0].Weights != two.Stages[0].Weights {
		t.Errorf("%v: tied %d, untied %d: the output layer is on the GPU either way", err, one.Stages[0].Weights, two.Stages[0].Weights)
	}
}

func TestAFormatTheGPUHasNoKernelsForIsRefused(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-8B")
	_, err := Check(m, Setup{GPU: card(t, "V100-SXM2-32GB"), Quant: mustQuant("awq"), Context: 4096})
	if !errors.Is(err, ErrSetup) || !strings.Contains(err.Error(), "gptq-int4") {
		t.Errorf("awq on Volta: %v", err)
	}
	if _, err := Check(m, Setup{GPU: card(t, "V100-SXM2-32GB"), Quant: mustQuant("gptq-int4"), Context: 4096}); err != nil {
		t.Error(err)
	}
	if _, err := Check(m, Setup{GPU: card(t, "V100-SXM2-32GB"), Engine: Engine{Name: "llama.cpp"}, Quant: mustQuant("q4_k_m"), Context: 4096}); err != nil {
		t.Error(err)
	}
}

func TestTheCommandStartsWhatWasChecked(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-8B")
	f := func(engine string, want ...string) {
		t.Helper()
		e, err := ParseEngine(engine)
		if err != nil {
			t.Fatal(err)
		}
		s := Setup{GPU: card(t, "H100"), Engine: e, Context: 8192, KV: "fp8", TP: 2, Concurrency: 4}
		if engine == "llama.cpp" {
			s.TP, s.KV, s.Quant = 1, "q8_0", mustQuant("q4_k_m")
		}
		a, err := Check(m, s)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(a.Command, w) {
				t.Errorf("%s: %q lacks %q", engine, a.Command, w)
			}
		}
	}
	f("vllm", "vllm serve Qwen/Qwen3-8B", "--max-model-len 8192", "--tensor-parallel-size 2", "--kv-cache-dtype fp8", "--gpu-memory-utilization 0.92")
	f("sglang", "--model-path Qwen/Qwen3-8B", "--context-length 8192", "--tp-size 2", "--mem-fraction-static 0.88")
	f("tensorrt-llm", "trtllm-serve Qwen/Qwen3-8B", "--max_seq_len 8192", "--tp_size 2")
	f("llama.cpp", "llama-server", "-c 32768 -np 4", "-ctk q8_0")
}

// A checkpoint that embeds, scores or classifies has no sampler.
func TestModelsWithoutAnOutputLayerHaveNoSampler(t *testing.T) {
	f := func(class string, head bool) {
		t.Helper()
		m, err := ParseConfig("m", []byte(strings.Replace(llamaConfig, "LlamaForCausalLM", class, 1)))
		if err != nil {
			t.Fatal(err)
		}
		if m.NoHead == head {
			t.Errorf("%s: no output layer: %v", class, m.NoHead)
		}
	}
	f("LlamaForCausalLM", true)
	f("QWenLMHeadModel", true)
	f("InternVLChatModel", true)
	f("ChatGLMModel", true)
	f("LlamaModel", false)
	f("LlamaForSequenceClassification", false)
	f("InternLM2ForRewardModel", false)
	m, _ := model(t, "Qwen/Qwen3-Embedding-8B")
	base, _ := model(t, "Qwen/Qwen3-8B")
	s := Setup{GPU: card(t, "H100"), Context: 4096}
	a, err := Check(m, s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Check(base, s)
	if err != nil || a.Stages[0].Activation >= b.Stages[0].Activation {
		t.Errorf("%v: workspace %d of the embedding model, %d of the base", err, a.Stages[0].Activation, b.Stages[0].Activation)
	}
}

// Qwen3-30B-A3B-Instruct-2507 has 262,144 tokens, the model whose shape it
// shares has 40,960.
func TestAVariantDoesNotInheritTheLimit(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-8B-Instruct-2507")
	a, err := Check(m, Setup{GPU: card(t, "H200"), Context: 131072})
	if err != nil {
		t.Fatal(err)
	}
	if a.MaxContext < 131072 || !strings.Contains(strings.Join(a.Notes, "\n"), "may state another") {
		t.Errorf("longest %d, notes %q", a.MaxContext, a.Notes)
	}
	exact, _ := model(t, "Qwen/Qwen3-8B")
	if _, err := Check(exact, Setup{GPU: card(t, "H200"), Context: 1 << 20}); err == nil {
		t.Error("a context above the model's own limit was accepted")
	}
}
