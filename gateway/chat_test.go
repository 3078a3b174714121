package gateway

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"weir"
	"weir/meter"
	"weir/upstream"
)

func TestAnswersPassByteForByteAndAreMetered(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Models[0].Deployments[0].Rates = meter.Rates{Prompt: 2_000_000, Cached: 1_000_000, Completion: 10_000_000}
	r := start(t, c)
	body := `{ "model" : "m", "messages":[{"role":"user","content":"hi \u00e9"}], "unknown":{"x":[1, 2]}, "tools":[{"type":"function"}] }`
	resp, answer := r.post(chatPath, body, "X-Request-Id", "mine-1")
	if resp.StatusCode != 200 || answer != answerText || resp.ContentLength != int64(len(answerText)) {
		t.Errorf("%d %q", resp.StatusCode, answer)
	}
	path, sent, h := b.last()
	if path != chatPath || sent != strings.Replace(body, `"m"`, `"up"`, 1) {
		t.Errorf("the upstream got %s %s", path, sent)
	}
	if h.Get("X-Request-Id") != "mine-1" || h.Get("Authorization") != "" {
		t.Error("the upstream got", h)
	}
	for name, want := range map[string]string{"X-Request-Id": "mine-1", "X-Weir-Deployment": "d0", "X-Weir-Replica": "0", "X-Weir-Queue-Ms": "0", "Content-Type": "application/json"} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	rec := r.rec()
	if rec.Outcome != weir.Completed || rec.Status != 200 || rec.Tenant != "demo" || rec.Key != "ci" || rec.Model != "m" || rec.Deployment != "d0" ||
		rec.Attempts != 1 || rec.Usage != (weir.Usage{Prompt: 11, Cached: 4, Completion: 7}) || rec.Cost != 7*2+4*1+7*10 || rec.TTFT <= 0 || rec.Code != "" {
		t.Errorf("%+v", rec)
	}
	r.settled()
}

func TestStreamsPassEventByEventAndTheirUsageIsAskedForAndHidden(t *testing.T) {
	b := newBackend(t, answering)
	r := start(t, config(b.URL))
	shown := roleEvent + tokenEvent + tokenEvent + tokenEvent + finishEvent

	resp, answer := r.post(chatPath, streamed)
	if want := shown + doneEvent; answer != want || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("%v\n%s", resp.Header, answer)
	}
	if _, sent, _ := b.last(); !strings.HasPrefix(sent, `{"stream_options":{"include_usage":true},"model":"up",`) {
		t.Error("the upstream got", sent)
	}
	rec := r.rec()
	if rec.Outcome != weir.Completed || !rec.Stream || rec.Usage != (weir.Usage{Prompt: 11, Completion: 3}) || rec.TTFT <= 0 {
		t.Errorf("%+v", rec)
	}

	_, answer = r.post(chatPath, strings.Replace(streamed, "}]", `}],"stream_options":{"include_usage":true}`, 1))
	if want := shown + usageEvent + doneEvent; answer != want {
		t.Errorf("a caller that asks for usage sees it; got\n%s", answer)
	}
	r.settled()
}

func TestEventsAreFlushedAsTheyCome(t *testing.T) {
	step := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, e := range []string{roleEvent + tokenEvent, tokenEvent, finishEvent, doneEvent} {
			io.WriteString(w, e)
			w.(http.Flusher).Flush()
			<-step
		}
	})
	r := start(t, config(b.URL))
	resp, err := r.send(t.Context(), chatPath, streamed)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, want := range []string{roleEvent + tokenEvent, tokenEvent, finishEvent, doneEvent} {
		got := make([]byte, len(want))
		if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != want {
			t.Fatalf("%q, %v", got, err)
		}
		step <- struct{}{} // only now the backend continues: nothing was held back
	}
	if rest, err := io.ReadAll(resp.Body); len(rest) > 0 || err != nil {
		t.Error(string(rest), err)
	}
}

