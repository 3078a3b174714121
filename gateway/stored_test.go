package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/memory"
	"weir/meter"
)

const (
	coldBody   = `{"model":"m","temperature":0,"messages":[{"role":"user","content":"hi"}]}`
	coldStream = `{"stream":true,"model":"m","messages":[{"role":"user","content":" hi "}],"temperature":0.0}`
	coldUsage  = `{"stream":true,"stream_options":{"include_usage":true},"model":"m","messages":[{"role":"user","content":"hi"}],"temperature":0}`
)

// caching is a gateway whose model m stores answers by p.
func caching(t testing.TB, c Config, p cache.Policy) *running {
	if p.TTL == 0 {
		p.TTL = time.Hour
	}
	for i := range c.Models {
		c.Models[i].Cache = &p
	}
	s := memory.New(memory.Options{}, nil)
	t.Cleanup(s.Close)
	return start(t, c, func(o *Options) { o.Answers = s })
}

func (r *running) store() *memory.Store { return r.answers.(*memory.Store) }

// met is how a request met stored answers, by its headers.
func met(h http.Header) string { return h.Get("X-Weir-Cache") }

func TestAnAnswerIsStoredAndToldAgain(t *testing.T) {
	b := newBackend(t, answering)
	r := caching(t, config(b.URL), cache.Policy{Normalise: true})
	h, first := r.post(chatPath, coldBody)
	if met(h.Header) != "miss" || !strings.Contains(h.Header.Get("Cache-Status"), "weir; fwd=miss; key=") || first != answerText {
		t.Fatalf("%v %s", h.Header, first)
	}
	r.settled()
	h, again := r.post(chatPath, coldBody)
	if met(h.Header) != "hit" || h.Header.Get("Age") != "0" || !strings.HasPrefix(h.Header.Get("Cache-Status"), "weir; hit; ttl=") {
		t.Fatalf("%v", h.Header)
	}
	if strings.Contains(again, `"id":"c1"`) || strings.Replace(again, again[7:9], "c1", 1) != first {
		t.Errorf("have %s\nwant %s with another id", again, first)
	}
	for range 2 {
		r.rec()
	}
	rec := r.records[1]
	if rec.Cache != "hit" || rec.Usage != (weir.Usage{}) || rec.Cost != 0 || rec.SavedTokens != 18 || rec.Outcome != weir.Completed || rec.Attempts != 0 || rec.Deployment != "" {
		t.Errorf("%+v", rec)
	}
	for body, usage := range map[string]bool{coldStream: false, coldUsage: true} { // a stream has the same entry
		h, answer := r.post(chatPath, body)
		if met(h.Header) != "hit" || h.Header.Get("Content-Type") != "text/event-stream" || !strings.HasSuffix(answer, doneEvent) || strings.Contains(answer, `"usage":{`) != usage ||
			!strings.Contains(answer, `"content":"hello"`) || strings.Contains(answer, `"c1"`) {
			t.Errorf("%v %s", h.Header, answer)
		}
	}
	if n := b.calls.Load(); n != 1 {
		t.Errorf("the model was asked %d times", n)
	}
	r.settled()
}

// A stream is stored as the answer it would have been without one.
func TestAStreamIsStoredForBothKindsOfCallers(t *testing.T) {
	for _, body := range []string{coldStream, coldUsage} {
		b := newBackend(t, answering)
		r := caching(t, config(b.URL), cache.Policy{Normalise: true, SingleFlight: true})
		if h, answer := r.post(chatPath, body); met(h.Header) != "miss" || !strings.HasSuffix(answer, doneEvent) {
			t.Fatalf("%v %s", h.Header, answer)
		}
		r.settled()
		h, answer := r.post(chatPath, coldBody)
		if met(h.Header) != "hit" || !strings.Contains(answer, `"message":{"role":"assistant","content":"hello hello hello "}`) || !strings.Contains(answer, `"usage":{"prompt_tokens":11`) {
			t.Errorf("%v %s", h.Header, answer)
		}
		if _, answer := r.post(chatPath, coldUsage); !strings.Contains(answer, `"usage":{"prompt_tokens":11`) {
			t.Error(answer)
		}
		if n := b.calls.Load(); n != 1 {
			t.Errorf("the model was asked %d times", n)
		}
	}
}

