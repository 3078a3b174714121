package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"weir"
)

// However an upstream's stream is cut into chunks and wherever it breaks off, the
// caller sees a prefix of its events: all of them with their finish, or some and an
// error event, or an error instead of a stream. Never a finish that the upstream did
// not send, never half an event.
func TestStreamsAreWholeOrSayThatTheyAreNot(t *testing.T) {
	var script func(c net.Conn)
	url := rawBackend(t, func(c net.Conn, _ int) { script(c) })
	c := config(url)
	c.Models[0].Attempts = 1
	c.Models[0].Health.Failures = 1 << 30
	r := start(t, c)
	asking := strings.Replace(streamed, `"stream":true`, `"stream":true,"stream_options":{"include_usage":true}`, 1)
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(rapid.SampledFrom([]string{roleEvent, tokenEvent, ": ping\n\n", "event: x\r\n" + strings.ReplaceAll(tokenEvent, "\n", "\r\n")}), 0, 6).Draw(t, "events")
		if rapid.Bool().Draw(t, "finishes") {
			events = append(events, finishEvent, usageEvent)
		}
		if rapid.Bool().Draw(t, "done") {
			events = append(events, doneEvent)
		}
		wire := streamHead
		for rest := strings.Join(events, ""); rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "chunk")
			wire += chunked(rest[:n])
			rest = rest[n:]
		}
		wire += end
		cut := len(wire)
		if rapid.Bool().Draw(t, "cut") {
			cut = rapid.IntRange(0, len(wire)).Draw(t, "at")
		}
		script = func(c net.Conn) { io.WriteString(c, wire[:cut]) }

		resp, err := r.send(r.t.Context(), chatPath, asking)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		rec := r.rec()
		shown, failure, failed := strings.Cut(string(answer), `data: {"error"`)
		if resp.StatusCode != 200 {
			shown, failed = "", true
		}
		if failed != (rec.Outcome != weir.Completed) || failed && rec.Fault != weir.UpstreamFault {
			t.Fatalf("%q recorded as %+v", answer, rec)
		}
		if !isPrefixOfEvents(shown, events, failed) {
			t.Fatalf("of %q the caller saw %q", events, shown)
		}
		if failed && resp.StatusCode == 200 && strings.Count(failure, "\n\n") != 1 {
			t.Fatalf("after the error came %q", failure)
		}
		finished := strings.Contains(shown, doneEvent) || strings.Contains(shown, finishEvent)
		if !failed && !finished || failed && strings.Contains(shown, doneEvent) {
			t.Fatalf("failed=%v with %q", failed, answer)
		}
	})
	r.settled()
}

// isPrefixOfEvents says whether shown is the first of the events, in whole events;
// comments before the first content are left out.
func isPrefixOfEvents(shown string, events []string, failed bool) bool {
	opened := false
	for i, e := range events {
		if rest, ok := strings.CutPrefix(shown, e); ok {
			shown, opened = rest, opened || e != roleEvent && !strings.HasPrefix(e, ":")
			continue
		}
		if strings.HasPrefix(e, ":") && !opened {
			continue
		}
		return shown == "" && (failed || len(events[i:]) == 0)
	}
	return shown == ""
}

// streamOf is a backend that sends these bytes as its stream.
func streamOf(t *testing.T, body string) string {
	return rawBackend(t, func(c net.Conn, _ int) { io.WriteString(c, streamHead+chunked(body)) })
}

