package fit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const llamaConfig = `{"architectures":["LlamaForCausalLM"],"model_type":"llama","torch_dtype":"bfloat16","hidden_size":4096,
"intermediate_size":14336,"max_position_embeddings":131072,"num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,
"rope_scaling":{"factor":8.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},"tie_word_embeddings":false,"vocab_size":128256}`

const mlaConfig = `{"model_type":"deepseek_v2","torch_dtype":"bfloat16","hidden_size":2048,"intermediate_size":10944,"moe_intermediate_size":1408,
"num_hidden_layers":27,"num_attention_heads":16,"num_key_value_heads":16,"kv_lora_rank":512,"q_lora_rank":null,"qk_rope_head_dim":64,"qk_nope_head_dim":128,
"v_head_dim":128,"n_routed_experts":64,"num_experts_per_tok":6,"n_shared_experts":2,"first_k_dense_replace":1,"vocab_size":102400,"max_position_embeddings":163840,
"rope_scaling":{"type":"yarn","factor":40,"original_max_position_embeddings":4096}}`

const nestedConfig = `{"model_type":"gemma3","torch_dtype":"bfloat16","text_config":{"model_type":"gemma3_text","hidden_size":3840,"intermediate_size":15360,
"num_hidden_layers":48,"num_attention_heads":16,"num_key_value_heads":8,"head_dim":256,"sliding_window":1024,"vocab_size":262208,"max_position_embeddings":131072,
"rope_scaling":{"rope_type":"linear","factor":8.0}},"vision_config":{"num_hidden_layers":27,"hidden_size":1152,"intermediate_size":4304,"patch_size":14,"image_size":896}}`

const quantConfig = `{"model_type":"qwen2","torch_dtype":"float16","hidden_size":5120,"intermediate_size":27648,"num_hidden_layers":64,"num_attention_heads":40,
"num_key_value_heads":8,"vocab_size":152064,"max_position_embeddings":32768,"tie_word_embeddings":false,"sliding_window":131072,"use_sliding_window":false,
"quantization_config":{"quant_method":"awq","bits":4,"group_size":128}}`

func TestConfigAndCatalogueAgree(t *testing.T) {
	c := catalogue(t)
	f := func(config, name string) {
		t.Helper()
		m, err := ParseConfig(name, []byte(config))
		if err != nil {
			t.Fatal(err)
		}
		want, _, err := Named(c, name)
		if err != nil {
			t.Fatal(err)
		}
		s := Setup{GPU: GPU{Name: "H100-SXM-80GB", Total: 79 * GiB, SM: 9, Fast: true, BF16: true, FP8: true}, Context: 4096}
		s.Quant = m.Native()
		a, err := Check(m, s)
		if err != nil {
			t.Fatal(err)
		}
		b, err := Check(want, s)
		if err != nil {
			t.Fatal(err)
		}
		if d := float64(a.Stages[0].Weights)/float64(b.Stages[0].Weights) - 1; d > 0.002 || d < -0.002 {
			t.Errorf("%s: weights %.3f GiB by config, %.3f by catalogue", name, gib(a.Stages[0].Weights), gib(b.Stages[0].Weights))
		}
		if a.KVPerToken != b.KVPerToken || a.PerRequest != b.PerRequest {
			t.Errorf("%s: cache %d and %d by config, %d and %d by catalogue", name, a.KVPerToken, a.PerRequest, b.KVPerToken, b.PerRequest)
		}
	}
	f(llamaConfig, "meta-llama/Llama-3.1-8B")
	f(mlaConfig, "deepseek-ai/DeepSeek-V2-Lite")
	f(nestedConfig, "google/gemma-3-12b-it")
	f(quantConfig, "Qwen/Qwen2.5-32B-Instruct-AWQ")
}

