package servers

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// Requests whose answers are as long as they may be: greedy, of a model that
// never says it is done.
const (
	hello     = `{"model":"chat","temperature":0,"max_tokens":8,"messages":[{"role":"user","content":"hello"}]}`
	helloLong = `{"model":"chat","temperature":0,"max_tokens":1900,"stream":true,"messages":[{"role":"user","content":"hello"}]}`
)

// answerOf reads a whole answer that must have the status wanted.
func answerOf(t *testing.T, status int, path, body string) map[string]any {
	t.Helper()
	a := post(t, t.Context(), path, body)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	if a.StatusCode != status {
		t.Fatalf("%s: status %d, want %d: %s", path, a.StatusCode, status, text)
	}
	var v map[string]any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v: %s", path, err, text)
	}
	return v
}

// at walks into decoded JSON by names and numbers; nil where there is nothing.
func at(v any, path string) any {
	for step := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}

func TestEachWayToAskIsAnswered(t *testing.T) {
	f := func(path, body string, want map[string]any) {
		t.Helper()
		v := answerOf(t, http.StatusOK, path, body)
		for where, want := range want {
			if have := at(v, where); have != want && (want != "" || have == nil || have == "") {
				t.Errorf("%s: %s is %v, want %v in %v", path, where, have, want, v)
			}
		}
	}
	f("/v1/chat/completions", hello, map[string]any{"model": "chat", "choices.0.message.content": "", "choices.0.finish_reason": "length", "usage.completion_tokens": 8.0})
	f("/v1/completions", `{"model":"chat","temperature":0,"max_tokens":8,"prompt":"hello"}`, map[string]any{"choices.0.text": "", "usage.completion_tokens": 8.0})
	f("/v1/responses", `{"model":"chat","temperature":0,"max_output_tokens":8,"input":"hello"}`, map[string]any{"model": "chat", "output.0.content.0.text": "", "usage.output_tokens": 8.0})
	f("/v1/messages", `{"model":"claude","temperature":0,"max_tokens":8,"messages":[{"role":"user","content":"hello"}]}`, map[string]any{"model": "claude", "content.0.text": "", "usage.output_tokens": 8.0})
	f("/v1/embeddings", `{"model":"embed","input":["a river","a weir"]}`, map[string]any{"data.1.embedding.63": at(answerOf(t, 200, "/v1/embeddings", `{"model":"embed","input":"a weir"}`), "data.0.embedding.63")})
	f("/v1/embeddings", `{"model":"embed","input":"a weir","encoding_format":"base64"}`, map[string]any{"data.0.embedding": ""})
}

// events reads a stream to its end and returns the data of its events.
func events(a *http.Response) (all []string, err error) {
	lines := bufio.NewScanner(a.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			all = append(all, data)
		}
	}
	return all, lines.Err()
}

func TestStreamsEndWhole(t *testing.T) {
	f := func(path, body, last string, least int) {
		t.Helper()
		a := post(t, t.Context(), path, body)
		defer a.Body.Close()
		all, err := events(a)
		if err != nil || a.StatusCode != 200 || len(all) < least || !strings.Contains(all[len(all)-1], last) {
			t.Errorf("%s: status %d, %d events, %v: %v", path, a.StatusCode, len(all), err, all)
		}
	}
	stream := func(body string) string { return strings.Replace(body, "{", `{"stream":true,`, 1) }
	f("/v1/chat/completions", stream(hello), "[DONE]", 9)
	f("/v1/completions", stream(`{"model":"chat","temperature":0,"max_tokens":8,"prompt":"hello"}`), "[DONE]", 9)
	f("/v1/responses", stream(`{"model":"chat","temperature":0,"max_output_tokens":8,"input":"hello"}`), "response.completed", 10)
	f("/v1/messages", stream(`{"model":"claude","temperature":0,"max_tokens":8,"messages":[{"role":"user","content":"hello"}]}`), "message_stop", 10)
}

