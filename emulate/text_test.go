package emulate

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const hello = `{"model":"tiny","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Say hello."}]`

func TestAChatIsAnsweredAsOpenAIDoes(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		a := s.post("/v1/chat/completions", hello+`,"max_completion_tokens":7,"temperature":0.2,"unknown":{"x":1}}`)
		must(t, "object", a.at("object").str(), "chat.completion")
		must(t, "model", a.at("model").str(), "tiny")
		must(t, "id", strings.HasPrefix(a.at("id").str(), "chatcmpl-"), true)
		must(t, "role", a.at("choices", 0, "message", "role").str(), "assistant")
		must(t, "finish", a.at("choices", 0, "finish_reason").str(), "length")
		must(t, "says what it is", strings.HasPrefix(a.at("choices", 0, "message", "content").str(), "Emulated answer:"), true)
		// "Be brief." is 9 bytes, "Say hello." 10: 3 tokens each, and 4 for each message.
		must(t, "prompt tokens", a.at("usage", "prompt_tokens").num(), 14)
		must(t, "completion tokens", a.at("usage", "completion_tokens").num(), 7)
		must(t, "total tokens", a.at("usage", "total_tokens").num(), 21)
	})
}

func TestTheSamePromptGetsTheSameAnswerAndASeedAnother(t *testing.T) {
	say := func(seed uint64, body string) (text string) {
		emulated(t, Options{Seed: seed}, func(s *server) {
			text = s.post("/v1/chat/completions", body).at("choices", 0, "message", "content").str()
		})
		return text
	}
	first := say(1, hello+`}`)
	must(t, "again", say(1, hello+`}`), first)
	if say(2, hello+`}`) == first {
		t.Error("another seed gave the same text")
	}
	if say(1, strings.Replace(hello, "hello", "yellow", 1)+`}`) == first {
		t.Error("another prompt got the same text")
	}
}

