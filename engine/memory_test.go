package engine

import (
	"errors"
	"testing"

	"weir/fit"
)

// A replica has the room that weir fit prints for the same setup.
func TestARoomIsWhatFitSays(t *testing.T) {
	c := catalogue(t)
	for _, s := range []struct {
		gpu, model string
		tp         int
	}{
		{"H100-80GB", "meta-llama/Llama-3.1-8B", 1}, {"A100-80GB", "meta-llama/Llama-3.3-70B-Instruct", 4},
		{"H200", "Qwen/Qwen3-235B-A22B", 8}, {"L40S", "Qwen/Qwen3-8B", 2},
	} {
		spec, err := Lookup(s.gpu, s.model, s.tp, "")
		if err != nil {
			t.Fatal(err)
		}
		pg, err := c.GPU(s.gpu)
		if err != nil {
			t.Fatal(err)
		}
		gpu, err := fit.NewGPU(pg)
		if err != nil {
			t.Fatal(err)
		}
		m, q, err := fit.Named(c, s.model)
		if err != nil {
			t.Fatal(err)
		}
		a, err := fit.Check(m, fit.Setup{GPU: gpu, Quant: q, TP: s.tp})
		if err != nil {
			t.Fatal(err)
		}
		if off := spec.KVTokens - int(a.CacheTokens); off < -1 || off > 1 {
			t.Errorf("%d x %s, %s: room for %d tokens, fit says %d", s.tp, s.gpu, s.model, spec.KVTokens, a.CacheTokens)
		}
		if spec.MaxSeqs < 256 || spec.MaxBatchTokens < 2048 {
			t.Errorf("%s: %d sequences, %d tokens a step: want the engine's defaults", s.gpu, spec.MaxSeqs, spec.MaxBatchTokens)
		}
	}
}

// Ranks that share experts have room for more than each alone.
func TestRanksThatShareExpertsHoldLessOfThem(t *testing.T) {
	c := catalogue(t)
	room := func(l Layout) int {
		s, err := Of(c, "H100-80GB", "Qwen/Qwen3-30B-A3B", l, Precision{})
		if err != nil {
			t.Fatal(err)
		}
		return s.KVTokens
	}
	if one, four := room(Layout{DP: 1}), room(Layout{DP: 4}); four < 5*one {
		t.Errorf("4 ranks hold %d tokens, one %d: want over five times as many", four, one)
	}
}

func TestAModelWithoutRoomIsRefused(t *testing.T) {
	if _, err := Lookup("L4", "meta-llama/Llama-3.3-70B-Instruct", 1, ""); !errors.Is(err, ErrNoRoom) {
		t.Errorf("70B on one L4: %v, want %v", err, ErrNoRoom)
	}
}
