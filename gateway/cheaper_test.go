package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	"weir/cache"
	"weir/cache/memory"
	"weir/cheaper"
	"weir/dispatch"
	"weir/meter"
)

// trying is a gateway whose model m is tried on s.
type trying struct {
	*running
	large, small *backend
}

func tries(t testing.TB, p Cheaper, small http.HandlerFunc, tune ...func(*Config)) *trying {
	g := &trying{large: newBackend(t, answering), small: newBackend(t, small)}
	c, s := config(g.large.URL), config(g.small.URL)
	s.Models[0].Name, s.Models[0].Deployments[0].Name, s.Models[0].Attempts = "s", "s0", 1
	s.Models[0].Deployments[0].Rates = meter.Rates{Prompt: 1_000_000, Completion: 1_000_000}
	c.Models[0].Deployments[0].Rates = meter.Rates{Prompt: 15_000_000, Completion: 15_000_000}
	c.Models = append(c.Models, s.Models[0])
	p.Model = "s"
	if p.Rules == nil {
		p.Rules = []cheaper.Rule{{Share: 1, Tools: true}}
	}
	c.Models[0].Cheaper = &p
	for _, f := range tune {
		f(&c)
	}
	g.running = start(t, c)
	return g
}

// ended waits for n records and returns the last n.
func (g *trying) ended(n int) []weir.Record {
	for range n {
		g.rec()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.records[len(g.records)-n:]
}

const plainAsk = `{"model":"m","messages":[{"role":"user","content":"hi"}]}`

func TestAnAcceptedAnswerOfTheSmallerModelIsPaidOnce(t *testing.T) {
	g := tries(t, Cheaper{}, says(hello))
	h, answer := g.post(chatPath, plainAsk, "X-Request-Id", "r-1")
	if h.StatusCode != 200 || answer != answerText || h.Header.Get("X-Weir-Route") != "m=cheaper, s0=room" || h.Header.Get("X-Weir-Deployment") != "s0" {
		t.Errorf("%v %v %s", h.StatusCode, h.Header, answer)
	}
	if ids := h.Header.Values("X-Request-Id"); len(ids) != 1 || ids[0] != "r-1" {
		t.Error(ids)
	}
	recs := g.ended(2)
	first, own := recs[0], recs[1]
	if first.Model != "s" || first.Asked != "m" || first.Cheaper != "first" || first.Usage.Completion != 7 || first.Cost != 14 || first.RequestID != "r-1" || first.Client != own.Client || first.Client == "" {
		t.Errorf("%+v", first)
	}
	if own.Model != "m" || own.Cheaper != "accepted" || own.Usage != (weir.Usage{}) || own.Cost != 0 || own.Outcome != weir.Completed || own.Attempts != 0 || own.TTFT == 0 || own.Trail != "m=cheaper, s0=room" {
		t.Errorf("%+v", own)
	}
	if n := g.large.calls.Load(); n != 0 {
		t.Errorf("the larger model was asked %d times", n)
	}
	if path, body, _ := g.small.last(); path != chatPath || !strings.Contains(body, `"model":"up"`) {
		t.Error(path, body)
	}
	g.settled()
}

// gives sends one text.
func gives(status int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, text)
	}
}

func TestAnAnswerThatIsNotGoodEnoughIsPaidAndTheLargerModelAnswers(t *testing.T) {
	json := strings.Replace(plainAsk, "{", `{"response_format":{"type":"json_object"},`, 1)
	for _, f := range []struct{ ask, answer, why string }{
		{plainAsk, strings.Replace(answerText, `"stop"`, `"length"`, 1), "cut"},
		{plainAsk, strings.Replace(answerText, `"hello"`, `null,"refusal":"no"`, 1), "refused"},
		{plainAsk, strings.Replace(answerText, `"hello"`, `"I cannot say"`, 1), "refused"},
		{json, answerText, "schema"},
	} {
		g := tries(t, Cheaper{Policy: cheaper.Policy{Cascade: cheaper.Cascade{Phrases: []string{"i cannot"}}}}, gives(200, f.answer))
		h, answer := g.post(chatPath, f.ask)
		if route := h.Header.Get("X-Weir-Route"); answer != answerText || route != "s0=cheaper_"+f.why+", d0=room" {
			t.Errorf("%s: %s %s", f.why, route, answer)
		}
		recs := g.ended(2)
		if recs[0].Cost != 14 || recs[0].Cheaper != "first" || recs[1].Cost != 14*15 || recs[1].Cheaper != f.why || recs[1].Outcome != weir.Completed {
			t.Errorf("%s: %+v", f.why, recs)
		}
		g.settled()
	}
}

