package fit

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"weir/price"
)

func catalogue(t testing.TB) *price.Catalogue {
	t.Helper()
	c, err := defaultCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var defaultCatalogue = sync.OnceValues(price.Default)

func model(t testing.TB, name string) (Model, Quant) {
	t.Helper()
	m, q, err := Named(catalogue(t), name)
	if err != nil {
		t.Fatal(err)
	}
	return m, q
}

func card(t testing.TB, name string) GPU {
	t.Helper()
	g, err := catalogue(t).GPU(name)
	if err != nil {
		t.Fatal(err)
	}
	out, err := NewGPU(g)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// The issue's own figures: 20 GB do not run on 16 GB; 70B is 140 GB at 16
// bits and 35 GB at 4, which fits two A100-40GB.
func TestWhatTheIssueKnows(t *testing.T) {
	f := func(name, gpu, quant string, tp int, want Verdict) {
		t.Helper()
		m, _ := model(t, name)
		a, err := Check(m, Setup{GPU: card(t, gpu), Quant: mustQuant(quant), TP: tp, Context: 4096})
		if err != nil || (a.Verdict == DoesNotFit) != (want == DoesNotFit) {
			t.Errorf("%s on %d x %s as %s: %v %s: %s", name, tp, gpu, quant, err, a.Verdict, a.Why)
		}
	}
	f("meta-llama/Llama-2-13b-hf", "T4", "fp16", 1, DoesNotFit)
	f("meta-llama/Llama-3.1-70B", "A100-80GB", "bf16", 1, DoesNotFit)
	f("meta-llama/Llama-3.1-70B", "A100-80GB", "bf16", 4, Fits)
	f("meta-llama/Llama-3.1-70B", "A100-40GB", "awq", 2, Fits)
	f("meta-llama/Llama-3.1-70B", "A100-40GB", "bf16", 2, DoesNotFit)
	m, _ := model(t, "meta-llama/Llama-3.1-70B")
	if gb := float64(m.Params()) * 2 / 1e9; gb < 139 || gb > 143 {
		t.Errorf("70B is %.1f GB at 16 bits", gb)
	}
}

func TestEveryCatalogueModelHasANativeFormat(t *testing.T) {
	asked := 0
	for _, p := range catalogue(t).Models() {
		m := FromCatalogue(p)
		if q := m.Native(); q.Linear == 0 {
			t.Errorf("%s: %+v", p.Name, q)
		}
		if _, err := Check(m, Setup{GPU: card(t, "H200"), Context: 1}); err == nil {
			asked++
			if p.TotalB > 0 && !p.Vision {
				if r := float64(m.Params()) / (p.TotalB * 1e9); r < 0.85 || r > 1.15 {
					t.Errorf("%s: %d parameters, published %g x 10^9", p.Name, m.Params(), p.TotalB)
				}
			}
		} else if !errors.Is(err, ErrShape) {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
	if asked < 80 {
		t.Errorf("only %d models have a shape", asked)
	}
}

func TestEmbeddingModelsAreNotBilledAsAWholeGPU(t *testing.T) {
	m, _ := model(t, "BAAI/bge-m3")
	a, err := Check(m, Setup{GPU: card(t, "H100"), BatchTokens: 8192})
	if err != nil || a.Verdict != Fits {
		t.Fatal(err, a.Verdict, a.Why)
	}
	if need := gib(a.Stages[0].Need()); need > 2 {
		t.Errorf("bge-m3 needs %.2f GiB", need)
	}
	if a.KVPerToken != 0 {
		t.Errorf("an encoder has %d bytes of KV per token", a.KVPerToken)
	}
}

func TestParallelismSaysRuleAndNearestAllowed(t *testing.T) {
	f := func(name string, s Setup, want ...string) {
		t.Helper()
		m, _ := model(t, name)
		s.GPU = card(t, "H100")
		_, err := Check(m, s)
		if err == nil || !(errors.Is(err, ErrLayout) || errors.Is(err, ErrSetup)) {
			t.Fatalf("%s: %v", name, err)
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("have %v, want %q", err, w)
			}
		}
	}
	f("Qwen/Qwen3-14B", Setup{TP: 5}, "padded vocabulary of 151936", "nearest allowed: 4 or 8")
	f("meta-llama/Llama-3.1-8B", Setup{TP: 3}, "32 attention heads", "2 or 4")
	f("meta-llama/Llama-3.1-8B", Setup{PP: 33}, "32 layers", "nearest allowed: 32")
	f("Qwen/Qwen1.5-MoE-A2.7B", Setup{EP: true, TP: 16}, "divide the 60 experts")
	f("meta-llama/Llama-3.1-8B", Setup{EP: true}, "not a mixture of experts")
	f("microsoft/phi-2", Setup{Context: 8192}, "limit of 2048")
	f("meta-llama/Llama-3.1-8B", Setup{TP: 2, Engine: Engine{Name: "llama.cpp"}}, "pipeline parallel 2")
}

func TestKVHeadsAreReplicatedWhereThereAreFewerThanGPUs(t *testing.T) {
	m, q := model(t, "Qwen/Qwen3-235B-A22B")
	s := Setup{GPU: card(t, "H100"), Quant: q, Engine: DefaultEngine}
	four, eight := m.cache(s, 4, m.Layers), m.cache(s, 8, m.Layers)
	if four.fullToken != eight.fullToken || four.fullToken != 512 {
		t.Errorf("%d and %d bytes per token and layer", four.fullToken, eight.fullToken)
	}
}

func TestRemediesAllFitAndComeCheapestFirst(t *testing.T) {
	m, _ := model(t, "meta-llama/Llama-3.1-70B")
	a, err := Check(m, Setup{GPU: card(t, "H100"), Context: 8192, Concurrency: 4}, card(t, "H200"))
	if err != nil || a.Verdict != DoesNotFit {
		t.Fatal(err, a.Verdict)
	}
	if len(a.Remedies) == 0 || !strings.HasPrefix(a.Remedies[0].Change, "quantise to awq") {
		t.Errorf("%+v", a.Remedies)
	}
	for i, r := range a.Remedies {
		if r.Verdict == DoesNotFit || i > 0 && r.GPUs < a.Remedies[i-1].GPUs && !strings.Contains(r.Change, "larger") {
			t.Errorf("remedy %d: %+v", i, r)
		}
	}
}

func TestShorterContextIsARemedyThatFits(t *testing.T) {
	m, _ := model(t, "meta-llama/Llama-3.1-8B")
	s := Setup{GPU: card(t, "RTX 4090"), Engine: Engine{"vllm", 0, 19}}
	a, err := Check(m, s)
	if err != nil || a.Verdict != DoesNotFit {
		t.Fatal(err, a.Verdict, a.Why)
	}
	found := false
	for _, r := range a.Remedies {
		found = found || strings.Contains(r.Change, "--context")
	}
	if !found || a.MaxContext < 20000 || a.MaxContext > 60000 {
		t.Errorf("longest %d, remedies %+v", a.MaxContext, a.Remedies)
	}
	s.Context = a.MaxContext
	if a, err = Check(m, s); err != nil || a.Verdict == DoesNotFit {
		t.Errorf("the longest context does not fit: %v %s", err, a.Why)
	}
}

func TestMoreNeverNeedsLess(t *testing.T) {
	names := []string{"meta-llama/Llama-3.1-8B", "google/gemma-3-12b-it", "Qwen/Qwen3.5-27B", "deepseek-ai/DeepSeek-V2-Lite", "openai/gpt-oss-20b"}
	h100 := card(t, "H100")
	rapid.Check(t, func(rt *rapid.T) {
		m, q := model(t, rapid.SampledFrom(names).Draw(rt, "model"))
		s := Setup{GPU: h100, Quant: q, Context: rapid.IntRange(1, 8000).Draw(rt, "context"), Concurrency: rapid.IntRange(1, 300).Draw(rt, "concurrency"),
			MaxSeqs: rapid.IntRange(1, 1024).Draw(rt, "seqs"), Utilisation: rapid.Float64Range(0.1, 1).Draw(rt, "utilisation")}
		a, err := Check(m, s)
		if err != nil {
			rt.Fatal(err)
		}
		more := s
		more.Context += rapid.IntRange(0, 190).Draw(rt, "longer")
		more.MaxSeqs += rapid.IntRange(0, 100).Draw(rt, "wider")
		b, err := Check(m, more)
		if err != nil {
			rt.Fatal(err)
		}
		if b.PerRequest < a.PerRequest || b.Stages[0].Cache > a.Stages[0].Cache || b.MaxContext > a.MaxContext {
			rt.Fatalf("more asked, less needed: %+v then %+v", a, b)
		}
		if s := a.Stages[0]; s.Cache+s.Need() != s.Allowed {
			rt.Fatalf("the lines do not add up: %+v", s)
		}
	})
}

func TestNamesOfVariantsFindTheirShape(t *testing.T) {
	f := func(name, shape, quant string) {
		t.Helper()
		m, q := model(t, name)
		want, _ := model(t, shape)
		if m.Layers != want.Layers || m.Hidden != want.Hidden || q.Name != quant {
			t.Errorf("%s is %d x %d as %s, want the shape of %s as %s", name, m.Layers, m.Hidden, q.Name, shape, quant)
		}
	}
	f("RedHatAI/Llama-3.3-70B-Instruct-quantized.w8a8", "meta-llama/Llama-3.3-70B-Instruct", "int8")
	f("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "meta-llama/Llama-3.1-8B", "w4a16")
	f("Qwen/Qwen2.5-72B-Instruct-GPTQ-Int8", "Qwen/Qwen2.5-72B", "gptq-int8")
	f("Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-235B-A22B", "fp8")
	f("unsloth/gpt-oss-20b", "openai/gpt-oss-20b", "mxfp4")
	f("Qwen2.5-Coder-32B-Instruct-AWQ", "Qwen/Qwen2.5-32B", "awq")
	f("TheBloke/Mistral-7B-Instruct-v0.2-AWQ", "mistralai/Mistral-7B-Instruct-v0.2", "awq")
	if m, _ := model(t, "mistralai/Mistral-7B-Instruct-v0.2"); m.Window != 0 {
		t.Error("v0.2 has no sliding window")
	}
	if _, _, err := Named(catalogue(t), "nobody/nothing-7b"); !errors.Is(err, price.ErrUnknown) {
		t.Error(err)
	}
}

func TestEnginesAndFormatsAreReadStrictly(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		e, err := ParseEngine(text)
		if want == "" {
			if !errors.Is(err, ErrSetup) {
				t.Errorf("%s is %v, %v", text, e, err)
			}
			return
		}
		if err != nil || e.String() != want {
			t.Errorf("%s is %v, %v; want %s", text, e, err, want)
		}
	}
	f("vllm@0.19.0", "vllm@0.19")
	f("vllm@0.23.1rc1.dev1201+gd08", "vllm@0.23")
	f("VLLM", "vllm@0.21")
	f("sglang@0.5", "sglang@0.5")
	f("trt-llm", "tensorrt-llm")
	f("vllm@x", "")
	f("vllm@-1.2", "")
	f("nothing", "")
	if _, err := ParseQuant("q9_z"); !errors.Is(err, ErrSetup) {
		t.Error(err)
	}
}

func TestEnginesShareOutTheGPUTheirOwnWay(t *testing.T) {
	m, q := model(t, "meta-llama/Llama-3.1-8B")
	for _, name := range Engines() {
		e, err := ParseEngine(name)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Check(m, Setup{GPU: card(t, "H100"), Engine: e, Quant: q, Context: 8192, Concurrency: 8})
		if err != nil || a.Verdict == DoesNotFit {
			t.Errorf("%s: %v %s", name, err, a.Why)
		}
		if c := gib(a.Stages[0].Cache); c < 40 || c > 65 {
			t.Errorf("%s leaves %.1f GiB", name, c)
		}
	}
}

// Sizes of the files as published by the converters of Llama-3.1-8B and -70B
// (bartowski's repositories), in 10^9 bytes.
func TestGGUFFilesHaveTheirPublishedSize(t *testing.T) {
	f := func(name, quant string, gb float64) {
		t.Helper()
		m, _ := model(t, name)
		s := Setup{GPU: card(t, "H200"), Engine: Engine{Name: "llama.cpp"}, Quant: mustQuant(quant), Context: 4096}
		a, err := Check(m, s)
		if err != nil {
			t.Fatal(err)
		}
		table := bytesOf(m.count().embed, s.Quant.Table) // stays in host memory
		if have := float64(a.Stages[0].Weights+table) / 1e9; have < 0.98*gb || have > 1.02*gb {
			t.Errorf("%s as %s is %.2f GB, published %.2f", name, quant, have, gb)
		}
	}
	f("Llama-3.1-8B", "q2_k", 3.18)
	f("Llama-3.1-8B", "q3_k_m", 4.02)
	f("Llama-3.1-8B", "q4_k_s", 4.69)
	f("Llama-3.1-8B", "q4_k_m", 4.92)
	f("Llama-3.1-8B", "q5_k_m", 5.73)
	f("Llama-3.1-8B", "q6_k", 6.60)
	f("Llama-3.1-8B", "q8_0", 8.54)
	f("Llama-3.1-70B", "q4_k_m", 42.52)
}

// vllm#21348: Qwen3-235B-A22B-FP8 on four H100 with mem-fraction 0.93 gave
// 367404 tokens.
func TestSGLangHoldsWhatItPrinted(t *testing.T) {
	m, _ := model(t, "Qwen/Qwen3-235B-A22B-FP8")
	s := Setup{GPU: card(t, "H100"), Engine: Engine{Name: "sglang"}, Quant: mustQuant("fp8-block"), TP: 4, Utilisation: 0.93, Context: 2048}
	a, err := Check(m, s)
	if err != nil || a.Verdict == DoesNotFit {
		t.Fatal(err, a.Why)
	}
	if e := float64(a.CacheTokens)/367404 - 1; e < -0.02 || e > 0.02 {
		t.Errorf("%d tokens, printed 367404", a.CacheTokens)
	}
}

func TestLoRAAdaptersCost(t *testing.T) {
	m, q := model(t, "meta-llama/Llama-3.1-8B")
	s := Setup{GPU: card(t, "H100"), Quant: q, LoRAs: 8, LoRARank: 16, Context: 8192}
	a, err := Check(m, s)
	if err != nil {
		t.Fatal(err)
	}
	// Rank 16 on every linear layer of Llama-3.1-8B is 42 million parameters: 84 MB.
	if mb := float64(a.Stages[0].LoRA) / 8 / 1e6; mb < 80 || mb > 88 {
		t.Errorf("%.1f MB an adapter", mb)
	}
}