func TestEverySurfaceReachesItsUpstreamPath(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Models[0].Aliases = []string{"other/name"}
	r := start(t, c)
	f := func(path, body, want string, headers ...string) {
		t.Helper()
		resp, answer := r.post(path, body, headers...)
		if resp.StatusCode != 200 {
			t.Errorf("%s: %d %s", path, resp.StatusCode, answer)
			return
		}
		got, sent, _ := b.last()
		var m struct{ Model string }
		if json.Unmarshal([]byte(sent), &m); got != want || m.Model != "up" {
			t.Errorf("%s reached %s with %s", path, got, sent)
		}
	}
	f("/v1/completions", `{"model":"m","prompt":"hi"}`, "/v1/completions")
	f("/v1/embeddings", `{"model":"m","input":"hi"}`, "/v1/embeddings")
	f("/v1/responses", `{"model":"m","input":"hi"}`, "/v1/responses")
	f("/v1/messages", `{"model":"m","messages":[]}`, "/v1/messages", "Authorization", "", "X-Api-Key", testKey)
	f("/openai/deployments/m/chat/completions?api-version=2024-10-21", `{"messages":[]}`, "/v1/chat/completions", "Authorization", "", "Api-Key", testKey)
	f("/openai/deployments/other/name/embeddings?api-version=2024-10-21", `{"input":"x"}`, "/v1/embeddings")
	f("/openai/v1/chat/completions", chatBody, "/v1/chat/completions")
	f("/openai/deployments/m/completions?api-version=2024-10-21", `{}`, "/v1/completions")
}

func TestAzureUpstreamsGetTheirOwnPaths(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL, b.URL)
	d := &c.Models[0].Deployments
	(*d)[0].Upstream = upstream.Options{Dialect: azure, BaseURL: b.URL, Model: "dep", APIVersion: "2024-02-01", Credential: upstream.StaticKey("api-key", "s3cret")}
	(*d)[0].NoStreamUsage = true
	(*d)[1].Weight = 0
	r := start(t, c)
	if resp, answer := r.post(chatPath, streamed); resp.StatusCode != 200 {
		t.Fatal(answer)
	}
	path, sent, h := b.last()
	if path != "/openai/deployments/dep/chat/completions?api-version=2024-02-01" || h.Get("Api-Key") != "s3cret" {
		t.Error(path, h)
	}
	if strings.Contains(sent, "stream_options") {
		t.Error("an API version that refuses stream_options got", sent)
	}
	if rec := r.rec(); !rec.Usage.Estimated || rec.Usage.Completion < 3 || rec.Usage.Prompt == 0 {
		t.Errorf("%+v", rec.Usage)
	}
}

func TestHeadersOfOneHopAndOfTheGatewayStayBehind(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		for _, h := range [][2]string{{"Set-Cookie", "a=b"}, {"X-Request-Id", "theirs"}, {"Server", "x"}, {"X-Ratelimit-Remaining-Tokens", "5"},
			{"Azureml-Model-Session", "s"}, {"X-Weir-Replica", "spoof"}, {"Connection", "X-Hop"}, {"X-Hop", "1"}, {"Openai-Many", "1"}, {"Openai-Many", "2"},
			{"Location", "https://elsewhere"}, {"Refresh", "0;url=https://elsewhere"}, {"Content-Security-Policy", "default-src 'none'"}, {"Link", "<x>; rel=preload"},
			{"Access-Control-Allow-Origin", "*"}, {"Access-Control-Allow-Credentials", "true"}, {"Clear-Site-Data", "*"}, {"Www-Authenticate", "Basic"},
			{"X-Frame-Options", "DENY"}, {"Nel", "{}"}, {"Report-To", "{}"}, {"Set-Cookie2", "a=b"}, {"X-Weir-Anything", "1"}, {"X-Stray", "1"}} {
			w.Header().Add(h[0], h[1])
		}
		answering(w, r)
	})
	r := start(t, config(b.URL))
	resp, _ := r.post(chatPath, chatBody, "Anthropic-Beta", "b1", "Cookie", "secret=1", "X-Stray", "1", "X-Request-Id", "bad id")
	h := resp.Header
	for _, name := range []string{"Set-Cookie", "Server", "X-Hop", "Connection", "Location", "Refresh", "Content-Security-Policy", "Link", "Access-Control-Allow-Origin",
		"Access-Control-Allow-Credentials", "Clear-Site-Data", "Www-Authenticate", "X-Frame-Options", "Nel", "Report-To", "Set-Cookie2", "X-Weir-Anything", "X-Stray"} {
		if h.Get(name) != "" {
			t.Errorf("%s: %q", name, h.Get(name))
		}
	}
	if h.Get("X-Weir-Upstream-Request-Id") != "theirs" || h.Get("X-Ratelimit-Remaining-Tokens") != "5" || len(h.Values("Openai-Many")) != 2 || h.Get("X-Weir-Replica") != "0" {
		t.Error(h)
	}
	if id := h.Get("X-Request-Id"); !strings.HasPrefix(id, "req_") {
		t.Errorf("an id that is not sane was echoed: %q", id)
	}
	_, _, up := b.last()
	if up.Get("Anthropic-Beta") != "b1" || up.Get("Cookie") != "" || up.Get("X-Stray") != "" || up.Get("X-Request-Id") != h.Get("X-Request-Id") {
		t.Error("the upstream got", up)
	}
}

