package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"weir"
)

func TestTheAnswersModelIsWhatWasAskedFor(t *testing.T) {
	const path = `/home/her/models/secret \"x\".gguf`
	answers := map[string][]string{
		"/v1/chat/completions": {
			`{"choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","content":"\"model\":\"` + "/home" + `\""}}],"model":"%s","usage":{"prompt_tokens":1,"completion_tokens":1}}`,
			`data: {"model": "%s","choices":[{"index":0,"delta":{"role":"assistant"}}]}` + "\n\n" +
				`data: {"choices":[{"index":0,"delta":{"content":"hi"}}],"model": "%s"}` + "\n\n" + `data: {"model": "%s","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n",
		},
		"/v1/responses": {
			`{"id":"r","object":"response","status":"completed","model":"%s","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hi"}]}],"usage":{"input_tokens":1,"output_tokens":1}}`,
			`data: {"type":"response.created","response":{"id":"r","status":"in_progress","model":"%s"}}` + "\n\n" + `data: {"type":"response.output_text.delta","delta":"hi"}` + "\n\n" +
				`data: {"type":"response.completed","response":{"id":"r","status":"completed","model":"%s","usage":{"input_tokens":1,"output_tokens":1}}}` + "\n\n",
		},
	}
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		whole := answers[r.URL.Path]
		text := whole[0]
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), `"stream":true`) {
			text = whole[1]
			w.Header().Set("Content-Type", "text/event-stream")
		}
		io.WriteString(w, strings.ReplaceAll(text, "%s", path))
	})
	c := config(b.URL)
	c.Models[0].Aliases = []string{"my \"own\""}
	r := start(t, c)
	for at := range answers {
		for _, stream := range []bool{false, true} {
			for _, asked := range []string{"m", `my \"own\"`} {
				resp, answer := r.post(at, fmt.Sprintf(`{"model":"%s","input":"a","messages":[],"stream":%t}`, asked, stream))
				if resp.StatusCode != 200 || strings.Contains(answer, "secret") || !strings.Contains(answer, `"`+asked+`"`) {
					t.Errorf("%s: %d %s", at, resp.StatusCode, answer)
				}
				if have := resp.Header.Get("X-Weir-Upstream-Model"); have != `/home/her/models/secret "x".gguf` {
					t.Errorf("%s: header %q", at, have)
				}
				if rec := r.rec(); rec.Outcome != weir.Completed {
					t.Errorf("%+v", rec)
				}
			}
		}
	}
}

func TestTheNameIsFoundWhereItStandsAndNowhereElse(t *testing.T) {
	f := func(b, as, want, own string) {
		t.Helper()
		var n renaming
		if have := n.learn([]byte(b), as); have != own {
			t.Errorf("%s: own name %q, want %q", b, have, own)
		}
		if have := string(n.apply([]byte(b))); have != want {
			t.Errorf("have %s\nwant %s", have, want)
		}
	}
	f(`{"model":"a","x":1}`, "b", `{"model":"b","x":1}`, "a")
	f(`{ "model" : "a" }`, "b", `{ "model" : "b" }`, "a")
	f(`{"x":{"model":"a"}}`, "b", `{"x":{"model":"a"}}`, "")
	f(`{"type":"message_start","message":{"id":"i","model":"a"}}`, "b", `{"type":"message_start","message":{"id":"i","model":"b"}}`, "a")
	f(`{"model":"b"}`, "b", `{"model":"b"}`, "")
	f(`{"model":7}`, "b", `{"model":7}`, "")
	f(`{"model":"a","cut`, "b", `{"model":"b","cut`, "a")
	f(`[DONE]`, "b", `[DONE]`, "")
	f(`{"model":"\u0061"}`, `q"`, `{"model":"q\""}`, "a")
}
