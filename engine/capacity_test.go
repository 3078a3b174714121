package engine

import (
	"math"
	"testing"
	"time"
)

// A replica that is never idle reaches its capacity, and up to half as much
// again where steps that do both share the reading of the weights.
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

// As many decode at once as the KV cache holds at half of their output, at most
// MaxSeqs: here steps of 10 ms and 1 us for each token held.
func TestCapacityIsOfWhatTheCacheHolds(t *testing.T) {
	f := func(maxSeqs, kvTokens, prompt, output int, want float64) {
		t.Helper()
		s := Spec{Speed: linear{step: 10e9, token: 1e9, kv: 1e6}, MaxSeqs: maxSeqs, KVTokens: kvTokens}
		if _, have := s.Capacity(prompt, output, 0); math.Abs(have-want) > 1e-6*want {
			t.Errorf("%d KV tokens, %d/%d: have %v tokens/s, want %v", kvTokens, prompt, output, have, want)
		}
	}
	f(256, 1600, 100, 200, 8/0.0116)   // 8 x 200 tokens
	f(256, 1599, 100, 200, 7/0.0114)   // no room for the eighth
	f(4, 1600, 100, 200, 4/0.0108)     // MaxSeqs is less
	f(256, 1600, 100, 1500, 1/0.01085) // one has 850 at half of its output
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
