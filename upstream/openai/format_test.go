package openai

import (
	"testing"

	"weir"
	"weir/jsonscan"
	"weir/upstream"
)

// A body is an answer if it has everything its operation promises, and no error.
func TestAnAnswerKeepsWhatItsOperationPromises(t *testing.T) {
	f := func(op weir.Op, body string, want bool) {
		t.Helper()
		if got := (Dialect{}).Operation(op).Format.Answer([]byte(body)); got.Whole != want {
			t.Errorf("%s %s: %+v", op, body, got)
		}
	}
	f(weir.OpChat, `{"choices":[{"message":{"content":"a"}}]}`, true)
	f(weir.OpChat, `{"choices":[]}`, false)
	f(weir.OpChat, `{"choices":[{"message":{"content":"a"},"finish_reason":"abort"}]}`, false)
	f(weir.OpChat, `{"choices":[{"message":{"content":"a"},"finish_reason":"error"}]}`, false)
	f(weir.OpChat, `{"choices":[{"message":{"content":"a"}}],"error":{"message":"x"}}`, false)
	f(weir.OpChat, `{"choices":[{"message":{"content":"a"}},{"message":{}}]}`, false)
	f(weir.OpChat, `{"choices":[{"text":"a"}]}`, false)
	f(weir.OpCompletions, `{"choices":[{"text":"a"}]}`, true)
	f(weir.OpCompletions, `{"choices":[{"finish_reason":"content_filter"}]}`, true)
	f(weir.OpEmbeddings, `{"data":[{"embedding":[0.5]}]}`, true)
	f(weir.OpEmbeddings, `{"data":[{"embedding":[null]}]}`, false)
	f(weir.OpEmbeddings, `{"data":[]}`, false)
	f(weir.OpResponses, `{"output":[{"type":"message"}],"status":"completed"}`, true)
	f(weir.OpResponses, `{"output":[],"status":"completed"}`, false)
	f(weir.OpResponses, `{"output":[],"status":"queued"}`, true)
	f(weir.OpResponses, `{"output":[{"type":"message"}],"status":"failed"}`, false)
	f(weir.OpMessages, `{"content":[{"type":"text","text":"a"}]}`, true)
	f(weir.OpMessages, `{"content":[],"stop_reason":"end_turn"}`, true)
	f(weir.OpMessages, `{"content":[]}`, false)
	f(weir.OpMessages, `{"type":"error","content":[{"type":"text"}]}`, false)
}

// The meaning of a stream's events, in order.
func TestEventsOfAStreamMean(t *testing.T) {
	f := func(op weir.Op, events ...any) {
		t.Helper()
		s, format := upstream.Stream{}, (Dialect{}).Operation(op).Format
		for i := 0; i < len(events); i += 2 {
			s.Cursor = jsonscan.At([]byte(events[i].(string)))
			m := format.Event(&s, nil)
			s.Something = s.Something || m.Produced
			if m.Kind != events[i+1].(upstream.EventKind) || !s.Cursor.Done() {
				t.Errorf("%s %s: %s", op, events[i], m.Kind)
			}
		}
	}
	f(weir.OpChat, `{"choices":[{"delta":{"role":"assistant"}}]}`, upstream.Meta, `{"choices":[{"delta":{"content":"a"}}]}`, upstream.Token,
		`{"choices":[{"delta":{},"finish_reason":"stop"}]}`, upstream.Finish)
	f(weir.OpChat, `{"choices":[{"delta":{},"finish_reason":"abort"}]}`, upstream.Failed)
	f(weir.OpChat, `{"choices":[{"delta":{},"finish_reason":{"type":"error"}}]}`, upstream.Failed)
	const completed = `{"type":"response.completed","response":{"status":"completed","output":[]}}`
	f(weir.OpResponses, completed, upstream.Meta)
	f(weir.OpResponses, `{"type":"response.output_text.delta","delta":"a"}`, upstream.Token, completed, upstream.Finish)
	f(weir.OpResponses, `{"type":"response.output_item.done","item":{}}`, upstream.Meta, completed, upstream.Finish)
	f(weir.OpResponses, `{"type":"response.completed","response":{"status":"failed","output":[{}]}}`, upstream.Failed)
	f(weir.OpMessages, `{"type":"message_delta","delta":{"stop_reason":null}}`, upstream.Meta, `{"type":"message_delta","delta":{"stop_reason":"end_turn"}}`, upstream.Finish,
		`{"type":"message_stop"}`, upstream.Done)
}

// The newer name of the limit goes only to servers that refuse the older one.
func TestTheMemberThatLimitsAnAnswer(t *testing.T) {
	f := func(base string, op weir.Op, want string) {
		t.Helper()
		if got := (Dialect{}).Limit(&upstream.Options{BaseURL: base}, op); got != want {
			t.Errorf("%s %s: %s", base, op, got)
		}
	}
	f("", weir.OpChat, "max_tokens")
	f("https://api.openai.com/v1", weir.OpChat, "max_completion_tokens")
	f("https://api.openai.com/v1", weir.OpCompletions, "max_tokens")
	f("", weir.OpResponses, "max_output_tokens")
}

// A chunk with usage replaces all earlier usage.
func TestTheLastUsageOfAStreamCounts(t *testing.T) {
	s, format := upstream.Stream{}, (Dialect{}).Operation(weir.OpChat).Format
	for _, c := range []struct {
		data string
		want weir.Usage
	}{
		{`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5}}`, weir.Usage{Prompt: 9, Completion: 5}},
		{`{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}`, weir.Usage{Prompt: 9, Completion: 3}},
	} {
		s.Cursor = jsonscan.At([]byte(c.data))
		if m := format.Event(&s, nil); m.Kind != upstream.Usage || m.Usage == nil || *m.Usage != c.want {
			t.Errorf("%s: %+v", c.data, m.Usage)
		}
	}
}