// Every operation's answers are stored, also for the paths of Azure's clients.
func TestAnswersOfEveryOperationAreStored(t *testing.T) {
	b := newBackend(t, answering)
	r := caching(t, config(b.URL), cache.Policy{})
	for _, op := range opAnswers {
		for _, path := range []string{op.path, strings.Replace(op.path, "/v1/", "/openai/deployments/m/", 1) + "?api-version=2024-10-21"} {
			if strings.Contains(path, "deployments") && (strings.Contains(path, "messages") || strings.Contains(path, "responses")) {
				continue
			}
			before := b.calls.Load()
			for i, want := range []string{"miss", "hit"} {
				h, answer := r.post(path, fmt.Sprintf(`{"model":"m","temperature":0,"store":false,"max_tokens":%d,"input":"x","prompt":"x","messages":[{"role":"user","content":"x"}]}`, len(path)))
				if met(h.Header) != want || h.StatusCode != 200 {
					t.Errorf("%s: %q, want %q: %s %v", path, met(h.Header), want, answer, h.Header)
				}
				if i == 0 {
					r.settled()
				}
			}
			if n := b.calls.Load() - before; n != 1 {
				t.Errorf("%s: asked %d times", path, n)
			}
		}
	}
}

// What is asked for by default is what can be answered again; the rest says why not.
func TestRequestsWhoseAnswersVaryPassBy(t *testing.T) {
	f := func(p cache.Policy, path, body, why string, headers ...string) {
		t.Helper()
		b := newBackend(t, answering)
		r := caching(t, config(b.URL), p)
		h, _ := r.post(path, body, headers...)
		r.settled()
		again, _ := r.post(path, body, headers...)
		want, n := "hit", int64(1)
		if why != "" {
			want, n = "bypass", 2
			if got := h.Header.Get("Cache-Status"); got != "weir; fwd=bypass; detail="+why {
				t.Errorf("%s: %s", body, got)
			}
		}
		if met(again.Header) != want || b.calls.Load() != n {
			t.Errorf("%s: %q, %d calls, want %q", body, met(again.Header), b.calls.Load(), want)
		}
	}
	with := func(member string) string {
		return `{"model":"m","messages":[{"role":"user","content":"hi"}],` + member + `}`
	}
	cold := func(member string) string { return with(`"temperature":0,` + member) }
	none, responses := cache.Policy{}, "/v1/responses"
	f(none, chatPath, chatBody, "temperature")
	f(none, chatPath, with(`"temperature":0.1`), "temperature")
	f(none, chatPath, with(`"temperature":null`), "temperature")
	f(cache.Policy{AnyTemperature: true}, chatPath, with(`"temperature":1`), "")
	f(none, chatPath, cold(`"tools":[{"type":"function"}]`), "tools")
	f(none, chatPath, cold(`"tools":[]`), "")
	f(cache.Policy{Tools: true}, chatPath, cold(`"tools":[{"type":"function"}]`), "")
	f(none, chatPath, cold(`"x":1,"x":1`), "duplicate")
	f(none, chatPath, cold(`"seed":12345678901234567890`), "number")
	f(none, chatPath, cold(`"x":"\ud800"`), "body")
	f(none, responses, `{"model":"m","input":"x","temperature":0}`, "stored")
	f(none, responses, `{"model":"m","input":"x","temperature":0,"store":false,"background":true}`, "state")
	f(cache.Policy{Stored: true}, responses, `{"model":"m","input":"x","temperature":0}`, "")
	f(cache.Policy{Stored: true}, responses, `{"model":"m","input":"x","temperature":0,"previous_response_id":"r"}`, "state")
	f(none, responses, `{"model":"m","prompt":{"id":"pmpt_1"},"temperature":0,"store":false}`, "state")
	f(none, responses, `{"model":"m","input":[{"id":"msg_1"}],"temperature":0,"store":false}`, "state")
	f(none, responses, `{"model":"m","input":[{"type":"item_reference","id":"msg_1"}],"temperature":0,"store":false}`, "state")
	f(none, chatPath, coldBody, "no-store", "Cache-Control", "no-store")
	f(none, chatPath, coldBody, "header", "X-Weir-Cache-Namespace", "a b")
	f(none, chatPath, coldBody, "header", "X-Weir-Cache-Tags", "a,b,c,d,e,f,g,h,i")
	f(cache.Policy{Rules: []cache.Rule{{Tag: "live", TTL: 0}}}, chatPath, coldBody, "ttl", "X-Weir-Cache-Tags", "x, live")
	f(cache.Policy{Rules: []cache.Rule{{Tag: "live", TTL: 0}}}, chatPath, coldBody, "")
	f(none, "/v1/embeddings", `{"model":"m","input":"x"}`, "")
}