func TestLargeAnswersPassAsTheyComeAndAreMetered(t *testing.T) {
	text := `{"data":[` + strings.Repeat("0,", 300_000) + `0],"usage":{"prompt_tokens":5,"total_tokens":5}}`
	for _, announced := range []bool{true, false} {
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
			if announced {
				w.Header().Set("Content-Length", strconv.Itoa(len(text)))
			}
			io.WriteString(w, text)
		})
		c := config(b.URL)
		c.Bounds.MaxAnswer = 100_000
		r := start(t, c)
		resp, answer := r.post("/v1/embeddings", `{"model":"m","input":"x"}`)
		if answer != text || resp.StatusCode != 200 {
			t.Error(len(answer), resp.StatusCode)
		}
		if rec := r.rec(); rec.Usage != (weir.Usage{Prompt: 5}) || rec.Outcome != weir.Completed {
			t.Errorf("%+v", rec)
		}
		r.settled()
	}
}

// A small part of a large answer is not held until more comes, which may take longer than
// a write to the caller may.
func TestPartsOfALargeAnswerReachTheCallerAtOnce(t *testing.T) {
	onBothFronts(t, func(t *testing.T) {
		begin, end := `{"data":[`+strings.Repeat("0,", 100_000)+"0", `],"usage":{"prompt_tokens":5,"total_tokens":5}}`
		seen := make(chan struct{})
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, begin)
			w.(http.Flusher).Flush()
			select {
			case <-seen:
				io.WriteString(w, end)
			case <-r.Context().Done():
			}
		})
		c := config(b.URL)
		c.Bounds.MaxAnswer = 100_000
		r := start(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), hang)
		defer cancel()
		resp, err := r.send(ctx, "/v1/embeddings", `{"model":"m","input":"x"}`)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		got := make([]byte, len(begin))
		if _, err := io.ReadFull(resp.Body, got); err != nil {
			t.Fatal("a part is held:", err)
		}
		close(seen)
		rest, err := io.ReadAll(resp.Body)
		if string(got)+string(rest) != begin+end || err != nil {
			t.Error(len(got), len(rest), err)
		}
		r.settled()
	})
}

func TestModelsAreListedToWhoMayUseThem(t *testing.T) {
	c := config("http://127.0.0.1:1")
	hidden := c.Models[0]
	hidden.Name, hidden.Deployments = "hidden", []Deployment{{Upstream: upstream.Options{Dialect: openAI}}}
	hidden.Deployments[0].Name = "h"
	c.Models = append(c.Models, hidden)
	c.Tenants[0].Models = []string{"m"}
	r := start(t, c)
	get := func(path string, headers ...string) (int, string) {
		req, _ := http.NewRequest("GET", r.url+path, nil)
		for i := 0; i < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(b)
	}
	f := func(wantStatus int, wantBody, path string, headers ...string) {
		t.Helper()
		if status, body := get(path, headers...); status != wantStatus || !strings.Contains(body, wantBody) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	entry := `{"id":"m","object":"model","created":0,"owned_by":"weir"}`
	f(200, `{"object":"list","data":[`+entry+`]}`, "/v1/models", "Authorization", "Bearer "+testKey)
	f(200, `{"object":"list","data":[`+entry+`]}`, "/openai/models?api-version=2024-10-21", "Api-Key", testKey)
	f(200, entry, "/v1/models/m", "Authorization", "bearer "+testKey)
	f(404, "model_not_found", "/v1/models/hidden", "Authorization", "Bearer "+testKey)
	f(200, `"type":"model"`, "/v1/models", "X-Api-Key", testKey, "Anthropic-Version", "2023-06-01")
	f(401, "missing_api_key", "/v1/models")
	f(200, "ok", "/healthz")
	f(200, "ready", "/readyz")
	f(404, "unknown_url", "/v1/nothing")
	f(405, "method_not_allowed", chatPath, "Authorization", "Bearer "+testKey)
}
