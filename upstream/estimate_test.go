package upstream_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

func TestEstimatesOfKnownTexts(t *testing.T) {
	f := func(op weir.Op, request, answer string, want weir.Usage) {
		t.Helper()
		want.Estimated = true
		if got := Estimate(op, []byte(request), []byte(answer)); got != want {
			t.Errorf("%s: %+v, want %+v", request, got, want)
		}
	}
	// "tiktoken is great!" is 6 tokens in o200k_base (OpenAI cookbook).
	const great = "tiktoken is great!"
	f(weir.OpCompletions, `{"model":"ignored words here","prompt":"`+great+`"}`, great, weir.Usage{Prompt: 6, Completion: 6})
	f(weir.OpCompletions, `{"prompt":["`+great+`","`+great+`"]}`, "", weir.Usage{Prompt: 12})
	f(weir.OpCompletions, `{"prompt":[1,22,-333]}`, "", weir.Usage{Prompt: 3})
	f(weir.OpEmbeddings, `{"input":"`+great+`"}`, "x", weir.Usage{Prompt: 6})
	f(weir.OpChat, `{"messages":[{"role":"user","content":"`+great+`"}]}`, "", weir.Usage{Prompt: 6 + 4 + 3})
	f(weir.OpChat, `{"messages":[{"role":"user","content":[{"type":"text","text":"`+great+`"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}]}`, "", weir.Usage{Prompt: 6 + 4 + 3})
	f(weir.OpChat, `not json`, "", weir.Usage{})
}

func TestAnswersTextIsCollected(t *testing.T) {
	f := func(op weir.Op, data, want string) {
		t.Helper()
		if got := string(AppendText([]byte(">"), op, []byte(data))); got != ">"+want {
			t.Errorf("%s: %q, want %q", data, got, want)
		}
	}
	f(weir.OpChat, `{"id":"x","choices":[{"delta":{"role":"assistant","content":"a\n\u00e9\ud83d\ude00\""}}]}`, "a\né😀\"")
	f(weir.OpChat, `{"choices":[{"message":{"content":"a","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}}]}`, "af{}")
	f(weir.OpChat, `{"choices":[{"delta":{"reasoning_content":"hm","content":null}}]}`, "hm")
	f(weir.OpCompletions, `{"choices":[{"text":"a"},{"text":"b"}]}`, "ab")
	f(weir.OpResponses, `{"type":"response.output_text.delta","delta":"a"}`, "a")
	f(weir.OpResponses, `{"delta":"a","type":"response.output_text.delta"}`, "a")
	f(weir.OpResponses, `{"type":"response.output_text.done","text":"a"}`, "")
	f(weir.OpResponses, `{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]}]}`, "a")
	f(weir.OpMessages, `{"type":"content_block_delta","delta":{"type":"text_delta","text":"a"}}`, "a")
	f(weir.OpMessages, `{"content":[{"type":"text","text":"a"}]}`, "a")
	f(weir.OpChat, `{"choices":[{"delta":{"content":"cut`, "")
}

// TestAnEstimateOfAnyTextIsPlausible: between a token a byte and one for twenty; and
// twice the text has about twice the tokens, counted or extrapolated.
func TestAnEstimateOfAnyTextIsPlausible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Repeat(rapid.StringN(1, 60, 200).Draw(t, "text"), rapid.IntRange(1, 2000).Draw(t, "times"))
		content, _ := json.Marshal(text)
		u := Estimate(weir.OpCompletions, []byte(`{"prompt":`+string(content)+`}`), []byte(text))
		for _, n := range []int64{u.Prompt, u.Completion} {
			if n < 1 || n > int64(len(content))+1 {
				t.Fatalf("%d tokens for %d bytes", n, len(text))
			}
		}
	})
}

func TestALongTextIsCountedInPart(t *testing.T) {
	words := strings.Repeat("the quick brown fox jumps over the lazy dog ", 50_000) // 2.2 MB
	u := Estimate(weir.OpCompletions, []byte(`{"prompt":"`+words+`"}`), []byte(words))
	const want = 9 * 50_000 // nine words, nine tokens
	if u.Completion < want*98/100 || u.Completion > want*102/100 {
		t.Errorf("%d tokens, want about %d", u.Completion, want)
	}
}

// BenchmarkEstimate: the time of the worst texts must grow only with their length.
func BenchmarkEstimate(b *testing.B) {
	for name, text := range map[string]string{
		"words":   strings.Repeat("the quick brown fox ", 1<<16)[:1<<16],
		"letters": strings.Repeat("a", 1<<16),
		"spaces":  strings.Repeat(" ", 1<<16),
		"quotes":  strings.Repeat(`\"`, 1<<15),
	} {
		request := []byte(`{"prompt":"` + text + `"}`)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(request)))
			for b.Loop() {
				Estimate(weir.OpCompletions, request, nil)
			}
		})
	}
}
