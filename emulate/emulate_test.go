package emulate

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestErrorsAreOpenAIs(t *testing.T) {
	emulated(t, Options{Context: 100}, func(s *server) {
		f := func(path, body string, status int, code, message string) {
			t.Helper()
			have, _, b := s.ask("POST", path, body)
			must(t, body, have, status)
			e := parse(t, b).at("error")
			must(t, body, e.at("type").str(), "invalid_request_error")
			must(t, body, e.at("code").str(), code)
			if !strings.Contains(e.at("message").str(), message) {
				t.Errorf("%s: %q: want it to say %q", body, e.at("message").str(), message)
			}
		}
		long := strings.Repeat("word", 101)
		const chat = "/v1/chat/completions"
		f(chat, `{"messages":[{"role":"user","content":"`+long+`"}]}`, 400, "context_length_exceeded", "maximum context length is 100 tokens")
		f(chat, hello+`,"max_tokens":100}`, 400, "context_length_exceeded", "you requested 114 tokens (14 in the messages, 100 for the completion)")
		f("/v1/completions", `{"prompt":"`+long+`"}`, 400, "context_length_exceeded", "100 tokens")
		f("/v1/responses", `{"input":"`+long+`"}`, 400, "context_length_exceeded", "100 tokens")
		f("/v1/embeddings", `{"input":["x","`+long+`"]}`, 400, "context_length_exceeded", "input 1 has 101")
		f(chat, `{"model":"gpt-9","messages":[{"role":"user","content":"x"}]}`, 404, "model_not_found", "gpt-9")
		f("/v1/embeddings", `{"model":"gpt-9","input":"x"}`, 404, "model_not_found", "gpt-9")
		f(chat, `{`, 400, "invalid_value", "JSON")
		f(chat, `{"messages":[]}`, 400, "invalid_value", "messages")
		f(chat, `{"messages":[{"content":7}]}`, 400, "invalid_value", "content")
		f(chat, hello+`,"n":0}`, 400, "invalid_value", "n: want 1 to 128")
		f(chat, hello+`,"max_tokens":0}`, 400, "invalid_value", "max_tokens")
		f(chat, hello+`,"min_tokens":-1}`, 400, "invalid_value", "negative")
		f(chat, hello+`,"tool_choice":"required"}`, 400, "invalid_value", "tools")
		f(chat, hello+tools+`,"tool_choice":{"type":"function","function":{"name":"x"}}}`, 400, "invalid_value", "not among tools")
		f(chat, hello+tools+`,"tool_choice":{}}`, 400, "invalid_value", "tool_choice: want")
		f("/v1/completions", `{"prompt":["a","b"]}`, 400, "invalid_value", "one prompt at a time")
		f("/v1/completions", `{"prompt":{}}`, 400, "invalid_value", "prompt: want")
		f("/v1/responses", `{"input":[]}`, 400, "invalid_value", "input: want")
		f("/v1/responses", `{"input":"x","max_output_tokens":0}`, 400, "invalid_value", "max_output_tokens")
		f("/v1/embeddings", `{"input":[]}`, 400, "invalid_value", "input: want")
		f("/v1/embeddings", `{"input":"x","dimensions":9000}`, 400, "invalid_value", "1 to 8192")
		f("/v1/embeddings", `{"input":"x","encoding_format":"hex"}`, 400, "invalid_value", "base64")
		f("/v1/embeddings", `{"input":["x"`+strings.Repeat(`,"x"`, 2048)+`]}`, 400, "invalid_value", "at most 2048")
		f("/v1/nothing", `{}`, 404, "unknown_url", "/v1/nothing")
		f(chat, `{"x":"`+strings.Repeat("x", maxBody)+`"}`, 413, "request_too_large", "32 MiB")

		status, _, b := s.ask("POST", "/v1/messages", `{"messages":[{"content":"`+long+`"}],"max_tokens":1}`)
		must(t, "Anthropic's status", status, 400)
		must(t, "Anthropic's shape", parse(t, b).at("error", "type").str(), "invalid_request_error")
	})
}

func TestItSaysThatItEmulates(t *testing.T) {
	var log strings.Builder
	emulated(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))}, func(s *server) {
		s.announce("here")
		_, header, b := s.ask("GET", "/v1/models", "")
		must(t, "Server", header.Get("Server"), Name)
		must(t, "owner", parse(t, b).at("data", 0, "owned_by").str(), Name)
		must(t, "id", parse(t, b).at("data", 0, "id").str(), "tiny")
		_, _, b = s.ask("GET", "/v1/models/tiny", "")
		must(t, "owner", parse(t, b).at("owned_by").str(), Name)
		status, _, _ := s.ask("GET", "/v1/models/other", "")
		must(t, "another model", status, 404)
		_, _, b = s.ask("GET", "/version", "")
		must(t, "version", parse(t, b).at("version").str(), Name)
	})
	if !strings.Contains(log.String(), "EMULATING") {
		t.Errorf("log says %q", log.String())
	}
}