// metric sums the series of a metric, read from a server.
func metric(t *testing.T, base, name string) (sum float64) {
	t.Helper()
	a, err := http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	seen := false
	for lines := bufio.NewScanner(a.Body); lines.Scan(); {
		series, value, _ := strings.Cut(lines.Text(), " ")
		if series != name && !strings.HasPrefix(series, name+"{") {
			continue
		}
		v, err := strconv.ParseFloat(value[strings.LastIndexByte(value, ' ')+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, seen = sum+v, true
	}
	if !seen {
		t.Fatalf("no %s at %s", name, base)
	}
	return sum
}

func busy(t *testing.T) float64 {
	return metric(t, world.one.url(), "llamacpp:requests_processing") + metric(t, world.two.url(), "llamacpp:requests_processing")
}

// begun reads a stream until text has come.
func begun(t *testing.T, a *http.Response) *bufio.Scanner {
	t.Helper()
	lines := bufio.NewScanner(a.Body)
	for lines.Scan() {
		if strings.Contains(lines.Text(), `"content":" `) {
			return lines
		}
	}
	t.Fatalf("the stream ended before its first token: status %d, %v", a.StatusCode, lines.Err())
	return nil
}

func TestLeavingStopsTheServer(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	a := post(t, ctx, "/v1/chat/completions", helloLong)
	defer a.Body.Close()
	begun(t, a)
	before := metric(t, world.one.url(), "llamacpp:tokens_predicted_total") + metric(t, world.two.url(), "llamacpp:tokens_predicted_total")
	leave()
	until(t, "the servers to be idle", func() bool { return busy(t) == 0 })
	until(t, "Weir to hold nothing", func() bool { return metric(t, world.admin, "weir_requests_in_flight") == 0 })
	after := metric(t, world.one.url(), "llamacpp:tokens_predicted_total") + metric(t, world.two.url(), "llamacpp:tokens_predicted_total")
	if after-before >= 1900 {
		t.Errorf("the server made %v tokens for a caller who had gone", after-before)
	}
}

func TestAServerKilledInMidStreamIsAnErrorAndTheOtherTakesOver(t *testing.T) {
	a := post(t, t.Context(), "/v1/chat/completions", helloLong)
	defer a.Body.Close()
	lines := begun(t, a)
	killed := world.one
	if a.Header.Get("X-Weir-Replica") == "1" {
		killed = world.two
	}
	killed.kill()
	defer func() {
		if err := killed.start(); err != nil {
			t.Fatal(err)
		}
	}()
	var last string
	for lines.Scan() {
		if data, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
			last = data
		}
	}
	if !strings.Contains(last, `"error"`) {
		t.Errorf("a stream whose server was killed ended with %q, want an error event", last)
	}
	for range 4 {
		answerOf(t, http.StatusOK, "/v1/chat/completions", hello)
	}
}

// A request the server cannot answer fails for its caller alone.
func TestWhatTheServerCannotDoStopsNobodyElse(t *testing.T) {
	picture := `{"model":"chat","max_tokens":8,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,iVBORw0KGgo="}}]}]}`
	f := func(path, body string) {
		t.Helper()
		for range 4 {
			a := post(t, t.Context(), path, body)
			text, err := io.ReadAll(a.Body)
			a.Body.Close()
			if err != nil || a.StatusCode < 400 || a.StatusCode >= 500 || a.Header.Get("X-Weir-Fault") != "caller" || !strings.Contains(string(text), `"error"`) {
				t.Errorf("%s: status %d, %v: %s", path, a.StatusCode, err, text)
			}
		}
		answerOf(t, http.StatusOK, "/v1/chat/completions", hello)
	}
	f("/v1/chat/completions", picture)
	f("/v1/embeddings", `{"model":"chat","input":"a river"}`)
	f("/v1/chat/completions", `{"model":"chat","max_tokens":8,"messages":[{"role":"user","content":"hello"}],"tools":[{"type":"function"}]}`)
}
