package engine

import (
	"sort"
	"time"
)

// Capacity estimates a replica's throughput in tokens per second from single
// steps. Policies start with it and learn the rest. Package saturate finds how
// many requests it serves within an SLO. prefill is the throughput of nothing
// but prefilling prompts of that length. decode is that of nothing but
// decoding, with every token after the first within tpot (0: no bound): as many
// sequences at once as its KV cache holds at half of their output, and at least
// one. A mix takes at most prompt/prefill + output/decode seconds per request,
// and less where steps that do both read the weights once. Both are 0 if not
// even one such request fits.
func (s Spec) Capacity(prompt, output int, tpot time.Duration) (prefill, decode float64) {
	s = s.withDefaults()
	if prompt < 1 || prompt+output > s.KVTokens {
		return 0, 0
	}
	chunk := min(prompt, s.MaxBatchTokens)
	prompts := max(1, s.MaxBatchTokens/prompt)
	step := s.Speed.Step(Batch{
		Prefill: prompts * chunk, Prompts: prompts, Ends: prompts,
		Pairs: int64(prompts) * int64(chunk) * int64(prompt+1) / 2,
	}).Of(0)
	prefill = float64(prompts*chunk) / step.Duration().Seconds()
	held := prompt + output/2
	most := max(1, min(s.MaxSeqs, s.KVTokens/max(held, 1)))
	slow := func(n int) bool {
		return tpot > 0 && s.Speed.Step(Batch{Decode: n}).Of(n*held).Duration() > tpot
	}
	n := max(1, sort.Search(most, func(i int) bool { return slow(i + 1) }))
	decode = float64(n) / s.Speed.Step(Batch{Decode: n}).Of(n*held).Duration().Seconds()
	return prefill, decode
}