func TestOtherDialectsFailInTheirOwnWords(t *testing.T) {
	created := "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{}}\n\n"
	delta := "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":1,\"delta\":\"x\"}\n\n"
	message := "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n"
	block := "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n"
	for _, f := range []struct{ path, stream, want string }{
		{"/v1/responses", created + delta, "event: error\ndata: {\"type\":\"error\",\"code\":\"upstream_cut\",\"message\":\"the inference server's answer ended early\",\"param\":null,\"sequence_number\":2,\"error\":{\"message\":\"the inference server's answer ended early\",\"type\":\"server_error\",\"param\":null,\"code\":\"upstream_cut\"}}\n\n"},
		{"/v1/messages", message + block, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"the inference server's answer ended early\"}}\n\n"},
		{"/openai/v1/chat/completions", roleEvent + tokenEvent, `data: {"error":{"code":"upstream_cut","message":"the inference server's answer ended early","type":"server_error","param":null,"innererror":{"code":"upstream_cut"}}}` + "\n\n"},
	} {
		r := start(t, config(streamOf(t, f.stream)))
		_, answer := r.post(f.path, streamed)
		if answer != f.stream+f.want {
			t.Errorf("%s: %s", f.path, answer)
		}
		if rec := r.rec(); rec.Outcome != weir.Failure || rec.Fault != weir.UpstreamFault {
			t.Errorf("%+v", rec)
		}
	}
}

func TestOtherDialectsStreamToTheirOwnFinish(t *testing.T) {
	for path, stream := range map[string]string{
		"/v1/responses": "event: response.created\ndata: {\"type\":\"response.created\"}\n\n" +
			"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"x\"}\n\n" +
			"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":2}}}\n\n",
		"/v1/messages": "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n" +
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"x\"}}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n" +
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	} {
		r := start(t, config(streamOf(t, stream)))
		resp, err := r.send(t.Context(), path, streamed)
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(answer) != stream {
			t.Errorf("%s: %s", path, answer)
		}
		if rec := r.rec(); rec.Outcome != weir.Completed || rec.Usage != (weir.Usage{Prompt: 9, Completion: 2}) {
			t.Errorf("%+v", rec)
		}
	}
}

// An upstream that never reports its usage is counted with a tokenizer from its second
// stream on, and so is a whole answer without usage.
func TestWhereNoUsageIsToldItIsCounted(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if !strings.Contains(string(body), `"stream":true`) {
			io.WriteString(w, `{"choices":[{"message":{"content":"one two three four"}}]}`)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, roleEvent)
		for range 2 { // five words in one event: not one token
			io.WriteString(w, strings.Replace(tokenEvent, "hello ", "one two three four five ", 1))
		}
		io.WriteString(w, finishEvent+doneEvent)
	})
	r := start(t, config(b.URL))
	f := func(body string, completion int64) {
		t.Helper()
		if resp, answer := r.post(chatPath, body); resp.StatusCode != 200 {
			t.Fatal(answer)
		}
		u := r.rec().Usage
		if !u.Estimated || u.Completion < completion || u.Completion > completion+1 || u.Prompt < 1 || u.Prompt > 40 {
			t.Errorf("%+v, want about %d", u, completion)
		}
	}
	f(chatBody, 4)
	f(streamed, 2)
	f(streamed, 10)
	r.settled()
}

// A keep-alive connection serves one request after the other, after every kind of end
// that leaves the connection intact.
func TestAConnectionOutlivesItsRequests(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	in := bufio.NewReader(c)
	for _, body := range []string{chatBody, streamed, `{"model":"nope"}`, `{`, streamed, chatBody} {
		req, _ := http.NewRequest("POST", r.url+chatPath, strings.NewReader(body))
		req.Header.Set("Authorization", "Bearer "+testKey)
		if err := req.Write(c); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, req)
		if err != nil {
			t.Fatal(body, err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.Close {
			t.Error(body, err, "closed:", resp.Close)
		}
	}
}

func TestALastEventWithoutItsBlankLineIsStillAnEventOfItsOwn(t *testing.T) {
	for _, tail := range []string{"", "\n", "\r\n"} {
		last := strings.TrimRight(tokenEvent, "\n") + tail
		r := start(t, config(rawBackend(t, func(c net.Conn, _ int) { io.WriteString(c, streamHead+chunked(tokenEvent, last)+end) })))
		_, answer := r.post(chatPath, streamed)
		rest, ok := strings.CutPrefix(answer, tokenEvent+last+"\n\n")
		if !ok || !strings.HasPrefix(rest, `data: {"error":`) {
			t.Errorf("%q", answer)
		}
	}
}
