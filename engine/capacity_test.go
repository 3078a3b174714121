package engine

import (
	"testing"
	"time"
)

// A replica that is never idle serves what its capacity says, and up to half
// as much again where steps that do both share the reading of the weights.
func TestASaturatedReplicaReachesItsCapacity(t *testing.T) {
	c := catalogue(t)
	f := func(gpu, model string, tp, prompt, output int) {
		t.Helper()
		s, err := Of(c, gpu, model, Layout{TP: tp}, Precision{})
		if err != nil {
			t.Fatal(err)
		}
		prefill, decode := s.Capacity(prompt, output, 0)
		want := float64(output) / (float64(prompt)/prefill + float64(output)/decode)
		n := 3 * min(s.MaxSeqs, s.KVTokens/(prompt+output/2))
		have := closedLoop(benchRow{replicas: 1}, s, prompt, output, n/3+1, n).tokens
		if have < 0.75*want || have > 1.5*want {
			t.Errorf("%s on %d x %s, %d/%d tokens: %.0f output tokens/s, by capacity %.0f", model, tp, gpu, prompt, output, have, want)
		}
	}
	f("H100", "Llama-3.1-8B", 1, 500, 300)
	f("H100", "Llama-3.1-8B", 1, 4000, 100)
	f("A100-80GB", "Llama-3.3-70B", 4, 1500, 50)
	f("A100-80GB", "Llama-3.3-70B", 4, 200, 1000)
	f("H200", "Qwen3-30B-A3B", 1, 1000, 200)
}

func TestATighterBoundOnLatencyCostsCapacity(t *testing.T) {
	s, err := Of(catalogue(t), "H100", "Llama-3.1-8B", Layout{}, Precision{})
	if err != nil {
		t.Fatal(err)
	}
	last := 0.0
	for _, tpot := range []time.Duration{5 * time.Millisecond, 10 * time.Millisecond, 20 * time.Millisecond, 0} {
		if _, decode := s.Capacity(500, 300, tpot); decode <= last {
			t.Errorf("%v per token: %.0f tokens/s, not more than with a tighter bound (%.0f)", tpot, decode, last)
		} else {
			last = decode
		}
	}
	if p, d := s.Capacity(s.KVTokens, 1, 0); p != 0 || d != 0 {
		t.Errorf("a request that does not fit: %v, %v", p, d)
	}
}
