package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"weir"
)

// A whole answer of each operation, and bodies with a success status that are not
// answers.
var opAnswers = []struct {
	path, ask, answer string
	none              []string
}{
	{chatPath, chatBody, answerText, []string{
		`{"choices":[{"text":"hi","finish_reason":"stop"}]}`, `{"choices":[{"index":0,"message":null,"finish_reason":"stop"}]}`,
		`{"choices":[{"message":{"role":"assistant","content":""},"finish_reason":null}]}`,
		`{"choices":[{"message":{"role":"assistant","content":"half"},"finish_reason":"error"}]}`,
		`{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"},null]}`,
		`{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"error":{"message":"x"}}`,
		`{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"error":503}`,
		`{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":"stop","error":{"code":502}}]}`,
		`{"choices":[{"message":{"role":"assistant","content":"a"},"finish_reason":{"type":"abort"}}]}`,
	}},
	{"/v1/completions", `{"model":"m","prompt":"hi"}`, `{"object":"text_completion","choices":[{"index":0,"text":"hello","finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, []string{
		answerText, `{"choices":[{"text":null,"finish_reason":"stop"}]}`, `{"choices":[{"text":"","finish_reason":null}]}`, `{"choices":[{}]}`,
	}},
	{"/v1/embeddings", `{"model":"m","input":"hi"}`, `{"object":"list","data":[{"index":0,"embedding":[0.5,-1]}],"usage":{"prompt_tokens":1}}`, []string{
		answerText, `{"data":[]}`, `{"data":null}`, `{"data":[{"embedding":[]}]}`, `{"data":[{"embedding":null}]}`, `{"data":[{"embedding":[null,null]}]}`,
		`{"data":[{"embedding":[0.5,null]}]}`,
		`{"object":"list","data":[{"id":"model"}]}`, `{"embeddings":[[1,2]]}`,
	}},
	{"/v1/responses", `{"model":"m","input":"hi"}`, `{"object":"response","status":"completed","error":null,"output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}],"usage":{"input_tokens":1,"output_tokens":1}}`, []string{
		answerText, `{"object":"response","status":"failed","error":null,"output":[]}`, `{"status":"failed","error":{"code":"server_error","message":"boom"}}`,
		`{"status":"error","output":[]}`, `{"status":"Service Unavailable","message":"x"}`, `{"status":"cancelled","output":[]}`,
		`{"status":"completed","output":[]}`, `{"output":null}`, `{"status":"completed","output":[{"type":"message"}],"error":{"message":"x"}}`,
	}},
	{"/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, `{"type":"message","role":"assistant","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`, []string{
		answerText, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, `{"type":"message","content":[],"stop_reason":null}`,
		`{"type":"message","content":null,"stop_reason":"end_turn"}`,
	}},
}

// noAnswers answer no operation.
var noAnswers = []string{
	``, ` `, `null`, `[]`, `{}`, `{"choices":[]}`, `{"choices":null}`, `OK`, `<html>`, `{"ok":true`,
	`{"error":{"message":"model is loading","type":"unavailable","code":503}}`, `{"error":"loading model"}`, `{"error":true,"choices":[]}`,
	`{"object":"error","message":"boom","type":"InternalServerError","code":500}`, `{"detail":"Internal Server Error"}`,
	`{"message":"no healthy upstream","code":503}`, `{"error":{"message":"busy","code":429}}`, `{"error":{"message":"no such key","code":401}}`,
	`{"usage":{"prompt_tokens":9,"completion_tokens":9}}`,
}

// saying is a backend that sends this body with a success status.
func saying(t *testing.T, body string) string {
	return rawBackend(t, func(c net.Conn, _ int) {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	})
}

func TestSuccessWithoutAnAnswerIsGotElsewhereAndNeverBilled(t *testing.T) {
	for _, op := range opAnswers {
		sound := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, op.answer) })
		for _, none := range append(op.none, noAnswers...) {
			c := config(saying(t, none), sound.URL)
			c.Models[0].Deployments[1].Tier = 1
			c.Models[0].SpillAfter = 1
			r := start(t, c)
			if resp, answer := r.post(op.path, op.ask); resp.StatusCode != 200 || answer != op.answer {
				t.Errorf("%s: after %q: %d %s", op.path, none, resp.StatusCode, answer)
			}
			if rec := r.rec(); rec.Attempts != 2 || rec.Outcome != weir.Completed || rec.Deployment != "d1" {
				t.Errorf("%s: after %q: %+v", op.path, none, rec)
			}
			c = config(saying(t, none))
			c.Models[0].Attempts = 1
			r = start(t, c)
			resp, answer := r.post(op.path, op.ask)
			if resp.StatusCode < 400 || !strings.Contains(answer, `"error"`) {
				t.Errorf("%s: %q alone: %d %s", op.path, none, resp.StatusCode, answer)
			}
			if rec := r.rec(); rec.Outcome != weir.Failure || rec.Fault != weir.UpstreamFault || rec.Usage != (weir.Usage{}) {
				t.Errorf("%s: %q alone: %+v", op.path, none, rec)
			}
		}
	}
}

func TestWhatIsUnusualIsAnAnswerAllTheSame(t *testing.T) {
	for _, a := range []struct{ path, ask, answer string }{
		{chatPath, chatBody, `{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"stop"}]}`},
		{chatPath, chatBody, `{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"tool_calls"}],"error":null}`},
		{chatPath, chatBody, `{"choices":[{"index":0,"message":{"role":"assistant","content":null,"refusal":"I will not"}}]}`},
		{chatPath, chatBody, `{"choices":[{"index":0,"finish_reason":"content_filter","content_filter_results":{"hate":{"filtered":true}}}]}`},
		{chatPath, chatBody, `{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"},"finish_reason":"length"}],"error":{}}`},
		{chatPath, chatBody, `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}],"error":{"code":0,"message":"","type":null}}`},
		{chatPath, chatBody, `{"choices":[{"message":{"content":"a"},"finish_reason":"stop","error":0}],"error":{"code":null,"message":null}}`},
		{"/v1/completions", `{"model":"m","prompt":"hi"}`, `{"choices":[{"text":"","finish_reason":"stop"}]}`},
		{"/v1/embeddings", `{"model":"m","input":["hi","ho"]}`, `{"data":[{"embedding":[1]},{"embedding":[2]}]}`},
		{"/v1/embeddings", `{"model":"m","input":[1,2]}`, `{"data":[{"embedding":[1]}]}`},
		{"/v1/embeddings", `{"model":"m","input":"hi"}`, `{"data":[{"embedding":"AAAA"}]}`},
		{"/v1/responses", `{"model":"m","input":"hi"}`, `{"id":"r","status":"queued","output":[]}`},
		{"/v1/responses", `{"model":"m","input":"hi"}`, `{"id":"r","status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[]}`},
		{"/v1/messages", `{"model":"m","max_tokens":9,"messages":[]}`, `{"type":"message","role":"assistant","content":[],"stop_reason":"end_turn"}`},
	} {
		r := start(t, config(saying(t, a.answer)))
		if resp, answer := r.post(a.path, a.ask); resp.StatusCode != 200 || answer != a.answer {
			t.Errorf("%s: %d %s", a.answer, resp.StatusCode, answer)
		}
		if rec := r.rec(); rec.Outcome != weir.Completed {
			t.Errorf("%s: %+v", a.answer, rec)
		}
	}
}

