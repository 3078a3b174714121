package engine

import (
	"testing"

	"pgregory.net/rapid"
)

func rooflineOf(t testing.TB, gpu, model string, tp int, p Precision) *Roofline {
	t.Helper()
	c := catalogue(t)
	pg, err := c.GPU(gpu)
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewGPU(pg)
	if err != nil {
		t.Fatal(err)
	}
	pm, err := findModel(c, model)
	if err != nil {
		t.Fatal(err)
	}
	return NewRoofline(g, NewModel(pm), Layout{TP: tp}, p, 1024)
}

func decoding(r *Roofline, n int) Picoseconds { return r.Step(Batch{Decode: n}).Fixed }

func prefilling(r *Roofline, n int) Picoseconds {
	return r.Step(Batch{Prefill: n, Prompts: 1, Ends: 1, Pairs: int64(n) * int64(n+1) / 2}).Fixed
}

// An A100 computes 8 and 4 bit weights in 16 bits: narrow storage makes a few
// answers faster, and no prompt.
func TestNarrowWeightsSaveReadingNotComputing(t *testing.T) {
	wide := rooflineOf(t, "A100-80GB", "Llama-3.1-8B", 1, Precision{})
	for _, stored := range []string{"fp8", "int4"} {
		narrow := rooflineOf(t, "A100-80GB", "Llama-3.1-8B", 1, Precision{Weights: stored})
		if have, want := decoding(narrow, 4), decoding(wide, 4)*7/10; have > want {
			t.Errorf("%s: 4 answers take %v a step, want at most %v, seven tenths of 16 bits", stored, have, want)
		}
		if have, least := prefilling(narrow, 2048), prefilling(wide, 2048); have < least {
			t.Errorf("%s: a prompt takes %v, want at least the %v of 16 bits", stored, have, least)
		}
	}
	full := rooflineOf(t, "H100-80GB", "Llama-3.1-8B", 1, Precision{})
	if have, most := prefilling(rooflineOf(t, "H100-80GB", "Llama-3.1-8B", 1, Precision{Weights: "fp8"}), 8192), prefilling(full, 8192); have >= most {
		t.Errorf("an H100 computes a prompt in 8 bits in %v, want less than the %v of 16", have, most)
	}
}

// DeepSeek-V3.2 attends to a fixed number of slots: compared with V3 it costs
// more for short contexts, and less per held token.
func TestSparseAttentionPaysForSlotsNotForContext(t *testing.T) {
	dense := rooflineOf(t, "H200", "DeepSeek-V3", 8, Precision{Weights: "fp8_block"})
	sparse := rooflineOf(t, "H200", "DeepSeek-V3.2", 8, Precision{Weights: "fp8_block"})
	if have, least := prefilling(sparse, 128), prefilling(dense, 128); have <= least {
		t.Errorf("a prompt of 128 tokens takes %v, want more than the %v of dense attention", have, least)
	}
	if have, most := sparse.Step(Batch{Decode: 1}).PerKV, dense.Step(Batch{Decode: 1}).PerKV; have >= most {
		t.Errorf("a held token takes %v a step, want less than the %v of dense attention", have, most)
	}
}

// More work never takes less time: no kernel curve falls where two of its
// regimes meet.
func TestMoreWorkNeverTakesLess(t *testing.T) {
	gpus := []string{"A100-80GB", "H100-80GB", "L40S", "RTX PRO 6000"}
	models := []string{"Llama-3.1-8B", "Qwen3-30B-A3B", "gpt-oss-20b"}
	speeds := map[string]*Roofline{}
	for _, g := range gpus {
		for _, m := range models {
			for _, p := range []string{"", "fp8", "int4"} {
				speeds[g+m+p] = rooflineOf(t, g, m, 2, Precision{Weights: p})
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		r := speeds[rapid.SampledFrom(gpus).Draw(t, "gpu")+rapid.SampledFrom(models).Draw(t, "model")+rapid.SampledFrom([]string{"", "fp8", "int4"}).Draw(t, "weights")]
		held := rapid.IntRange(0, 1_000_000).Draw(t, "held")
		n := rapid.IntRange(1, 1000).Draw(t, "decode")
		b := Batch{Decode: n, Prefill: rapid.IntRange(1, 8192).Draw(t, "prefill"), Prompts: 1, Held: int64(held)}
		b.Pairs = int64(b.Prefill) * int64(b.Prefill+1) / 2
		more := b
		more.Held += int64(rapid.IntRange(0, 1_000_000).Draw(t, "more held"))
		if have, least := r.Step(more).Of(int(more.Held)), r.Step(b).Of(held); have < least {
			t.Fatalf("%+v takes %v, %+v takes %v", more, have, b, least)
		}
		alone := Batch{Decode: n}
		if have, least := r.Step(b).Of(held), r.Step(alone).Of(held); have < least {
			t.Fatalf("%+v takes %v, without the prompt %v", b, have, least)
		}
	})
}
