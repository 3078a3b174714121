package upstream_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir"
	. "weir/upstream"
)

// Usage as providers and servers report it, and the billed tokens.
func TestUsageOfEveryProvider(t *testing.T) {
	f := func(op weir.Op, usage string, want weir.Usage, ok bool) {
		t.Helper()
		if have, told := ReadUsage(op, []byte(`{"usage":`+usage+`}`)); told != ok || ok && have != want {
			t.Errorf("%s:\n%+v %v, want\n%+v %v", usage, have, told, want, ok)
		}
	}
	none := weir.Usage{}
	// reasoning inside the answer (OpenAI), outside it and in the total (xAI), only in the
	// total (Google), outside it without a total
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":120,"total_tokens":130,"completion_tokens_details":{"reasoning_tokens":100}}`, weir.Usage{Prompt: 10, Completion: 120, Reasoning: 100}, true)
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":20,"total_tokens":130,"completion_tokens_details":{"reasoning_tokens":100}}`, weir.Usage{Prompt: 10, Completion: 120, Reasoning: 100}, true)
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":20,"total_tokens":130}`, weir.Usage{Prompt: 10, Completion: 120, Reasoning: 100}, true)
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":20,"reasoning_tokens":100}`, weir.Usage{Prompt: 10, Completion: 120, Reasoning: 100}, true)
	f(weir.OpResponses, `{"input_tokens":10,"output_tokens":120,"total_tokens":130,"output_tokens_details":{"reasoning_tokens":100}}`, weir.Usage{Prompt: 10, Completion: 120, Reasoning: 100}, true)
	// the cache: DeepSeek, Moonshot, OpenAI's, tokens written to it
	f(weir.OpChat, `{"prompt_tokens":1000,"completion_tokens":5,"total_tokens":1005,"prompt_cache_hit_tokens":900,"prompt_cache_miss_tokens":100}`, weir.Usage{Prompt: 1000, Cached: 900, Completion: 5}, true)
	f(weir.OpChat, `{"completion_tokens":5,"prompt_cache_hit_tokens":900,"prompt_cache_miss_tokens":100}`, weir.Usage{Prompt: 1000, Cached: 900, Completion: 5}, true)
	f(weir.OpChat, `{"prompt_tokens":1000,"completion_tokens":5,"cached_tokens":900}`, weir.Usage{Prompt: 1000, Cached: 900, Completion: 5}, true)
	f(weir.OpChat, `{"prompt_tokens":1000,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":600,"cache_write_tokens":300}}`, weir.Usage{Prompt: 1000, Cached: 600, Written: 300, Completion: 5}, true)
	f(weir.OpResponses, `{"input_tokens":1000,"output_tokens":5,"input_tokens_details":{"cached_tokens":600,"cache_write_tokens":300}}`, weir.Usage{Prompt: 1000, Cached: 600, Written: 300, Completion: 5}, true)
	f(weir.OpChat, `{"prompt_tokens":1000,"completion_tokens":5,"cache_read_input_tokens":600,"cache_creation_input_tokens":300}`, weir.Usage{Prompt: 1000, Cached: 600, Written: 300, Completion: 5}, true)
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":5,"cached_tokens":900}`, weir.Usage{Prompt: 10, Cached: 10, Completion: 5}, true)
	// messages: the parts of the prompt are counted apart
	f(weir.OpMessages, `{"input_tokens":6,"cache_creation_input_tokens":159217,"cache_read_input_tokens":0,"output_tokens":2745}`, weir.Usage{Prompt: 159223, Written: 159217, Completion: 2745}, true)
	f(weir.OpMessages, `{"input_tokens":6,"cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"cache_read_input_tokens":50,"output_tokens":7}`,
		weir.Usage{Prompt: 356, Cached: 50, Written: 100, WrittenHour: 200, Completion: 7}, true)
	f(weir.OpMessages, `{"input_tokens":6,"cache_creation":{"ephemeral_5m_input_tokens":100,"ephemeral_1h_input_tokens":200},"output_tokens":7,"service_tier":"standard"}`,
		weir.Usage{Prompt: 306, Written: 100, WrittenHour: 200, Completion: 7}, true)
	f(weir.OpMessages, `{"input_tokens":6}`, none, false)
	// sound
	f(weir.OpChat, `{"prompt_tokens":100,"completion_tokens":50,"prompt_tokens_details":{"audio_tokens":80},"completion_tokens_details":{"audio_tokens":30,"reasoning_tokens":0}}`, weir.Usage{Prompt: 100, AudioPrompt: 80, Completion: 50, AudioAnswer: 30}, true)
	// totals that disagree with the parts, missing parts
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":20,"total_tokens":200,"completion_tokens_details":{"reasoning_tokens":100}}`, weir.Usage{Prompt: 10, Completion: 190, Reasoning: 170, Estimated: true}, true)
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":20,"total_tokens":5}`, weir.Usage{Prompt: 10, Completion: 20, Estimated: true}, true)
	f(weir.OpChat, `{"prompt_tokens":10,"total_tokens":30}`, weir.Usage{Prompt: 10, Completion: 20}, true)
	f(weir.OpChat, `{"completion_tokens":20,"total_tokens":30}`, weir.Usage{Prompt: 10, Completion: 20}, true)
	f(weir.OpChat, `{"prompt_tokens":10}`, none, false)
	f(weir.OpChat, `{"prompt_tokens":10,"completion_tokens":null}`, none, false)
	f(weir.OpChat, `{"total_tokens":30}`, none, false)
	f(weir.OpChat, `{}`, none, false)
	f(weir.OpEmbeddings, `{"total_tokens":8}`, weir.Usage{Prompt: 8}, true)
	// in the names of other services, and one count under two names (one of them empty)
	f(weir.OpChat, `{"promptTokenCount":7,"candidatesTokenCount":3,"thoughtsTokenCount":20,"cachedContentTokenCount":2,"totalTokenCount":30}`, weir.Usage{Prompt: 7, Cached: 2, Completion: 23, Reasoning: 20}, true)
	f(weir.OpChat, `{"inputTokens":7,"outputTokens":3,"totalTokens":100,"cacheReadInputTokens":90}`, weir.Usage{Prompt: 97, Cached: 90, Completion: 3}, true)
	f(weir.OpChat, `{"promptTokens":7,"completionTokens":3}`, weir.Usage{Prompt: 7, Completion: 3}, true)
	f(weir.OpChat, `{"billed_units":{"input_tokens":7,"output_tokens":3},"tokens":{"input_tokens":70,"output_tokens":3}}`, weir.Usage{Prompt: 7, Completion: 3}, true)
	f(weir.OpChat, `{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"input_tokens":0,"output_tokens":0}`, weir.Usage{Prompt: 7, Completion: 3}, true)
	f(weir.OpChat, `{"prompt_tokens":7,"completion_tokens":3,"cached_tokens":5,"prompt_cache_hit_tokens":0}`, weir.Usage{Prompt: 7, Cached: 5, Completion: 3}, true)
	f(weir.OpChat, `{"prompt_tokens":1000,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":100,"cache_creation_input_tokens":600,"cache_creation":{"ephemeral_5m_input_tokens":400,"ephemeral_1h_input_tokens":200}}}`,
		weir.Usage{Prompt: 1000, Cached: 100, Written: 400, WrittenHour: 200, Completion: 5}, true)
	// the cache outside the prompt, though the API is not Messages
	beside := weir.Usage{Prompt: 907, Cached: 600, Written: 300, Completion: 3}
	f(weir.OpChat, `{"prompt_tokens":7,"completion_tokens":3,"total_tokens":910,"cache_read_input_tokens":600,"cache_creation_input_tokens":300}`, beside, true)
	f(weir.OpChat, `{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"cache_read_input_tokens":600,"cache_creation_input_tokens":300}`, beside, true)
	f(weir.OpChat, `{"input_tokens":7,"output_tokens":3,"cache_read_input_tokens":600,"cache_creation_input_tokens":300}`, beside, true)
	f(weir.OpChat, `{"prompt_tokens":907,"completion_tokens":3,"total_tokens":910,"cache_read_input_tokens":600,"cache_creation_input_tokens":300}`, beside, true)
	f(weir.OpChat, `{"prompt_tokens":7,"completion_tokens":3,"total_tokens":610,"prompt_tokens_details":{"cached_tokens":600}}`, weir.Usage{Prompt: 607, Cached: 600, Completion: 3}, true)
	// an impossible total is ignored alone; zero usage is not usage
	for _, n := range []string{`-1`, `10.5`, `"?"`, `1e12`} {
		f(weir.OpChat, `{"prompt_tokens":7,"completion_tokens":3,"total_tokens":`+n+`}`, weir.Usage{Prompt: 7, Completion: 3, Estimated: true}, true)
		f(weir.OpEmbeddings, `{"total_tokens":`+n+`}`, none, false)
	}
	f(weir.OpChat, `{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`, none, false)
	f(weir.OpMessages, `{"input_tokens":0,"output_tokens":0}`, none, false)
	f(weir.OpEmbeddings, `{"prompt_tokens":0,"total_tokens":0}`, none, false)
	// numbers in any notation
	for _, n := range []string{`1000000`, `1e6`, `1E+6`, `1000000.0`, `"1000000"`, `" 1e6 "`, `10.0e5`} {
		f(weir.OpChat, `{"prompt_tokens":`+n+`,"completion_tokens":1}`, weir.Usage{Prompt: 1e6, Completion: 1}, true)
	}
	for _, n := range []string{`1.5`, `-1`, `-1e3`, `1e9`, `1e400`, `"many"`, `""`, `"NaN"`, `"Infinity"`, `true`, `[1]`, `{}`, `1e-3`} {
		f(weir.OpChat, `{"prompt_tokens":`+n+`,"completion_tokens":1}`, none, false)
		f(weir.OpChat, `{"prompt_tokens":5,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":`+n+`}}`, weir.Usage{Prompt: 5, Completion: 1, Estimated: true}, true)
	}
}