func TestAStreamComesInOrderAndEndsTruly(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		whole := s.post("/v1/chat/completions", hello+`,"max_tokens":5}`)
		events, err := s.stream("/v1/chat/completions", hello+`,"max_tokens":5,"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		// role, five tokens, finish, [DONE]
		must(t, "events", len(events), 8)
		first := parse(t, []byte(events[0].data))
		must(t, "object", first.at("object").str(), "chat.completion.chunk")
		must(t, "role", first.at("choices", 0, "delta", "role").str(), "assistant")
		must(t, "no usage key when not asked for", first.has("usage"), false)
		text := ""
		for i, e := range events[1:6] {
			c := parse(t, []byte(e.data))
			text += c.at("choices", 0, "delta", "content").str()
			must(t, "id", c.at("id").str(), first.at("id").str())
			must(t, "finish", c.at("choices", 0, "finish_reason").v, nil)
			if want := events[1].at + time.Duration(i)*10*time.Millisecond; e.at < want || e.at > want+2*shortest {
				t.Errorf("token %d came at %v, want about %v: one each step", i, e.at, want)
			}
		}
		must(t, "text", text, whole.at("choices", 0, "message", "content").str())
		must(t, "finish", parse(t, []byte(events[6].data)).at("choices", 0, "finish_reason").str(), "length")
		must(t, "end", events[7].data, "[DONE]")
	})
}

func TestAStreamsUsageComesInAChunkOfItsOwn(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		for _, path := range []string{"/v1/chat/completions", "/v1/completions"} {
			events, err := s.stream(path, hello+`,"prompt":"Say hello.","max_tokens":3,"stream":true,"stream_options":{"include_usage":true}}`)
			if err != nil {
				t.Fatal(err)
			}
			n := len(events)
			must(t, "end", events[n-1].data, "[DONE]")
			last := parse(t, []byte(events[n-2].data))
			must(t, "choices", last.at("choices").len(), 0)
			must(t, "completion tokens", last.at("usage", "completion_tokens").num(), 3)
			must(t, "total", last.at("usage", "total_tokens").num(), 3+last.at("usage", "prompt_tokens").num())
			for _, e := range events[:n-2] {
				must(t, "usage before", parse(t, []byte(e.data)).at("usage").v, nil)
			}
		}
	})
}

func TestAnAnswerIsAsLongAsTheLimitsSay(t *testing.T) {
	emulated(t, Options{Context: 600}, func(s *server) {
		f := func(more string, tokens int, finish string) {
			t.Helper()
			a := s.post("/v1/chat/completions", hello+more+`}`)
			if have := a.at("usage", "completion_tokens").num(); tokens > 0 && have != tokens {
				t.Errorf("%s: %d tokens, want %d", more, have, tokens)
			}
			must(t, more+" finish", a.at("choices", 0, "finish_reason").str(), finish)
		}
		f(`,"max_tokens":1`, 1, "length")
		f(`,"max_tokens":400`, 0, "stop")
		f(`,"max_tokens":400,"ignore_eos":true`, 400, "length")
		f(`,"min_tokens":300,"max_tokens":400`, 300, "stop")
		f(`,"ignore_eos":true`, 600-14, "length") // the rest of the context
		f(``, 0, "stop")
	})
}

func TestCompletionsTakeTextAndTokenIDs(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		f := func(prompt string, tokens int) {
			t.Helper()
			a := s.post("/v1/completions", `{"model":"tiny","prompt":`+prompt+`}`)
			must(t, prompt, a.at("usage", "prompt_tokens").num(), tokens)
			must(t, "object", a.at("object").str(), "text_completion")
			must(t, "OpenAI's default length", a.at("usage", "completion_tokens").num(), 16)
			must(t, "text", a.at("choices", 0, "text").str() != "", true)
		}
		f(`"abcdefghi"`, 3)
		f(`["abcdefgh"]`, 2)
		f(`[1,2,3,4,5]`, 5)
		f(`[[7,8]]`, 2)
	})
}

const tools = `,"tools":[
	{"type":"function","function":{"name":"other","parameters":{"type":"object","properties":{}}}},
	{"type":"function","function":{"name":"get_weather","parameters":{"type":"object",
	 "properties":{"city":{"type":"string"},"unit":{"enum":["C","F"]},"days":{"type":"integer"},"tags":{"type":"array","items":{"type":"string"}},"extra":{"type":"string"}},
	 "required":["city","unit","days","tags"]}}}]`

func TestARequiredToolIsCalledWithArgumentsThatFitItsSchema(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		named := tools + `,"tool_choice":{"type":"function","function":{"name":"get_weather"}}}`
		a := s.post("/v1/chat/completions", hello+named)
		must(t, "content", a.at("choices", 0, "message", "content").v, nil)
		must(t, "finish of a named call", a.at("choices", 0, "finish_reason").str(), "stop")
		fn := a.at("choices", 0, "message", "tool_calls", 0, "function")
		must(t, "name", fn.at("name").str(), "get_weather")
		var args struct {
			City, Unit string
			Days       *int
			Tags       []string
			Extra      *string
		}
		if err := json.Unmarshal([]byte(fn.at("arguments").str()), &args); err != nil {
			t.Fatal(err)
		}
		if args.City == "" || args.Unit != "C" && args.Unit != "F" || args.Days == nil || len(args.Tags) != 1 || args.Extra != nil {
			t.Errorf("arguments do not fit: %s", fn.at("arguments").str())
		}

		events, err := s.stream("/v1/chat/completions", hello+strings.TrimSuffix(named, "}")+`,"stream":true,"stream_options":{"include_usage":true}}`)
		if err != nil {
			t.Fatal(err)
		}
		begin := parse(t, []byte(events[0].data)).at("choices", 0, "delta", "tool_calls", 0)
		must(t, "name", begin.at("function", "name").str(), "get_weather")
		streamed, pieces := "", 0
		for _, e := range events[1 : len(events)-3] {
			streamed += parse(t, []byte(e.data)).at("choices", 0, "delta", "tool_calls", 0, "function", "arguments").str()
			pieces++
		}
		must(t, "streamed arguments", streamed, fn.at("arguments").str())
		must(t, "usage", parse(t, []byte(events[len(events)-2].data)).at("usage", "completion_tokens").num(), pieces)

		a = s.post("/v1/chat/completions", hello+tools+`,"tool_choice":"required"}`)
		must(t, "name", a.at("choices", 0, "message", "tool_calls", 0, "function", "name").str(), "other")
		must(t, "finish of a required call", a.at("choices", 0, "finish_reason").str(), "tool_calls")
		a = s.post("/v1/chat/completions", hello+tools+`,"tool_choice":"auto"}`)
		must(t, "left to itself it talks", a.at("choices", 0, "message").has("tool_calls"), false)
	})
}

func TestAJSONFormatIsHonoured(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		a := s.post("/v1/chat/completions", hello+`,"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":{"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]}}}}`)
		var v struct{ OK *bool }
		if err := json.Unmarshal([]byte(a.at("choices", 0, "message", "content").str()), &v); err != nil || v.OK == nil {
			t.Errorf("%v: %v", err, a)
		}
		a = s.post("/v1/chat/completions", hello+`,"response_format":{"type":"json_object"}}`)
		if text := a.at("choices", 0, "message", "content").str(); !json.Valid([]byte(text)) {
			t.Errorf("not JSON: %s", text)
		}
	})
}