func TestAFailureOfTheSmallerModelIsUnseen(t *testing.T) {
	block := make(chan struct{})
	t.Cleanup(func() { close(block) })
	for why, small := range map[string]http.HandlerFunc{
		"failed": gives(500, "{}"),
		"late":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		g := tries(t, Cheaper{Within: 200 * time.Millisecond}, small)
		h, answer := g.post(chatPath, plainAsk)
		if h.StatusCode != 200 || answer != answerText || g.ended(2)[1].Cheaper != why {
			t.Errorf("%s: %d %s %+v", why, h.StatusCode, answer, g.records)
		}
		g.settled()
	}
	g := tries(t, Cheaper{}, gives(200, strings.Replace(answerText, "hello", strings.Repeat("x", 5000), 1)), func(c *Config) { c.Bounds.MaxAnswer = 4000 })
	if _, answer := g.post(chatPath, plainAsk); answer != answerText || g.ended(2)[1].Cheaper != "failed" {
		t.Errorf("too large to be judged: %s", answer)
	}
}

func TestACallerThatLeavesDuringTheFirstTryAsksNoOther(t *testing.T) {
	reached := make(chan struct{})
	g := tries(t, Cheaper{}, func(_ http.ResponseWriter, r *http.Request) { close(reached); <-r.Context().Done() })
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-reached; leave() }()
	g.send(ctx, chatPath, plainAsk)
	recs := g.ended(2)
	if recs[0].Status != 499 || recs[1].Status != 499 || g.large.calls.Load() != 0 {
		t.Errorf("%+v", recs)
	}
	g.settled()
}

func TestProbabilitiesAreAskedForAndHidden(t *testing.T) {
	logs := func(p string) string {
		return strings.Replace(answerText, `"finish_reason"`, `"logprobs":{"content":[{"token":"hello","logprob":`+p+`}]},"finish_reason"`, 1)
	}
	hidden := strings.Replace(answerText, `"finish_reason"`, `"logprobs":null,"finish_reason"`, 1)
	sure := Cheaper{Policy: cheaper.Policy{Cascade: cheaper.Cascade{MinConfidence: 0.8}}}
	for _, f := range []struct{ ask, says, want, met string }{
		{plainAsk, logs("-0.1"), hidden, "accepted"},
		{strings.Replace(plainAsk, "{", `{"logprobs":true,`, 1), logs("-0.1"), logs("-0.1"), "accepted"},
		{strings.Replace(plainAsk, "{", `{"logprobs":null,`, 1), logs("-0.1"), hidden, "accepted"},
		{plainAsk, logs("-0.3"), answerText, "unsure"},
		{plainAsk, answerText, answerText, "unsure"},
	} {
		g := tries(t, sure, gives(200, f.says))
		_, answer := g.post(chatPath, f.ask)
		if _, body, _ := g.small.last(); !strings.Contains(body, `"logprobs":true`) || strings.Count(body, "logprobs") != 1 {
			t.Errorf("asked: %s", body)
		}
		if met := g.ended(2)[1].Cheaper; answer != f.want || met != f.met {
			t.Errorf("%s, want %s\n%s\n%s", met, f.met, answer, f.want)
		}
	}
}

