package upstream_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"weir"
)

func same(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal(a, &x); err != nil {
		t.Fatalf("%v: %s", err, a)
	}
	if err := json.Unmarshal(b, &y); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	return reflect.DeepEqual(x, y)
}

// An answer that became a stream is the same answer again.
func TestAStreamMadeOfAnAnswerIsTheAnswerAgain(t *testing.T) {
	for name, op := range opNames {
		body, err := os.ReadFile(filepath.Join("testdata/whole", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		got := operation(op).FromStream(AsStream(op, body, true))
		if op == weir.OpChat { // its file leaves out a message and an index
			body, got = got, operation(op).FromStream(AsStream(op, got, true))
		}
		if got == nil || !same(t, got, body) {
			t.Errorf("%s: have\n%s\nwant\n%s", name, got, body)
		}
	}
}

// What comes in pieces is joined, and nothing is left out or guessed.
func TestAnAnswerIsPutTogetherFromItsPieces(t *testing.T) {
	f := func(op weir.Op, want string, events ...string) {
		t.Helper()
		got := operation(op).FromStream([]byte("data: " + strings.Join(events, "\n\ndata: ") + "\n\ndata: [DONE]\n\n"))
		if want == "" && got != nil || want != "" && (got == nil || !same(t, got, []byte(want))) {
			t.Errorf("%s:\nhave %s\nwant %s", strings.Join(events, "\n"), got, want)
		}
	}
	chat := weir.OpChat
	f(chat, `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hallo"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":2}}`,
		`{"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null,"obfuscation":"x"}`,
		`{"id":"c","choices":[{"index":0,"delta":{"content":"Hal"}}],"obfuscation":"yy"}`, `{"id":"c","choices":[{"index":0,"delta":{"content":"lo"}}]}`,
		`{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `{"id":"c","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`)
	f(chat, `{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}},{"id":"b","type":"function","function":{"name":"g","arguments":""}}]},"finish_reason":"tool_calls"}]}`,
		`{"choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\""}}]}}]}`,
		`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}},{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`)
	f(chat, `{"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"logprobs":{"content":[{"token":"a"},{"token":"b"}]},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"b","reasoning_content":"why"},"finish_reason":"stop"}]}`,
		`{"choices":[{"index":1,"delta":{"reasoning_content":"w"}}]}`, `{"choices":[{"index":0,"delta":{"content":"a"},"logprobs":{"content":[{"token":"a"}]}}]}`,
		`{"choices":[{"index":1,"delta":{"reasoning_content":"hy","content":"b"},"finish_reason":"stop"}]}`, `{"choices":[{"index":0,"delta":{},"logprobs":{"content":[{"token":"b"}]},"finish_reason":"stop"}]}`)
	f(chat, "", `{"choices":[{"index":1,"delta":{"content":"a"}}]}`)
	f(chat, "", `{"choices":[{"index":0,"delta":{"content":"a","new":"x"}}]}`, `{"choices":[{"index":0,"delta":{"new":"y"}}]}`)
	f(chat, "", `{"choices":[{"index":0,"delta":{"n":1}}]}`, `{"choices":[{"index":0,"delta":{"n":2}}]}`)
	f(chat, "", `{"choices":[{"index":-1,"delta":{"content":"a"}}]}`)
	f(chat, "", "")
	f(weir.OpCompletions, `{"choices":[{"index":0,"text":"ab","logprobs":{"tokens":["a","b"],"token_logprobs":[1,2]},"finish_reason":"length"}]}`,
		`{"choices":[{"index":0,"text":"a","logprobs":{"tokens":["a"],"token_logprobs":[1]},"finish_reason":null}]}`,
		`{"choices":[{"index":0,"text":"b","logprobs":{"tokens":["b"],"token_logprobs":[2]},"finish_reason":"length"}]}`)
	f(weir.OpMessages, `{"id":"m","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"ab"},{"type":"tool_use","id":"t","name":"n","input":{"a":1}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":9}}`,
		`{"type":"message_start","message":{"id":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}`, `{"type":"ping"}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"s"}}`, `{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"a"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"b"}}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}`, `{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}`, `{"type":"message_stop"}`)
	f(weir.OpMessages, "", `{"type":"message_start","message":{"content":[]}}`, `{"type":"new_kind"}`)
	f(weir.OpMessages, "", `{"type":"message_start","message":{"content":[]}}`, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"new_delta"}}`)
	f(weir.OpResponses, `{"id":"r","status":"completed","output":[{"type":"message"}]}`, `{"type":"response.created","response":{"id":"r"}}`, `{"type":"response.completed","response":{"id":"r","status":"completed","output":[{"type":"message"}]}}`)
	f(weir.OpResponses, "", `{"type":"response.created","response":{"id":"r"}}`)
}