// A response whose items arrived one by one is complete even if its end repeats none.
func TestItemsOfAResponseNeedNotBeRepeated(t *testing.T) {
	stream := "event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}}\n\n" +
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":5}}}\n\n"
	r := start(t, config(streamOf(t, stream)))
	resp, answer := r.post("/v1/responses", streamed)
	if rec := r.rec(); resp.StatusCode != 200 || answer != stream || rec.Outcome != weir.Completed || rec.Usage.Completion != 5 {
		t.Errorf("%d %q %+v", resp.StatusCode, answer, rec)
	}
}

// Each of several inputs needs a vector.
func TestFewerVectorsThanInputsAreNoAnswer(t *testing.T) {
	r := start(t, config(saying(t, `{"data":[{"embedding":[1]}],"usage":{"prompt_tokens":9}}`)))
	resp, answer := r.post("/v1/embeddings", `{"model":"m","input":["hi","ho"]}`)
	if rec := r.rec(); resp.StatusCode != 502 || rec.Outcome != weir.Failure || rec.Usage != (weir.Usage{}) {
		t.Errorf("%d %s %+v", resp.StatusCode, answer, rec)
	}
}

// Some servers send a byte order mark before JSON.
func TestAByteOrderMarkIsNotTheCallersToRead(t *testing.T) {
	for _, ask := range []string{chatBody, streamed} {
		r := start(t, config(saying(t, "\xef\xbb\xbf"+answerText)))
		resp, answer := r.post(chatPath, ask)
		if resp.StatusCode != 200 || strings.Contains(answer, "\xef\xbb\xbf") || !strings.Contains(answer, "hello") {
			t.Errorf("%d %q", resp.StatusCode, answer)
		}
	}
}