func TestAMovedRequestIsOneToTheSmallerModel(t *testing.T) {
	batch := weir.Batch
	g := tries(t, Cheaper{Policy: cheaper.Policy{Rules: []cheaper.Rule{
		{How: cheaper.Moved, Share: 1, Class: &batch}, {How: cheaper.Moved, Share: 1, Tag: "sum"}, {How: cheaper.Moved, Share: 0.5, MaxPrompt: 20}}}}, answering)
	tools := strings.Replace(plainAsk, "{", `{"tools":[{"type":"function","function":{"name":"f"}}],`, 1)
	long := strings.Replace(plainAsk, "hi", strings.Repeat("x", 100), 1)
	for i, f := range []struct {
		body, header, value string
		moved               bool
	}{
		{long, "X-Weir-Class", "batch", true},
		{long, "X-Weir-Tags", "a, sum", true},
		{long, "X-Weir-Tags", "a", false},
		{plainAsk, "", "", false}, {plainAsk, "", "", true}, {plainAsk, "", "", false}, {plainAsk, "", "", true},
		{tools, "X-Weir-Class", "batch", false},
		{long, "X-Weir-Class", "batch", true},
		{strings.Replace(long, "{", `{"stream":true,`, 1), "X-Weir-Class", "batch", true},
	} {
		headers := []string{f.header, f.value}
		if f.header == "" {
			headers = nil
		}
		h, _ := g.post(chatPath, f.body, headers...)
		rec, route := g.rec(), "d0=room"
		if f.moved {
			route = "m=cheaper, s0=room"
		}
		if moved := rec.Model == "s"; moved != f.moved || h.Header.Get("X-Weir-Route") != route || moved && (rec.Asked != "m" || rec.Cheaper != "moved") || !moved && rec.Cheaper != "" {
			t.Errorf("%d: %v %+v", i, h.Header, rec)
		}
	}
	if _, answer := g.post(chatPath, long, "X-Weir-Class", "batch"); !strings.Contains(answer, `"model":"m"`) {
		t.Errorf("the caller sees another name than it used: %s", answer)
	}
	g.settled()
}

func TestWhatIsNotTried(t *testing.T) {
	stream := strings.Replace(plainAsk, "{", `{"stream":true,`, 1)
	for what, f := range map[string]struct {
		path, body, cheaper string
		how                 cheaper.How
		tune                func(*Config)
	}{
		"a streamed cascade":       {chatPath, stream, "", cheaper.Cascaded, nil},
		"a caller that says no":    {chatPath, plainAsk, "no", cheaper.Moved, nil},
		"a tenant that forbids it": {chatPath, plainAsk, "", cheaper.Moved, func(c *Config) { c.Tenants[0].NotCheaper = true }},
		"a tenant without it":      {chatPath, plainAsk, "", cheaper.Moved, func(c *Config) { c.Tenants[0].Models = []string{"m"} }},
		"a prompt too long for it": {chatPath, strings.Replace(plainAsk, "hi", strings.Repeat("x", 100), 1), "", cheaper.Moved, func(c *Config) { c.Models[1].Deployments[0].Context = 20 }},
		"what it does not support": {chatPath, strings.Replace(plainAsk, "{", `{"tools":[{"type":"function"}],`, 1), "", cheaper.Moved, func(c *Config) {
			c.Models[1].Deployments[0].Lacks = dispatch.Tools
		}},
		"what cannot be judged":     {"/v1/responses", `{"model":"m","input":"hi"}`, "", cheaper.Moved, nil},
		"completions without probs": {"/v1/completions", `{"model":"m","prompt":"hi"}`, "", cheaper.Cascaded, func(c *Config) { c.Models[0].Cheaper.Cascade.MinConfidence = 0.5 }},
	} {
		tune := f.tune
		if tune == nil {
			tune = func(*Config) {}
		}
		g := tries(t, Cheaper{Policy: cheaper.Policy{Rules: []cheaper.Rule{{How: f.how, Share: 1, Tools: true}}}}, answering, tune)
		h, _ := g.post(f.path, f.body, "X-Weir-Cheaper", f.cheaper)
		if n := g.small.calls.Load(); n != 0 || h.StatusCode != 200 || g.rec().Cheaper != "" {
			t.Errorf("%s: %d, asked %d times", what, h.StatusCode, n)
		}
	}
}

// A request that is accepted counts once in its limits, one that is not counts twice.
func TestLimitsCountWhatIsAsked(t *testing.T) {
	for _, f := range []struct {
		answer string
		most   int
	}{{answerText, 4}, {strings.Replace(answerText, `"stop"`, `"length"`, 1), 2}} {
		g := tries(t, Cheaper{}, gives(200, f.answer), func(c *Config) { c.Tenants[0].Limits.RequestsPerMinute = 4 })
		done := 0
		for range 5 {
			if h, _ := g.post(chatPath, plainAsk); h.StatusCode == 200 {
				done++
			}
		}
		if done != f.most {
			t.Errorf("%d of 5 requests are answered, want %d", done, f.most)
		}
		g.settled()
	}
}

