package clients

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// scripted is an inference server that does what the model it is asked for is
// called: "overloaded" breaks off its stream after a token with an error in a
// shape of its own, "unfinished" ends its stream in order without a finish,
// "whole" answers a stream with a whole answer. It speaks every API.
func scripted() (url string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: http.HandlerFunc(playScript)}
	go s.Serve(ln)
	return "http://" + ln.Addr().String(), func() { s.Close() }, nil
}

func playScript(w http.ResponseWriter, r *http.Request) {
	var ask struct{ Model string }
	body, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(body, &ask) != nil {
		w.WriteHeader(400)
		return
	}
	script := scripts[r.URL.Path]
	if ask.Model == "whole" {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, script.whole)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	for _, data := range strings.Split(script.begun, "\n") {
		var named struct{ Type string }
		if json.Unmarshal([]byte(data), &named) == nil && named.Type != "" {
			fmt.Fprintf(w, "event: %s\n", named.Type)
		}
		fmt.Fprintf(w, "data: %s\n\n", data)
	}
	if ask.Model == "overloaded" {
		io.WriteString(w, "event: error\ndata: {\"message\":\"overloaded\"}\n\n")
	} else if !strings.Contains(r.URL.Path, "messages") {
		io.WriteString(w, "data: [DONE]\n\n")
	}
}

// scripts are, by path, a whole answer and the events a stream begins with.
var scripts = map[string]struct{ whole, begun string }{
	"/v1/chat/completions": {
		`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hello","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`,
		`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n" +
			`{"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"hel"},"finish_reason":null}]}`,
	},
	"/v1/completions": {
		`{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"hello","logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}`,
		`{"id":"c","object":"text_completion","created":1,"model":"m","choices":[{"index":0,"text":"hel","logprobs":null,"finish_reason":null}]}`,
	},
	"/v1/responses": {
		`{"id":"resp_1","object":"response","created_at":1,"status":"completed","error":null,"model":"m","parallel_tool_calls":true,"tool_choice":"auto","tools":[],"output":[{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"hello","annotations":[]}]}],"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":0},"output_tokens":2,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":5}}`,
		`{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1,"status":"in_progress","model":"m","output":[],"parallel_tool_calls":true,"tool_choice":"auto","tools":[]}}` + "\n" +
			`{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}` + "\n" +
			`{"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}` + "\n" +
			`{"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"hel","logprobs":[]}`,
	},
	"/v1/messages": {
		`{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello"},{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":1}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":2}}`,
		`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}` + "\n" +
			`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n" +
			`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hel"}}`,
	},
}