// A stream is recognised whatever its server calls it, and the caller gets the right
// type.
func TestAStreamIsKnownByItsBeginning(t *testing.T) {
	events := roleEvent + tokenEvent + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":{\"type\":\"stop\"}}]}\n\n" + doneEvent
	for _, kind := range []string{"", "text/plain", "application/json", "application/x-ndjson", "Text/Event-Stream; charset=UTF-8"} {
		for _, before := range []string{"", ": hello\n\n", "event: message\n", "\xef\xbb\xbf", "\r\n"} {
			r := start(t, config(newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Content-Type"] = []string{kind}
				io.WriteString(w, before+events)
			}).URL))
			resp, answer := r.post(chatPath, streamed)
			if !strings.EqualFold(resp.Header.Get("Content-Type")[:17], "text/event-stream") || !strings.HasSuffix(answer, doneEvent) || strings.Contains(answer, `"error"`) {
				t.Errorf("%q %q: %d %v %q", kind, before, resp.StatusCode, resp.Header, answer)
			}
		}
	}
}

// An upstream's statement that the caller is at fault counts, even with a success
// status.
func TestAnErrorOfTheCallersInsideASuccessIsTold(t *testing.T) {
	r := start(t, config(saying(t, `{"object":"error","message":"temperature must be below 2","type":"BadRequestError","code":400}`)))
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 400 || resp.Header.Get("X-Weir-Fault") != "caller" || !strings.Contains(answer, "temperature must be below 2") {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, answer)
	}
	if rec := r.rec(); rec.Attempts != 1 || rec.Usage != (weir.Usage{}) {
		t.Errorf("%+v", rec)
	}
}

// Streams of each operation that end without their finish.
func TestStreamsWithoutTheirFinishAreNotCompleted(t *testing.T) {
	const (
		text    = `data: {"choices":[{"index":0,"text":"hel","finish_reason":null}]}` + "\n\n"
		created = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"status\":\"in_progress\",\"output\":[]}}\n\n"
		empty   = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[]}}\n\n"
		failed  = "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"status\":\"failed\",\"error\":{\"code\":\"server_error\",\"message\":\"boom\"}}}\n\n"
		delta   = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n"
		begin   = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n"
		block   = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n"
		stop    = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	)
	for _, f := range []struct {
		path   string
		stream []string
		shown  int // events that the caller sees before the error
	}{
		{chatPath, nil, 0}, {chatPath, []string{doneEvent}, 0}, {chatPath, []string{usageEvent, doneEvent}, 0},
		{chatPath, []string{"data: {\"detail\":\"overloaded\"}\n\n", doneEvent}, 0},
		{chatPath, []string{roleEvent, tokenEvent, doneEvent}, 2}, {chatPath, []string{roleEvent, tokenEvent, overloadedEvent}, 2},
		{"/v1/completions", []string{doneEvent}, 0}, {"/v1/completions", []string{text, doneEvent}, 1}, {"/v1/completions", []string{text}, 1},
		{"/v1/responses", []string{doneEvent}, 0}, {"/v1/responses", []string{created, empty}, 0}, {"/v1/responses", []string{created, failed}, 0},
		{"/v1/responses", []string{created, delta}, 2}, {"/v1/responses", []string{created, delta, doneEvent}, 2},
		{"/v1/responses", []string{created, delta, failed}, 2}, {"/v1/responses", []string{created, delta, overloadedEvent}, 2},
		{"/v1/messages", []string{stop}, 0}, {"/v1/messages", []string{begin, stop}, 0}, {"/v1/messages", []string{begin, block, stop}, 2},
		{"/v1/messages", []string{begin, block, overloadedEvent}, 2}, {"/v1/messages", []string{begin, block}, 2},
	} {
		c := config(streamOf(t, strings.Join(f.stream, "")+"\n"))
		c.Models[0].Attempts = 1
		r := start(t, c)
		resp, answer := r.post(f.path, streamed)
		shown := strings.Join(f.stream[:f.shown], "")
		rest, ok := strings.CutPrefix(answer, shown)
		raises := strings.Contains(rest, `"error":{`) && strings.Count(rest, "data: ") == 1 && (!strings.HasPrefix(rest, "event:") || strings.HasPrefix(rest, "event: error\n"))
		if f.shown > 0 && (!ok || !raises || resp.StatusCode != 200) || f.shown == 0 && resp.StatusCode != 502 {
			t.Errorf("%s %q: %d %q", f.path, f.stream, resp.StatusCode, answer)
		}
		rec := r.rec()
		if rec.Outcome != weir.Failure || rec.Fault != weir.UpstreamFault || f.shown == 0 && rec.Usage != (weir.Usage{}) {
			t.Errorf("%s %q: %+v", f.path, f.stream, rec)
		}
	}
}