// Whatever the smaller model does, every request has one answer, and the three outcomes
// add up to what began.
func TestACascadeEndsOnce(t *testing.T) {
	g := tries(t, Cheaper{Within: time.Minute}, func(w http.ResponseWriter, r *http.Request) {
		var ask struct{ User string }
		json.NewDecoder(r.Body).Decode(&ask)
		n, _ := strconv.Atoi(ask.User)
		[]http.HandlerFunc{gives(200, answerText), gives(200, "{}"), gives(503, ""), gives(400, `{"error":{"message":"no","type":"invalid_request_error"}}`),
			gives(200, answerText[:50]), func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}[n](w, r)
	}, func(c *Config) { c.Models[1].Health.Failures = 1 << 30 })
	seen := 0
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(0, 5).Draw(rt, "what")
		h, answer := g.post(chatPath, fmt.Sprintf(`{"model":"m","user":"%d","messages":[]}`, n))
		recs := g.ended(2)
		if h.StatusCode != 200 || answer != answerText || recs[1].Outcome != weir.Completed || recs[0].Asked != "m" || (n == 0) != (recs[1].Cheaper == "accepted") {
			rt.Fatalf("%d %s %+v", h.StatusCode, answer, recs)
		}
		if seen += 2; uint64(seen) != g.arrived.Load() {
			rt.Fatalf("%d records of %d requests", seen, g.arrived.Load())
		}
		g.settled()
	})
}

func TestACheaperThatCannotWorkIsFaulted(t *testing.T) {
	c := config("http://127.0.0.1:1")
	c.Models[0].Cheaper = &Cheaper{Model: "m", Policy: cheaper.Policy{Rules: []cheaper.Rule{{Share: 2}}, Cascade: cheaper.Cascade{MinConfidence: 1}}}
	err := c.Validate()
	for _, want := range []string{`"m" is tried on "m"`, "Share of a rule is 2", "MinConfidence is 1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	c.Models[0].Cheaper.Rules = nil
	if err := c.Validate(); !strings.Contains(err.Error(), "0 rules") {
		t.Error(err)
	}
}

// Each of the two requests looks for stored answers under its own model.
func TestACascadeMeetsTheStoredAnswersOfBothModels(t *testing.T) {
	ask := strings.Replace(plainAsk, "{", `{"temperature":0,`, 1)
	for _, f := range []struct{ answer, met string }{{answerText, "accepted"}, {strings.Replace(answerText, `"stop"`, `"length"`, 1), "cut"}} {
		s := memory.New(memory.Options{}, nil)
		t.Cleanup(s.Close)
		g := &trying{large: newBackend(t, answering), small: newBackend(t, gives(200, f.answer))}
		c, o := config(g.large.URL), config(g.small.URL)
		o.Models[0].Name, o.Models[0].Deployments[0].Name = "s", "s0"
		c.Models = append(c.Models, o.Models[0])
		c.Models[0].Cheaper = &Cheaper{Model: "s", Policy: cheaper.Policy{Rules: []cheaper.Rule{{Share: 1}}}}
		c.Models[0].Cache, c.Models[1].Cache = &cache.Policy{TTL: time.Hour}, &cache.Policy{TTL: time.Hour}
		g.running = start(t, c, func(o *Options) { o.Answers = s })
		for i := range 3 {
			_, answer := g.post(chatPath, ask)
			recs := g.ended(2)
			if !strings.Contains(answer, `"finish_reason":"stop"`) || recs[1].Cheaper != f.met {
				t.Fatalf("%s %+v", answer, recs)
			}
			if i > 0 && f.met == "accepted" && recs[0].Cache != "hit" || i > 0 && f.met == "cut" && recs[1].Cache != "hit" {
				t.Errorf("%d: %s %s", i, recs[0].Cache, recs[1].Cache)
			}
		}
		if f.met == "accepted" && g.small.calls.Load() != 1 || g.large.calls.Load() > 1 {
			t.Errorf("asked %d and %d times", g.small.calls.Load(), g.large.calls.Load())
		}
		g.settled()
	}
}

// The limit on requests in flight counts a request once, also while its body arrives.
func TestACascadeIsOneRequestInFlight(t *testing.T) {
	g := tries(t, Cheaper{}, answering, func(c *Config) { c.Tenants[0].Limits.MaxConcurrent = 1 })
	g.post(chatPath, strings.Replace(plainAsk, "hi", strings.Repeat("x", smallBody), 1))
	if recs := g.ended(2); recs[1].Cheaper != "accepted" {
		t.Errorf("%+v", recs)
	}
	g.settled()
}