func TestTheServiceTierIsWhatTheAnswerSays(t *testing.T) {
	for body, want := range map[string]weir.Tier{
		`{"service_tier":"priority","usage":{"prompt_tokens":1,"completion_tokens":1}}`:  weir.PriorityTier,
		`{"usage":{"prompt_tokens":1,"completion_tokens":1},"service_tier":"flex"}`:      weir.FlexTier,
		`{"usage":{"prompt_tokens":1,"completion_tokens":1},"service_tier":"ultrafast"}`: weir.OtherTier,
		`{"usage":{"prompt_tokens":1,"completion_tokens":1},"service_tier":"default"}`:   weir.StandardTier,
		`{"usage":{"prompt_tokens":1,"completion_tokens":1},"service_tier":null}`:        weir.StandardTier,
	} {
		if u, ok := ReadUsage(weir.OpChat, []byte(body)); !ok || u.Tier != want {
			t.Errorf("%s: %s, %v", body, u.Tier, ok)
		}
	}
	u, _ := ReadUsage(weir.OpMessages, []byte(`{"usage":{"input_tokens":1,"output_tokens":1,"service_tier":"priority"}}`))
	if u.Tier != weir.PriorityTier {
		t.Error(u)
	}
}

// Whatever a usage object contains, the billed usage is consistent: no part exceeds its
// whole.
func TestThePartsOfUsageNeverExceedTheWhole(t *testing.T) {
	names := []string{"prompt_tokens", "completion_tokens", "input_tokens", "output_tokens", "total_tokens", "prompt_cache_hit_tokens", "prompt_cache_miss_tokens",
		"cached_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "reasoning_tokens"}
	inner := []string{"cached_tokens", "cache_write_tokens", "reasoning_tokens", "audio_tokens", "ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"}
	details := []string{"prompt_tokens_details", "completion_tokens_details", "cache_creation", "input_tokens_details"}
	numbers := rapid.SampledFrom([]string{"0", "1", "7", "100", "1e2", "99999999", "100000000", "-3", "null", `"50"`, `"x"`, "2.5"})
	rapid.Check(t, func(t *rapid.T) {
		object := func(names []string, more ...string) string {
			for range rapid.IntRange(0, 5).Draw(t, "members") {
				more = append(more, `"`+rapid.SampledFrom(names).Draw(t, "name")+`":`+numbers.Draw(t, "number"))
			}
			return "{" + strings.Join(more, ",") + "}"
		}
		body := `{"usage":` + object(names, `"`+rapid.SampledFrom(details).Draw(t, "details")+`":`+object(inner)) + `}`
		op := rapid.SampledFrom([]weir.Op{weir.OpChat, weir.OpEmbeddings, weir.OpResponses, weir.OpMessages}).Draw(t, "op")
		u, told := ReadUsage(op, []byte(body))
		if !told {
			return
		}
		if u.Prompt < 0 || u.Completion < 0 || u.Prompt > MaxCount || u.Completion > MaxCount || u.Cached < 0 || u.Written < 0 || u.WrittenHour < 0 || u.AudioPrompt < 0 ||
			u.Cached+u.Written+u.WrittenHour+u.AudioPrompt > u.Prompt || u.Reasoning < 0 || u.AudioAnswer < 0 || u.Reasoning+u.AudioAnswer > u.Completion {
			t.Fatalf("%s: %+v", body, u)
		}
	})
}