func TestStoppingEndsStreamsWithAnError(t *testing.T) {
	emulated(t, Options{}, func(s *server) {
		type end struct {
			events []sse
			err    error
		}
		ended := make(chan end, 1)
		go func() {
			events, err := s.stream("/v1/chat/completions", hello+`,"max_tokens":8000,"ignore_eos":true,"stream":true}`)
			ended <- end{events, err}
		}()
		time.Sleep(time.Second)
		s.stop()
		if e := <-ended; e.err == nil && !strings.Contains(e.events[len(e.events)-2].data, `"error"`) {
			t.Error("an unfinished stream ended as if it were whole")
		}
		synctest.Wait()
		must(t, "flows left", len(s.loop.flows), 0)
	})
}

func TestBadOptionsAreNamed(t *testing.T) {
	f := func(want string, o Options) {
		t.Helper()
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: want it to say %q", err, want)
		}
	}
	spec := plainSpec()
	f("Model is empty", Options{Spec: spec})
	f("context is -1", Options{Model: "m", Spec: spec, Context: -1})
	f("embedding dimension is 9000", Options{Model: "m", Spec: spec, EmbeddingDim: 9000})
	f("speed -1", Options{Model: "m", Spec: spec, Speed: -1})
	f("speed 2000", Options{Model: "m", Spec: spec, Speed: 2000})
	f("load -1s", Options{Model: "m", Spec: spec, Load: -time.Second})
	f("KV cache holds 1 tokens", Options{Model: "m", Spec: spec, KVTokens: 1})
	f("no-such-gpu", Options{Model: "llama-3.1-8b", GPU: "no-such-gpu"})
}

// A real listener, real time, HTTP/1.1 and HTTP/2, and nothing left at the end.
func TestRunListensAndLeavesNothingBehind(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	var log lines
	s, err := New(Options{Listen: "127.0.0.1:0", Model: "tiny", Spec: plainSpec(), Speed: 100, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	var addr []string
	for addr == nil {
		runtime.Gosched()
		addr = regexp.MustCompile(`addr=(\S+)`).FindStringSubmatch(log.String())
	}
	for _, version := range []int{1, 2} {
		tr := &http.Transport{Protocols: new(http.Protocols)}
		tr.Protocols.SetHTTP1(version == 1)
		tr.Protocols.SetUnencryptedHTTP2(version == 2)
		c := &http.Client{Transport: tr}
		a, err := c.Post("http://"+addr[1]+"/v1/chat/completions", "application/json", strings.NewReader(streamed))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(a.Body)
		a.Body.Close()
		if err != nil || a.ProtoMajor != version || !strings.HasSuffix(string(b), "data: [DONE]\n\n") {
			t.Errorf("HTTP/%d: %v %s %s", version, err, a.Proto, b)
		}
		tr.CloseIdleConnections()
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	for end := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > goroutines; runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
	}
	taken, err := New(Options{Listen: "256.0.0.1:0", Model: "tiny", Spec: plainSpec()})
	if err != nil {
		t.Fatal(err)
	}
	if err := taken.Run(context.Background()); err == nil {
		t.Error("listened at 256.0.0.1")
	}
}

type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestPiecesJoinToTheText(t *testing.T) {
	for _, text := range []string{"", "a", "abcd", "abcde", `{"city":"Zürich — 東京"}`, strings.Repeat("é", 50)} {
		must(t, text, strings.Join(cut(text), ""), text)
		for _, p := range cut(text) {
			if len(p) > 7 || p == "" || strings.ToValidUTF8(p, "") != p {
				t.Errorf("piece %q of %q", p, text)
			}
		}
	}
	a := write(42, limits{}, 1000)
	for i := range a.tokens {
		if p := a.piece(i); string(mustJSON(p)) != `"`+p+`"` {
			t.Errorf("piece %q needs escaping", p)
		}
	}
}

func ExampleFaultSet() {
	set := FaultSet{Faults: []Fault{{Kind: "status", Status: 429, RetryAfterMS: 250, Probability: 0.1}}}
	fmt.Println(string(mustJSON(set)))
	// Output: {"faults":[{"kind":"status","probability":0.1,"status":429,"retry_after_ms":250}]}
}
