package engine

import (
	"errors"
	"testing"
	"time"

	"weir"
)

// tick is a speed of 10 ms a step and 1 ms a prefilled token.
var tick = linear{step: 10e9, token: 1e9}

func ms(n int64) weir.Instant { return weir.Instant(n * int64(time.Millisecond)) }

func TestTokensComeOneAStep(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 1600})
	if err := r.Arrive(0, Request{ID: 7, Prompt: 20, Output: 4}); err != nil {
		t.Fatal(err)
	}
	f := func(at weir.Instant, tokens int, next weir.Instant) {
		t.Helper()
		r.Advance(at)
		if have := r.Tokens(at, 7); have != tokens {
			t.Errorf("tokens at %d: have %d, want %d", at, have, tokens)
		}
		if have := r.NextToken(7); have != next {
			t.Errorf("next token at %d: have %d, want %d", at, have, next)
		}
	}
	f(0, 0, 0)        // the step begins a nanosecond after the arrival
	f(1, 0, ms(30)+1) // prefill: 10 + 20 ms
	f(ms(30)+1, 1, ms(40)+1)
	f(ms(45), 2, ms(50)+1)
	f(ms(55), 3, ms(60)+1)
	f(ms(60)+1, 0, 0)
}

// A step that ends within a nanosecond shows its token at the end of it, and
// what was rounded is not carried into the next step.
func TestAnEventIsSeenAtTheFirstNanosecondAfterIt(t *testing.T) {
	r := New(Spec{Speed: linear{step: 10_400}, KVTokens: 1600}) // 10.4 ns
	if err := r.Arrive(0, Request{ID: 1, Prompt: 5, Output: 5}); err != nil {
		t.Fatal(err)
	}
	// The steps end at 11.4, 21.8, 32.2, 42.6 and 53.0 ns.
	for k, at := range []weir.Instant{12, 22, 33, 43, 53} {
		if next := r.NextToken(1); k > 0 && next != at {
			t.Errorf("token %d is announced for %d ns, want %d", k+1, next, at)
		}
		if r.Advance(at - 1); r.Tokens(at-1, 1) != k {
			t.Errorf("at %d ns: %d tokens, want %d", at-1, r.Tokens(at-1, 1), k)
		}
		have := r.Advance(at)
		if k == 0 && (len(have) != 1 || have[0] != Event{ID: 1, Kind: FirstToken, At: at}) {
			t.Errorf("have %v, want the first token at %d", have, at)
		}
		if k == 4 && (len(have) != 1 || have[0] != Event{ID: 1, Kind: Finished, At: at}) {
			t.Errorf("have %v, want the last token at %d", have, at)
		}
	}
}

// Each sequence decodes in each step: a smaller budget of tokens grows to that.
func TestAStepHasATokenForEachSequence(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 1600, MaxSeqs: 8, MaxBatchTokens: 3})
	for id := range uint64(8) {
		if err := r.Arrive(0, Request{ID: id, Prompt: 1, Output: 2}); err != nil {
			t.Fatal(err)
		}
	}
	first := 0
	for _, e := range r.Advance(ms(18) + 1) { // 10 ms, and 1 ms for each of eight tokens
		if e.Kind == FirstToken {
			first++
		}
	}
	if first != 8 {
		t.Errorf("the first step gave %d sequences their first token, want all 8", first)
	}
}

func TestEmbeddingFinishesWithItsPrefill(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 1600})
	if err := r.Arrive(0, Request{ID: 1, Prompt: 5}); err != nil {
		t.Fatal(err)
	}
	want := Event{ID: 1, Kind: Finished, At: ms(15) + 1}
	if have := r.Advance(ms(100)); len(have) != 1 || have[0] != want {
		t.Errorf("have %v, want %v", have, want)
	}
}

func TestALoadingReplicaKeepsWhatArrives(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 1600, Load: time.Second})
	r.Start(0)
	if err := r.Arrive(5, Request{ID: 1, Prompt: 1, Output: 1}); err != nil {
		t.Fatal(err)
	}
	if have := r.Advance(ms(1011)); len(have) != 2 || have[1].At != ms(1011) {
		t.Errorf("have %v, want the first and last token at 1011 ms", have)
	}
}

func TestADrainingReplicaFinishesWhatItHas(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 1600})
	if err := r.Arrive(0, Request{ID: 1, Prompt: 1, Output: 2}); err != nil {
		t.Fatal(err)
	}
	r.Drain()
	if err := r.Arrive(0, Request{ID: 2, Prompt: 1, Output: 2}); !errors.Is(err, ErrDraining) {
		t.Errorf("have %v, want ErrDraining", err)
	}
	if r.Drained() {
		t.Error("drained with a request in the batch")
	}
	if r.Advance(ms(100)); !r.Drained() {
		t.Error("not drained after the last request finished")
	}
}

func TestWhatCanNeverFitIsRefused(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 100, MaxLen: 90})
	f := func(id uint64, prompt, output int, want error) {
		t.Helper()
		if err := r.Arrive(0, Request{ID: id, Prompt: prompt, Output: output}); !errors.Is(err, want) {
			t.Errorf("%d + %d tokens: have %v, want %v", prompt, output, err, want)
		}
	}
	f(1, 80, 10, nil)
	f(2, 80, 11, ErrTooLong)
	f(1, 1, 1, ErrDuplicate)
	if err := r.Arrive(0, Request{ID: 3}); err == nil {
		t.Error("a request without a prompt was taken")
	}
}

func TestASharedPrefixIsComputedOnce(t *testing.T) {
	r := New(Spec{Speed: tick, KVTokens: 1600, PrefixCache: true})
	for id := range uint64(3) {
		err := r.Arrive(ms(int64(id)*1000), Request{ID: id, Prompt: 40, Output: 2, Prefix: []uint64{5, 6}})
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Advance(ms(10_000))
	l := r.Load()
	if l.PromptTokens != 40+8+8 || l.CachedTokens != 32+32 {
		t.Errorf("have %d computed and %d cached prompt tokens, want 56 and 64", l.PromptTokens, l.CachedTokens)
	}
	if l.KVUsedTokens != 0 || l.Running != 0 || l.Waiting != 0 {
		t.Errorf("an idle replica holds something: %+v", l)
	}
}

func TestLookupNamesWhatItKnows(t *testing.T) {
	f := func(gpu, model string, tp int, dtype string, want error) {
		t.Helper()
		s, err := Lookup(gpu, model, tp, dtype)
		if !errors.Is(err, want) {
			t.Errorf("%d x %s, %s %s: have %v, want %v", tp, gpu, model, dtype, err, want)
		}
		if err == nil && New(s).Load().KVTokens < 2048 {
			t.Errorf("%d x %s, %s %s: room for %d tokens", tp, gpu, model, dtype, s.KVTokens)
		}
	}
	f("H100-80GB", "Llama-3.1-8B", 1, "", nil)
	f("h100-80gb", "llama-3.3-70b", 1, "", ErrNoRoom)
	f("H100-80GB", "Llama-3.3-70B", 2, "", nil)
	f("A100-40GB", "Llama-3.3-70B", 2, "int4", nil)
	f("RTX PRO 6000", "Qwen3-30B-A3B", 1, "bf16", nil)
	f("T4", "bge-large-en-v1.5", 1, "fp16", nil)
	f("T4", "Llama-3.1-8B", 1, "fp16", ErrNoRoom)
	f("L4", "Llama-3.1-8B", 1, "fp8", nil)
	f("Z80", "Llama-3.1-8B", 1, "", ErrUnknown)
	f("L4", "Eliza", 1, "", ErrUnknown)
}