func TestTheCallersCacheControlIsObeyed(t *testing.T) {
	b := newBackend(t, answering)
	r := caching(t, config(b.URL), cache.Policy{})
	ask := func(control, want string, status int) http.Header {
		t.Helper()
		h, answer := r.post(chatPath, coldBody, "Cache-Control", control)
		if met(h.Header) != want || h.StatusCode != status {
			t.Errorf("%s: %q %d, want %q %d: %s", control, met(h.Header), h.StatusCode, want, status, answer)
		}
		r.settled()
		return h.Header
	}
	ask("only-if-cached", "miss", 504)
	if rec := r.rec(); rec.Code != "not_cached" || rec.Outcome != weir.Refused || rec.Fault != weir.PolicyFault {
		t.Errorf("%+v", rec)
	}
	ask("max-age=60", "miss", 200)
	ask("only-if-cached", "hit", 200)
	ask("max-age=60", "hit", 200)
	if h := ask("no-cache", "miss", 200); !strings.Contains(h.Get("Cache-Status"), "fwd=request") {
		t.Error(h)
	}
	if n := b.calls.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
	time.Sleep(2 * time.Millisecond) // older than max-age=0 allows
	if h := ask("max-age=0", "miss", 200); !strings.Contains(h.Get("Cache-Status"), "fwd=stale") {
		t.Error(h)
	}
	ask("", "hit", 200)
}

// An answer that broke off, or failed, is never told again.
func TestACutAnswerIsNeverStored(t *testing.T) {
	for name, script := range map[string]func(c net.Conn, n int){
		"cut after a token": func(c net.Conn, n int) { writes(streamHead, chunked(roleEvent, tokenEvent))(c, nil) },
		"no finish": func(c net.Conn, n int) {
			writes(streamHead, chunked(roleEvent, tokenEvent, doneEvent), "0\r\n\r\n")(c, nil)
		},
		"an error event": func(c net.Conn, n int) { writes(streamHead, chunked(tokenEvent, overloadedEvent), "0\r\n\r\n")(c, nil) },
		"a 400":          func(c net.Conn, n int) { writes("HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\n{}")(c, nil) },
		"cut whole":      func(c net.Conn, n int) { writes("HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"+answerText)(c, nil) },
	} {
		for _, single := range []bool{false, true} {
			c := config(rawBackend(t, script))
			c.Models[0].Attempts = 1
			r := caching(t, c, cache.Policy{SingleFlight: single})
			for range 2 {
				resp, err := r.send(t.Context(), chatPath, coldStream)
				if err == nil {
					io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
					if met(resp.Header) != "miss" {
						t.Errorf("%s: %q", name, met(resp.Header))
					}
				}
				r.settled()
			}
			if n := r.store().Stats().Entries; n != 0 || r.flights.count() != 0 || r.transcripts.Load() != 0 {
				t.Errorf("%s: %d entries, %d flights, %d bytes", name, n, r.flights.count(), r.transcripts.Load())
			}
		}
	}
}

func TestAFiltersAnswerIsNotStored(t *testing.T) {
	for body, want := range map[string]bool{
		`{"choices":[{"finish_reason":"content_filter"}]}`:                                 true,
		`{"type":"message","content":[],"stop_reason" : "refusal"}`:                        true,
		`{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}`:         true,
		`{"choices":[{"message":{"content":"x","refusal":null},"finish_reason":"stop"}]}`:  false,
		`{"type":"message","content":[{"text":"a \"refusal\""}],"stop_reason":"end_turn"}`: false,
	} {
		if got := ended([]byte(body), filterWords); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
	answer := strings.Replace(answerText, `"stop"`, `"content_filter"`, 1)
	b := newBackend(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })
	r := caching(t, config(b.URL), cache.Policy{})
	for range 2 {
		if h, _ := r.post(chatPath, coldBody); met(h.Header) != "miss" {
			t.Errorf("%q", met(h.Header))
		}
		r.settled()
	}
}

// A caller that leaves ends its answer; nothing of it is stored.
func TestTheAnswerOfACallerThatLeftIsNotStored(t *testing.T) {
	hold := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, tokenEvent)
		w.(http.Flusher).Flush()
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	})
	defer close(hold)
	r := caching(t, config(b.URL), cache.Policy{SingleFlight: true})
	resp, err := r.send(t.Context(), chatPath, coldStream)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	r.settled()
	if rec := r.rec(); rec.Code != "client_gone" || r.store().Stats().Entries != 0 || r.flights.count() != 0 {
		t.Errorf("%+v", rec)
	}
	eventually(t, "the upstream is cancelled", func() bool { return b.inFlight.Load() == 0 })
}

