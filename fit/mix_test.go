package fit

import (
	"math"
	"os"
	"strings"
	"testing"
)

const mixtureConfig = `{"model_type": "qwen3_moe", "num_hidden_layers": 4, "hidden_size": 1024, "num_attention_heads": 8, "num_key_value_heads": 8, "head_dim": 128,
"intermediate_size": 4096, "moe_intermediate_size": 512, "num_experts": 8, "num_experts_per_tok": 2, "n_shared_experts": 1, "mlp_only_layers": [0], "vocab_size": 64, "max_position_embeddings": 4096,
"quantization_config": QUANT}`

// What a quantization_config says of each part of a mixture, in bits.
func TestWidthsOfPartsComeFromTheCheckpointsOwnLists(t *testing.T) {
	f := func(quant, format string, attention, dense, shared, expert float64) {
		t.Helper()
		m, err := ParseConfig("mixture", []byte(strings.Replace(mixtureConfig, "QUANT", quant, 1)))
		if err != nil || m.Mix == nil {
			t.Fatalf("%s: %v, mix %v", quant, err, m.Mix)
		}
		have := [4]float64{m.Mix.Attention, m.Mix.Dense, m.Mix.Shared, m.Mix.Expert}
		want := [4]float64{attention, dense, shared, expert}
		for i := range have {
			if math.Abs(have[i]-want[i]) > 0.01 {
				t.Errorf("%s:\nattention, dense, shared and expert bits %v, want %v", quant, have, want)
				break
			}
		}
		if m.Format != format {
			t.Errorf("%s: format %s, want %s", quant, m.Format, format)
		}
	}
	const int4 = `"quant_method":"compressed-tensors","config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":4,"type":"int","group_size":128}}}`
	f(`{`+int4+`,"ignore":["lm_head"]}`, "w4a16", 4.125, 4.125, 4.125, 4.125)
	f(`{`+int4+`,"ignore":["lm_head","re:.*self_attn.*","re:.*shared_experts.*"]}`, "w4a16", 16, 4.125, 16, 4.125)
	f(`{`+int4+`,"ignore":["model.layers.0.self_attn.q_proj","re:.*mlp\\.(gate|up|gate_up|down)_proj.*"]}`, "w4a16", (16+3*4.125)/4, 16, 4.125, 4.125)
	f(`{"quant_method":"compressed-tensors","format":"mxfp4-pack-quantized","ignore":["re:.*self_attn.*"],"config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":4,"type":"float","group_size":32}}}}`, "mxfp4", 16, 16, 16, 4.25)
	f(`{"quant_method":"compressed-tensors","config_groups":{"a":{"targets":["re:.*self_attn.*"],"weights":{"num_bits":8,"type":"float"}},"b":{"targets":["re:.*mlp.*"],"weights":{"num_bits":4,"type":"float","group_size":16}}}}`, "nvfp4", 8, 4.5, 4.5, 4.5)
	f(`{"quant_method":"awq","bits":4,"modules_to_not_convert":["self_attn","shared_expert"]}`, "awq", 16, 4.15625, 16, 4.15625)
	f(`{"quant_method":"modelopt","quant_algo":"NVFP4","ignore":["model.layers.*.self_attn*","lm_head"]}`, "nvfp4", 16, 4.5, 4.5, 4.5)
	f(`{"quant_method":"modelopt","quant_algo":"MIXED_PRECISION","quantized_layers":{"model.layers.1.mlp.experts":{"quant_algo":"NVFP4"},"model.layers.1.self_attn.q_proj":{"quant_algo":"FP8"}}}`, "nvfp4", (3*16+8)/4.0, 16, 16, (3*16+4.5)/4)
	f(`{"quant_method":"fp8","weight_block_size":[128,128],"modules_to_not_convert":["lm_head"]}`, "fp8-block", 8.002, 8.002, 8.002, 8.002)
}

func TestTheRangeIsStatedWhereOnlyANameSaysTheFormat(t *testing.T) {
	m, q, err := Named(catalogue(t), "someone/Qwen3-30B-A3B-AWQ")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Check(m, Setup{GPU: GPU{Name: "big", Total: 80 * GiB, SM: 9}, Quant: q, Context: 4096})
	if err != nil || !strings.Contains(strings.Join(a.Notes, "\n"), "a name does not say which layers a awq checkpoint leaves in 16 bits: its weights take 1") {
		t.Errorf("%v: %q", err, a.Notes)
	}
}