func TestResponsesTellTheirEventsInOrder(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		const body = `{"model":"tiny","instructions":"Be brief.","input":[{"role":"user","content":[{"type":"input_text","text":"Say hello."}]}],"max_output_tokens":4`
		a := s.post("/v1/responses", body+`}`)
		must(t, "status", a.at("status").str(), "incomplete")
		must(t, "why", a.at("incomplete_details", "reason").str(), "max_output_tokens")
		must(t, "output tokens", a.at("usage", "output_tokens").num(), 4)
		must(t, "input tokens", a.at("usage", "input_tokens").num(), 14)
		text := a.at("output", 0, "content", 0, "text").str()

		events, err := s.stream("/v1/responses", body+`,"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		streamed := ""
		for i, e := range events {
			d := parse(t, []byte(e.data))
			must(t, "type", d.at("type").str(), e.name)
			must(t, "number", d.at("sequence_number").num(), i)
			if names = append(names, strings.TrimPrefix(e.name, "response.")); e.name == "response.output_text.delta" {
				streamed += d.at("delta").str()
			}
		}
		must(t, "text", streamed, text)
		must(t, "events", strings.Join(names, " "), "created in_progress output_item.added content_part.added "+
			strings.Repeat("output_text.delta ", 4)+"output_text.done content_part.done output_item.done incomplete")
		a = s.post("/v1/responses", `{"model":"tiny","input":"Say hello."}`)
		must(t, "status", a.at("status").str(), "completed")
	})
}

func TestMessagesTellTheirEventsInOrder(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		const body = `{"model":"tiny","system":"Be brief.","messages":[{"role":"user","content":"Say hello."}],"max_tokens":3`
		a := s.post("/v1/messages", body+`}`)
		must(t, "why", a.at("stop_reason").str(), "max_tokens")
		must(t, "output tokens", a.at("usage", "output_tokens").num(), 3)
		events, err := s.stream("/v1/messages", body+`,"stream":true}`)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		streamed := ""
		for _, e := range events {
			d := parse(t, []byte(e.data))
			must(t, "type", d.at("type").str(), e.name)
			if names = append(names, e.name); e.name == "content_block_delta" {
				streamed += d.at("delta", "text").str()
			}
		}
		must(t, "text", streamed, a.at("content", 0, "text").str())
		must(t, "events", strings.Join(names, " "), "message_start content_block_start "+
			strings.Repeat("content_block_delta ", 3)+"content_block_stop message_delta message_stop")
	})
}

func TestAzurePathsServeTheSameModelUnderAnyDeploymentName(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		a := s.post("/openai/deployments/my-gpt/chat/completions?api-version=2024-10-21", hello+`,"max_tokens":2}`)
		must(t, "model", a.at("model").str(), "tiny")
		s.post("/openai/v1/chat/completions", hello+`,"max_tokens":2}`)
	})
}

// The law of the meter: the streamed tokens are the tokens charged, and the
// replica's own count.
func TestTokensStreamedAreTokensCounted(t *testing.T) {
	emulated(t, Options{Context: 2000}, func(s *server) {
		counted := 0
		rapid.Check(t, func(t *rapid.T) {
			most := rapid.IntRange(1, 300).Draw(t, "max_tokens")
			prompt := rapid.StringMatching(`[a-z ]{1,400}`).Draw(t, "prompt")
			body := fmt.Sprintf(`,"prompt":%q,"max_tokens":%d,"ignore_eos":%v,"stream":true,"stream_options":{"include_usage":true}}`,
				prompt, most, rapid.Bool().Draw(t, "ignore_eos"))
			events, err := s.stream("/v1/completions", `{"model":"tiny"`+body)
			if err != nil {
				t.Fatal(err)
			}
			tokens := len(events) - 3 // finish, usage, [DONE]
			u := parse(s.T, []byte(events[len(events)-2].data)).at("usage")
			if u.at("completion_tokens").num() != tokens || u.at("prompt_tokens").num() != textTokens(len(prompt)) || tokens > most {
				t.Fatalf("%d tokens streamed of at most %d, usage %v", tokens, most, u.v)
			}
			counted += tokens
			if m := s.loop.snapshot(); m.generated != uint64(counted) {
				t.Fatalf("%d tokens streamed by now, %d produced", counted, m.generated)
			}
		})
	})
}