// No tenant ever gets another's answer, unless the model is shared.
func TestAnswersStayWithTheirTenantAndNamespace(t *testing.T) {
	for _, shared := range []bool{false, true} {
		b := newBackend(t, answering)
		c := config(b.URL)
		c.Tenants = append(c.Tenants, Tenant{Name: "other", Keys: []Key{{Name: "k", SHA256: sum("other's")}}})
		r := caching(t, c, cache.Policy{Shared: shared})
		ask := func(want string, headers ...string) {
			t.Helper()
			if h, _ := r.post(chatPath, coldBody, headers...); met(h.Header) != want {
				t.Errorf("%v: %q, want %q", headers, met(h.Header), want)
			}
			r.settled()
		}
		ask("miss")
		ask("hit")
		others := "miss"
		if shared {
			others = "hit"
		}
		ask(others, "Authorization", "Bearer other's")
		ask("miss", "X-Weir-Cache-Namespace", "a")
		ask("hit", "X-Weir-Cache-Namespace", "a")
		ask("miss", "X-Weir-Cache-Namespace", "b")
		ask("miss", "Anthropic-Beta", "x")
		ask("miss", "Openai-Beta", "x")
	}
}

// Limits of requests hold for hits; tokens and money are not used.
func TestAHitCostsARequestAndNoTokens(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Tenants[0].Limits = meter.Limits{RequestsPerMinute: 60, TokensPerMinute: 600, Burst: 3 * time.Second, Budget: meter.Budget{TokensPerDay: 40}}
	r := caching(t, c, cache.Policy{})
	body := strings.Replace(coldBody, `"temperature"`, `"max_tokens":4,"temperature"`, 1)
	status := []int{}
	for range 4 {
		h, _ := r.post(chatPath, body)
		status = append(status, h.StatusCode)
		r.settled()
	}
	if fmt.Sprint(status) != "[200 200 200 429]" || b.calls.Load() != 1 {
		t.Errorf("%v, %d calls", status, b.calls.Load())
	}
	if rec := r.records[len(r.records)-1]; rec.Code != "rate_limit_exceeded" || rec.Outcome != weir.Refused {
		t.Errorf("%+v", rec)
	}
}

func TestAHitIsServedWhenTheTokensAreUsedUp(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Tenants[0].Limits = meter.Limits{Budget: meter.Budget{TokensPerDay: 40}}
	r := caching(t, c, cache.Policy{})
	body := strings.Replace(coldBody, `"temperature"`, `"max_tokens":16,"temperature"`, 1)
	for i := range 4 {
		h, _ := r.post(chatPath, strings.Replace(body, "hi", "hi"+strconv.Itoa(i), 1))
		if i == 3 && h.StatusCode != 429 {
			t.Fatalf("the budget is not used up: %d", h.StatusCode)
		}
		r.settled()
	}
	if h, answer := r.post(chatPath, strings.Replace(body, "hi", "hi0", 1)); met(h.Header) != "hit" {
		t.Errorf("%d %s", h.StatusCode, answer)
	}
}

// A purge ends what it names, and nothing else.
func TestAPurgeEndsWhatItNames(t *testing.T) {
	b := newBackend(t, answering)
	r := caching(t, config(b.URL), cache.Policy{})
	tag := []string{"X-Weir-Cache-Tags", "faq"}
	for _, c := range []struct {
		sel  cache.Selector
		ends bool
	}{{cache.Selector{Tag: "faq"}, true}, {cache.Selector{Tag: "x"}, false}, {cache.Selector{Model: "m"}, true}, {cache.Selector{Namespace: "n"}, false}, {cache.Selector{Tenant: "demo"}, true}, {cache.Selector{All: true}, true}} {
		r.post(chatPath, coldBody, tag...)
		r.settled()
		n, err := r.store().Purge(t.Context(), c.sel)
		h, _ := r.post(chatPath, coldBody)
		if err != nil || (n == 1) != c.ends || (met(h.Header) == "miss") != c.ends {
			t.Errorf("%+v: %d purged, %v, then %q", c.sel, n, err, met(h.Header))
		}
		r.settled()
		r.store().Purge(t.Context(), cache.Selector{All: true})
	}
	if _, err := r.store().Purge(t.Context(), cache.Selector{}); err == nil {
		t.Error("nothing was named")
	}
}