// DeepSeek-V4-Flash, by its published counts: 284 x 10^9 parameters; 43 layers,
// 21 with an entry of 584 bytes and an index key of 132 for every four tokens,
// 20 with an entry for every 128.
func TestCompressedCachesAreSummedByTheirRatios(t *testing.T) {
	ratios := "0,0" + strings.Repeat(",4,128", 20) + ",4"
	m, err := ParseConfig("v4", []byte(`{"model_type":"deepseek_v4","hidden_size":4096,"head_dim":512,"num_attention_heads":64,"num_key_value_heads":1,"num_hidden_layers":43,"q_lora_rank":1024,"o_lora_rank":1024,
"o_groups":8,"qk_rope_head_dim":64,"index_head_dim":128,"index_n_heads":64,"n_routed_experts":256,"n_shared_experts":1,"num_experts_per_tok":6,"moe_intermediate_size":2048,"vocab_size":129280,
"sliding_window":128,"max_position_embeddings":1048576,"expert_dtype":"fp4","compress_ratios":[`+ratios+`],"quantization_config":{"quant_method":"fp8","weight_block_size":[128,128]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if b := float64(m.Params()) / 1e9; math.Abs(b-284.3) > 0.5 {
		t.Errorf("%.1f x 10^9 parameters", b)
	}
	if want := int64(3850); m.TokenBytes != want { // 21 x 716 / 4 + 20 x 584 / 128
		t.Errorf("%d bytes a token, want %d", m.TokenBytes, want)
	}
	s := Setup{GPU: GPU{Name: "big", Total: 400 * GiB, SM: 9}, BatchTokens: 8192, MaxSeqs: 36, Context: 32768}
	a, err := Check(m, s)
	if err != nil {
		t.Fatal(err)
	}
	// Windows: 127 and a step of 8192 tokens of 43 x 584, 21 x (8192 + 2048) and
	// 20 x 4096 bytes; a log of a fork has 2.6 GiB of a request that do not grow.
	if fixed := gib(a.PerRequest - 32768*m.TokenBytes); fixed < 2.4 || fixed > 2.7 {
		t.Errorf("a request of 32768 tokens has %.2f GiB that do not grow with it", fixed)
	}
	if m.Mix == nil || m.Mix.Expert != 4.25 || math.Abs(m.Mix.Attention-8.002) > 1e-6 {
		t.Errorf("%+v: experts are in 4 bits, the rest in 8", m.Mix)
	}
}

// Nemotron-Super's blocks: attention left out in some, an MLP of its own width
// in each.
func TestBlocksOfUnlikeLayersAreSummed(t *testing.T) {
	block := func(attention, ffn string) string { return `{"attention":{` + attention + `},"ffn":{` + ffn + `}}` }
	m, err := ParseConfig("nas", []byte(`{"model_type":"nemotron-nas","hidden_size":8192,"num_attention_heads":64,"num_hidden_layers":4,"intermediate_size":null,"num_key_value_heads":null,"vocab_size":128256,
"max_position_embeddings":131072,"block_configs":[`+strings.Join([]string{block(`"n_heads_in_group":8`, `"ffn_mult":5.25`), block(`"no_op":true`, `"ffn_mult":1.3125`), block(`"n_heads_in_group":16`, `"no_op":true`), block(`"replace_with_linear":true`, `"replace_with_linear":true`)}, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	a, err := Check(m, Setup{GPU: GPU{Name: "big", Total: 200 * GiB, SM: 9}, Quant: mustQuant("bf16"), Context: 4096})
	if err != nil {
		t.Fatal(err)
	}
	if want := int64(2 * 128 * (8 + 4) * 2); a.KVPerToken != want {
		t.Errorf("%d bytes a token, want %d: two of four layers keep keys and values", a.KVPerToken, want)
	}
	if m.KVHeads != 8 || m.Intermediate != 28672 {
		t.Errorf("%d KV heads, width %d", m.KVHeads, m.Intermediate)
	}
}

// gpt-oss on Hopper: 2880 becomes 3072 where it is summed over, each slice by
// itself.
func TestExpertsArePaddedSliceBySlice(t *testing.T) {
	m, _, err := Named(catalogue(t), "openai/gpt-oss-20b")
	if err != nil {
		t.Fatal(err)
	}
	f := func(sm float64, tp int, want float64) {
		t.Helper()
		s := Setup{GPU: GPU{SM: sm}, TP: tp}
		if have := m.padding(s); math.Abs(have-want) > 1e-3 {
			t.Errorf("compute capability %g, tensor parallel %d: x %.4f, want %.4f", sm, tp, have, want)
		}
	}
	f(9, 1, 3072.0/2880)
	f(9, 8, (2*3072.0/2880+512.0/360)/3)
	f(8, 1, 3072.0/2880*2944/2880)
	f(8, 4, 3072.0/2880*768/720)
	f(10, 2, 3072.0/2880*1536/1440)
	f(12, 8, 3072.0/2880*384/360)
}

// Ignore lists come from anywhere.
func FuzzIgnoreLists(f *testing.F) {
	f.Add("re:.*(?!x)")
	f.Add("model.layers.[0")
	f.Add("*")
	f.Fuzz(func(t *testing.T, pattern string) {
		p := newPatterns([]string{pattern})
		p.match("model.layers.0.self_attn.q_proj")
	})
}

func TestTestdataSaysWhereItIsFrom(t *testing.T) {
	text, err := os.ReadFile("testdata/README.md")
	if err != nil || !strings.Contains(string(text), "architectures.json") {
		t.Errorf("testdata/README.md does not name architectures.json: %v", err)
	}
}
