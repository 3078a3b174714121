package emulate

import (
	"encoding/json"
	"strings"
	"testing"
)

// asked is a JSON answer, whatever its status.
func asked(t *testing.T, s *server, method, path, body string) (int, map[string]any) {
	t.Helper()
	status, _, answer := s.ask(method, path, body)
	var v map[string]any
	if err := json.Unmarshal(answer, &v); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
	return status, v
}

// streamOf is the text of a stream.
func streamOf(t *testing.T, s *server, path, body string) string {
	t.Helper()
	status, _, answer := s.ask("POST", path, body)
	if status != 200 {
		t.Fatalf("%d %s", status, answer)
	}
	return string(answer)
}

// at walks into decoded JSON.
func at(v any, steps ...any) any {
	for _, s := range steps {
		switch s := s.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[s]
		case int:
			l, _ := v.([]any)
			if s >= len(l) {
				return nil
			}
			v = l[s]
		}
	}
	return v
}

const levelSchema = `{"type":"object","properties":{"metres":{"type":"integer"}},"required":["metres"]}`

func TestToolsAndSchemasAreHonouredInEveryDialect(t *testing.T) {
	emulated(t, Options{Context: 1000}, func(h *server) {
		responses := `{"input":"how deep?","tools":[{"type":"function","name":"level","parameters":` + levelSchema + `}],"tool_choice":"required"`
		messages := `{"max_tokens":200,"messages":[{"role":"user","content":"how deep?"}],"tools":[{"name":"level","input_schema":` + levelSchema + `}],"tool_choice":{"type":"tool","name":"level"}`

		_, v := asked(t, h, "POST", "/v1/responses", responses+`}`)
		var args struct{ Metres *int }
		text, _ := at(v, "output", 0, "arguments").(string)
		if at(v, "output", 0, "type") != "function_call" || at(v, "output", 0, "name") != "level" || json.Unmarshal([]byte(text), &args) != nil || args.Metres == nil {
			t.Errorf("%v", v)
		}
		if s := streamOf(t, h, "/v1/responses", responses+`,"stream":true}`); !strings.Contains(s, "response.function_call_arguments.done") || strings.Contains(s, "output_text") {
			t.Errorf("%s", s)
		}
		_, v = asked(t, h, "POST", "/v1/messages", messages+`}`)
		if at(v, "content", 0, "type") != "tool_use" || at(v, "stop_reason") != "tool_use" || at(v, "content", 0, "input", "metres") == nil {
			t.Errorf("%v", v)
		}
		if s := streamOf(t, h, "/v1/messages", messages+`,"stream":true}`); !strings.Contains(s, "input_json_delta") || !strings.Contains(s, `"stop_reason":"tool_use"`) {
			t.Errorf("%s", s)
		}
		_, v = asked(t, h, "POST", "/v1/responses", `{"input":"x","text":{"format":{"type":"json_schema","name":"n","schema":`+levelSchema+`}}}`)
		text, _ = at(v, "output", 0, "content", 0, "text").(string)
		if json.Unmarshal([]byte(text), &args) != nil {
			t.Errorf("%v", v)
		}
		if status, v := asked(t, h, "POST", "/v1/responses", `{"input":"x","tools":[],"tool_choice":{"type":"function","name":"no"}}`); status != 400 {
			t.Errorf("%d %v", status, v)
		}
	})
}

func TestStopEndsTheAnswerBeforeItsText(t *testing.T) {
	emulated(t, Options{Context: 1000}, func(h *server) {
		const ask = `"max_tokens":100,"messages":[{"role":"user","content":"go on"}]`
		_, v := asked(t, h, "POST", "/v1/chat/completions", `{`+ask+`,"stop":[".","never there"]}`)
		text, _ := at(v, "choices", 0, "message", "content").(string)
		if text == "" || strings.Contains(text, ".") || at(v, "choices", 0, "finish_reason") != "stop" {
			t.Errorf("%v", v)
		}
		_, v = asked(t, h, "POST", "/v1/completions", `{"prompt":"x","max_tokens":100,"stop":"swer"}`)
		if at(v, "choices", 0, "text") != "Emulated an" {
			t.Errorf("%v", v)
		}
		_, v = asked(t, h, "POST", "/v1/messages", `{`+ask+`,"stop_sequences":["."]}`)
		if at(v, "stop_reason") != "stop_sequence" || at(v, "stop_sequence") != "." {
			t.Errorf("%v", v)
		}
	})
}

func TestChoicesAndLogprobs(t *testing.T) {
	emulated(t, Options{Context: 1000}, func(h *server) {
		const ask = `"max_tokens":5,"messages":[{"role":"user","content":"go on"}]`
		_, v := asked(t, h, "POST", "/v1/chat/completions", `{`+ask+`,"n":3,"logprobs":true}`)
		a, b := at(v, "choices", 0, "message", "content"), at(v, "choices", 2, "message", "content")
		if a == nil || b == nil || a == b || at(v, "usage", "completion_tokens") != 15.0 {
			t.Errorf("%v", v)
		}
		if probs, _ := at(v, "choices", 1, "logprobs", "content").([]any); len(probs) != 5 {
			t.Errorf("%v", v)
		}
		s := streamOf(t, h, "/v1/chat/completions", `{`+ask+`,"n":3,"stream":true}`)
		if strings.Count(s, `"index":2`) != 7 || strings.Count(s, `"finish_reason":"length"`) != 3 {
			t.Errorf("%s", s)
		}
		_, v = asked(t, h, "POST", "/v1/completions", `{"prompt":"x","max_tokens":4,"logprobs":1}`)
		if tokens, _ := at(v, "choices", 0, "logprobs", "tokens").([]any); len(tokens) != 4 {
			t.Errorf("%v", v)
		}
	})
}

func TestAnswersAreKeptGoneOnWithAndDeleted(t *testing.T) {
	emulated(t, Options{Context: 1000}, func(h *server) {
		_, v := asked(t, h, "POST", "/v1/responses", `{"input":"hello","max_output_tokens":4}`)
		id, _ := at(v, "id").(string)
		f := func(method, path, body string, status int) map[string]any {
			t.Helper()
			have, v := asked(t, h, method, path, body)
			if have != status {
				t.Errorf("%s %s: %d %v", method, path, have, v)
			}
			return v
		}
		f("POST", "/v1/responses", `{"input":"more","previous_response_id":"`+id+`"}`, 200)
		f("POST", "/v1/responses", `{"input":"more","previous_response_id":"resp_other"}`, 400)
		if v := f("GET", "/v1/responses/"+id, "", 200); at(v, "id") != id || at(v, "status") == nil {
			t.Errorf("%v", v)
		}
		if v := f("GET", "/v1/responses/"+id+"/input_items", "", 200); at(v, "data", 0, "content", 0, "text") != "hello" {
			t.Errorf("%v", v)
		}
		f("DELETE", "/v1/responses/"+id, "", 200)
		f("GET", "/v1/responses/"+id, "", 404)
		_, v = asked(t, h, "POST", "/v1/responses", `{"input":"hello","store":false}`)
		f("GET", "/v1/responses/"+at(v, "id").(string), "", 404)
		if v := f("POST", "/v1/messages/count_tokens", `{"messages":[{"role":"user","content":"hello there"}]}`, 200); at(v, "input_tokens") == nil {
			t.Errorf("%v", v)
		}
	})
}