// Usage reported at the beginning of a stream, or as zero, does not replace the tokens
// that follow.
func TestUsageToldTooEarlyIsCompleted(t *testing.T) {
	const (
		begin = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"cache_read_input_tokens\":90,\"output_tokens\":1}}}\n\n"
		block = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n"
		early = `data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}}` + "\n\n"
		zeros = `data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}` + "\n\n"
		told  = `data: {"choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":9,"completion_tokens":3}}` + "\n\n"
		ends  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n" + doneEvent
		moon  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":3}}]}` + "\n\n" + doneEvent
		groq  = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":9,"completion_tokens":3}}}` + "\n\n" + doneEvent
		stops = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":3}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
	)
	for _, f := range []struct {
		path, stream string
		prompt       int64 // 0: counted here
		answer       int64
		estimated    bool
	}{
		{"/v1/messages", begin + strings.Repeat(block, 20), 99, 20, true},
		{"/v1/messages", begin + strings.Repeat(block, 20) + overloadedEvent, 99, 20, true},
		{"/v1/messages", begin + block + stops, 99, 3, false},
		{chatPath, early + strings.Repeat(tokenEvent, 20), 9, 20, true},
		{chatPath, early + tokenEvent + ends, 9, 1, true},
		{chatPath, strings.Repeat(zeros, 5) + ends, 0, 5, true},
		{chatPath, told + zeros + ends, 9, 3, false},
		{chatPath, tokenEvent + moon, 9, 3, false},
		{chatPath, tokenEvent + groq, 9, 3, false},
	} {
		c := config(streamOf(t, f.stream))
		c.Models[0].Attempts = 1
		r := start(t, c)
		r.post(f.path, streamed)
		if u := r.rec().Usage; u.Completion != f.answer || u.Estimated != f.estimated || f.prompt > 0 && u.Prompt != f.prompt || u.Prompt == 0 {
			t.Errorf("%q: %+v", f.stream, u)
		}
	}
	r := start(t, config(saying(t, strings.Replace(answerText, `"completion_tokens":7,"total_tokens":18`, `"completion_tokens":0`, 1))))
	r.post(chatPath, chatBody)
	if u := r.rec().Usage; u.Completion == 0 || !u.Estimated {
		t.Errorf("an answer of no tokens that has a text: %+v", u)
	}
}

// A stream request answered with a whole answer reaches its caller as a stream.
func TestAWholeAnswerToAStreamIsStreamed(t *testing.T) {
	for _, op := range opAnswers {
		if op.path == "/v1/embeddings" {
			continue
		}
		r := start(t, config(saying(t, op.answer)))
		resp, answer := r.post(op.path, strings.Replace(op.ask, "{", `{"stream":true,`, 1))
		if kind := resp.Header.Get("Content-Type"); kind != "text/event-stream" || !strings.Contains(answer, `"hello"`) {
			t.Errorf("%s: %s %q", op.path, kind, answer)
		}
		if rec := r.rec(); rec.Outcome != weir.Completed || rec.Usage.Completion == 0 {
			t.Errorf("%+v", rec)
		}
		// The gateway itself reads it back as a valid stream.
		again := start(t, config(streamOf(t, answer)))
		if _, same := again.post(op.path, streamed); same != answer {
			t.Errorf("%s: %q read again is %q", op.path, answer, same)
		}
	}
}