func TestStorageFormatComesFromTheConfig(t *testing.T) {
	f := func(quant, want, kv string) {
		t.Helper()
		text := strings.Replace(llamaConfig, `"vocab_size"`, `"quantization_config":`+quant+`,"vocab_size"`, 1)
		m, err := ParseConfig("m", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if m.Native().Name != want || m.KVFormat != kv {
			t.Errorf("%s is %s with cache %q, want %s, %q", quant, m.Native().Name, m.KVFormat, want, kv)
		}
	}
	f(`{"quant_method":"gptq","bits":4}`, "gptq-int4", "")
	f(`{"quant_method":"gptq","bits":8}`, "gptq-int8", "")
	f(`{"quant_method":"fp8","weight_block_size":[128,128]}`, "fp8-block", "")
	f(`{"quant_method":"mxfp4"}`, "mxfp4", "")
	f(`{"quant_method":"bitsandbytes","load_in_4bit":true}`, "bnb-nf4", "")
	f(`{"quant_method":"modelopt","quant_algo":"NVFP4","kv_cache_quant_algo":"FP8"}`, "nvfp4", "fp8")
	f(`{"quant_method":"compressed-tensors","format":"pack-quantized","config_groups":{"group_0":{"weights":{"num_bits":4,"type":"int"}}}}`, "w4a16", "")
	f(`{"quant_method":"compressed-tensors","config_groups":{"group_0":{"weights":{"num_bits":8,"type":"int"}}}}`, "int8", "")
	f(`{"quant_method":"compressed-tensors","kv_cache_scheme":{"num_bits":8},"config_groups":{"group_0":{"weights":{"num_bits":8,"type":"float"}}}}`, "fp8", "fp8")
	f(`{"quant_method":"compressed-tensors","config_groups":{"group_0":{"weights":{"num_bits":4,"type":"float"}}}}`, "nvfp4", "")
	f(`null`, "bf16", "")
}

func safetensors(header string) []byte {
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(out, header...)
}

func TestSafetensorsHeaderIsAddedUpByKind(t *testing.T) {
	s, err := ParseSafetensors(safetensors(`{"__metadata__":{"format":"pt"},
		"model.embed_tokens.weight":{"dtype":"BF16","shape":[10,4],"data_offsets":[0,80]},
		"lm_head.weight":{"dtype":"BF16","shape":[10,4],"data_offsets":[80,160]},
		"model.layers.0.mlp.experts.0.up_proj.weight":{"dtype":"BF16","shape":[4,4],"data_offsets":[160,192]},
		"model.layers.0.self_attn.q_proj.weight":{"dtype":"BF16","shape":[4,4],"data_offsets":[192,224]},
		"model.norm.weight":{"dtype":"BF16","shape":[4],"data_offsets":[224,232]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Stored{Linear: 32, Experts: 32, Embed: 80, Head: 80, Small: 8}); s != want {
		t.Errorf("have %+v, want %+v", s, want)
	}
}

func TestIndexTotalReplacesTheGuessOfLinearLayers(t *testing.T) {
	m, err := ParseConfig("m", []byte(llamaConfig))
	if err != nil {
		t.Fatal(err)
	}
	total, err := ParseIndex([]byte(`{"metadata":{"total_size":16060522496},"weight_map":{"a":"b"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Measured(total); err != nil {
		t.Fatal(err)
	}
	if m.Stored.Total() != total {
		t.Errorf("stored %d, want %d", m.Stored.Total(), total)
	}
	if err := m.Measured(1000); !errors.Is(err, ErrFile) {
		t.Errorf("1000 bytes for an 8B model: %v", err)
	}
}

// gguf writes a header of the given metadata and one tensor a layer.
func gguf(layers int) []byte {
	var b bytes.Buffer
	u32 := func(v uint32) { _ = binary.Write(&b, binary.LittleEndian, v) }
	u64 := func(v uint64) { _ = binary.Write(&b, binary.LittleEndian, v) }
	str := func(s string) { u64(uint64(len(s))); b.WriteString(s) }
	b.WriteString("GGUF")
	u32(3)
	u64(uint64(layers + 3))
	u64(9)
	str("general.architecture")
	u32(8)
	str("llama")
	for _, kv := range []struct {
		key string
		v   uint32
	}{{"llama.block_count", uint32(layers)}, {"llama.embedding_length", 4096}, {"llama.attention.head_count", 32}, {"llama.attention.head_count_kv", 8},
		{"llama.feed_forward_length", 14336}, {"llama.context_length", 131072}, {"llama.vocab_size", 128256}} {
		str(kv.key)
		u32(4)
		u32(kv.v)
	}
	str("tokenizer.ggml.tokens")
	u32(9)
	u32(8)
	u64(2)
	str("a")
	str("b")
	tensor := func(name string, kind uint32, dims ...uint64) {
		str(name)
		u32(uint32(len(dims)))
		for _, d := range dims {
			u64(d)
		}
		u32(kind)
		u64(0)
	}
	tensor("token_embd.weight", 12, 4096, 128256)
	tensor("output.weight", 14, 4096, 128256)
	tensor("output_norm.weight", 0, 4096)
	for i := range layers {
		tensor(fmt.Sprintf("blk.%d.all.weight", i), 12, 4096, 53248)
	}
	return b.Bytes()
}

func TestGGUFHeaderGivesShapeAndExactBytes(t *testing.T) {
	m, err := ParseGGUF("llama.gguf", bytes.NewReader(gguf(32)))
	if err != nil {
		t.Fatal(err)
	}
	want := Stored{Embed: 4096 * 128256 / 256 * 144, Head: 4096 * 128256 / 256 * 210, Small: 4096 * 4, Linear: 32 * 4096 * 53248 / 256 * 144}
	if *m.Stored != want {
		t.Errorf("have %+v, want %+v", *m.Stored, want)
	}
	if m.Layers != 32 || m.Hidden != 4096 || m.KVHeads != 8 || m.HeadDim != 128 || m.Vocab != 128256 || m.MaxContext != 131072 || m.Native().Name != "q4_k_m" {
		t.Errorf("shape %+v", m.Model)
	}
	a, err := Check(m, Setup{GPU: GPU{Name: "T4", Total: gibs(14.56), SM: 7.5}, Engine: Engine{Name: "llama.cpp"}, Context: 8192})
	if err != nil || a.Verdict == DoesNotFit {
		t.Errorf("4.6 GiB on a T4: %v %s %s", err, a.Verdict, a.Why)
	}
}

func TestHostileFilesAreRefused(t *testing.T) {
	f := func(err error) {
		t.Helper()
		if err == nil {
			t.Error("accepted")
		}
	}
	for _, text := range []string{``, `[]`, `{}`, `{"num_hidden_layers":1e300}`, `{"num_hidden_layers":-1}`, `{"num_hidden_layers":1.5}`,
		strings.Repeat(`{"text_config":`, 5000), strings.Replace(llamaConfig, "4096", "99999999999", 1), strings.Replace(llamaConfig, `"num_hidden_layers":32`, `"num_hidden_layers":100000`, 1)} {
		_, err := ParseConfig("m", []byte(text))
		f(err)
	}
	for _, data := range [][]byte{nil, {1, 2, 3}, binary.LittleEndian.AppendUint64(nil, 1<<60), binary.LittleEndian.AppendUint64(nil, 100), safetensors(`[]`),
		safetensors(`{"a":{"data_offsets":[10,5]}}`), safetensors(`{"a":{"data_offsets":[0,99999999999999999]}}`)} {
		_, err := ParseSafetensors(data)
		f(err)
	}
	good := gguf(2)
	for cut := range len(good) {
		_, err := ParseGGUF("cut", bytes.NewReader(good[:cut]))
		f(err)
	}
	huge := bytes.Clone(good)
	binary.LittleEndian.PutUint64(huge[8:], 1<<62)
	_, err := ParseGGUF("huge", bytes.NewReader(huge))
	f(err)
}

func FuzzParseConfig(f *testing.F) {
	for _, s := range []string{llamaConfig, mlaConfig, nestedConfig, quantConfig, fmt.Sprintf(sparseConfig, `, "indexer_types": ["full"]`), strings.Replace(denseConfig, "QUANT", "", 1)} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := ParseConfig("fuzz", data)
		if err == nil {
			askAnything(t, m)
		}
	})
}

// askAnything: Check gives sane figures for anything a parser accepts.
func askAnything(t *testing.T, m Model) {
	t.Helper()
	a, err := Check(m, Setup{GPU: GPU{Name: "H100", Total: 79 * GiB, SM: 9}, Context: 64})
	if err != nil {
		return
	}
	if b := a.Stages[0]; b.Weights < 0 || b.Activation < 0 || a.KVPerToken < 0 || a.PerRequest < 0 {
		t.Errorf("negative: %+v", a)
	}
}

func FuzzParseSafetensors(f *testing.F) {
	f.Add(safetensors(`{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := ParseSafetensors(data); err == nil && s.Total() < 0 {
			t.Errorf("%+v", s)
		}
		if n, err := ParseIndex(data); err == nil && n <= 0 {
			t.Errorf("index of %d bytes", n)
		}
	})
}

func FuzzParseGGUF(f *testing.F) {
	f.Add(gguf(1))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := ParseGGUF("fuzz", bytes.NewReader(data)); err == nil {
			askAnything(t, m)
		}
	})
}
