package gateway

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/cache"
	"weir/cache/memory"
	"weir/meter"
)

// gated is an inference server that answers each request, without a stream, when the test
// says so, and as it says.
type gated struct {
	*backend
	answer chan string // "": status 500
}

func newGated(t testing.TB) *gated {
	g := &gated{answer: make(chan string)}
	g.backend = newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case text := <-g.answer:
			if text == "" {
				http.Error(w, `{"error":{"message":"x"}}`, 500)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, text)
		case <-r.Context().Done():
		}
	})
	return g
}

const uncounted = `{"id":"c1","object":"chat.completion","model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"hello"},"finish_reason":"stop"}]}`

func tolerant(t *testing.T, url string) *running {
	c := config(url)
	c.Models[0].Attempts = 1
	c.Models[0].Health.Failures = 1 << 30
	return caching(t, c, cache.Policy{Normalise: true, SingleFlight: true})
}

// several is n callers of one flight, which the first leads.
func (r *running) several(t *testing.T, n int, body string) (all []*asking) {
	for i := range n {
		all = append(all, r.ask2(t, body))
		eventually(t, "it leads or follows", func() bool { return r.flights.count() == 1 && r.followers() == i })
	}
	return all
}

// Five hundred callers at once are one request to the model, and each gets the answer.
func TestFiveHundredCallersAreOneRequest(t *testing.T) {
	const callers = 500
	b := newGated(t)
	r := tolerant(t, b.URL)
	var all []*asking
	for range callers {
		all = append(all, r.ask2(t, coldBody))
	}
	eventually(t, "all others follow", func() bool { return r.followers() == callers-1 })
	b.answer <- answerText
	how := map[string]int{}
	for _, a := range all {
		got := a.all()
		if a.err != nil || a.resp.StatusCode != 200 || !strings.Contains(got, `"content":"hello"`) {
			t.Fatalf("%v %s", a.err, got)
		}
		how[met(a.resp.Header)]++
	}
	if b.calls.Load() != 1 || how["miss"] != 1 || how["coalesced"] != callers-1 {
		t.Errorf("%d requests to the model, %v", b.calls.Load(), how)
	}
	r.settled()
}

// Whole answers that cannot be stored are not waited for one after the other.
func TestFollowersOfAnAnswerThatCannotBeStoredAskAtOnce(t *testing.T) {
	b := newGated(t)
	r := tolerant(t, b.URL)
	all := r.several(t, 4, coldBody)
	b.answer <- uncounted
	eventually(t, "all others ask", func() bool { return b.inFlight.Load() == 3 })
	for range 3 {
		b.answer <- uncounted
	}
	for _, a := range all {
		if got := a.all(); a.resp.StatusCode != 200 || met(a.resp.Header) != "miss" {
			t.Errorf("%d %q %s", a.resp.StatusCode, met(a.resp.Header), got)
		}
	}
	r.settled()
}

// Followers with signs of life get one answer or one error.
func TestFollowersAreAnsweredAfterSignsOfLife(t *testing.T) {
	b := newGated(t)
	c := config(b.URL)
	c.Models[0].Attempts = 1
	c.Models[0].Health.Failures = 1 << 30
	c.Bounds.Pulse = time.Millisecond
	r := caching(t, c, cache.Policy{Normalise: true, SingleFlight: true})
	all := r.several(t, 3, coldStream)
	eventually(t, "each has a sign of life", func() bool {
		for _, a := range all {
			if !strings.Contains(a.text(), "waiting") {
				return false
			}
		}
		return true
	})
	b.answer <- ""
	b.answer <- answerText
	errors := 0
	for _, a := range all {
		got := a.all()
		errors += strings.Count(got, `"error":{`)
		if strings.Contains(got, `"error":{`) == strings.HasSuffix(got, doneEvent) {
			t.Error(got)
		}
	}
	if errors != 1 {
		t.Errorf("%d errors", errors)
	}
	r.settled()
}

// heedful is a caller that takes headers only while the pulse keeps away from them.
type heedful struct {
	caller
	t *testing.T
	p *pulse
}

func (h *heedful) Context() context.Context    { return h.t.Context() }
func (h *heedful) Start(time.Time, int, int64) {}
func (h *heedful) Send([]byte) error           { return nil }
func (h *heedful) Flush(time.Time) error       { return nil }
func (h *heedful) Add(name, value string)      { h.Set(name, value) }
func (h *heedful) Set(name, _ string) {
	if !h.p.claimed {
		h.t.Errorf("%s is set while the pulse may set headers", name)
	}
}

// A follower's pulse sets headers in its own goroutine, so the follower claims them first.
func TestAFollowerClaimsItsHeadersFromThePulse(t *testing.T) {
	r := caching(t, config("http://127.0.0.1:1"), cache.Policy{SingleFlight: true})
	follower := func() *call {
		c := newCall().(*call)
		c.g, c.st, c.s = r.Gateway, r.present(), r.surfaces.locate(chatPath)
		t.Cleanup(c.st.drop)
		c.booking.g, c.booking.served, c.look, c.ask.stream = r.Gateway, c.st.models["m"], &lookup{ttl: time.Hour}, true
		c.x.pulse = &pulse{x: &c.x}
		c.x.from = &heedful{t: t, p: c.x.pulse}
		return c
	}
	e := (&cache.Entry{Body: []byte(answerText), TTL: time.Hour}).Ready()
	if err := follower().replay(e, cache.Coalesced); err != nil {
		t.Error(err)
	}
	f := r.flights.find(flightKey{})
	f.state.Join(1)
	f.state.Join(2)
	f.pass(1, false)
	f.mu.Unlock()
	c := follower()
	if over, err := c.follow(f, 2); over || err != nil || c.x.pulse.claimed {
		t.Error("it does not lead:", over, err)
	}
	c.x.endTee(endsFailed)
	c.unreserve()
}

// A follower that is too slow for what is kept is told so: it never takes the part that it
// has for a whole answer.
func TestAFollowerThatIsTooSlowGetsAnErrorEvent(t *testing.T) {
	p := newPaced(t)
	c := config(p.URL)
	c.Models[0].Cache = &cache.Policy{TTL: time.Hour, Normalise: true, SingleFlight: true}
	s := memory.New(memory.Options{MostBody: 1 << 10}, nil)
	t.Cleanup(s.Close)
	r := start(t, c, func(o *Options) { o.Answers = s })
	leader := r.ask2(t, coldStream)
	p.send(roleEvent, tokenEvent)
	eventually(t, "the leader has a token", func() bool { return strings.Contains(leader.text(), "hello") })
	reading, goOn := make(chan struct{}), make(chan struct{})
	slow := &taken{}
	slow.wrote = func(all string) error {
		if all == roleEvent+tokenEvent {
			close(reading)
			<-goOn
		}
		return nil
	}
	ended := make(chan weir.Record)
	go func() {
		rec, _ := r.submit(t.Context(), chatPath, coldStream, slow)
		ended <- rec
	}()
	<-reading
	for range 40 {
		p.send(tokenEvent)
	}
	eventually(t, "what it has not read is dropped", func() bool { return strings.Count(leader.text(), "hello") == 41 })
	close(goOn)
	rec := <-ended
	if got := slow.body.String(); strings.Count(got, `"error":{`) != 1 || rec.Code != "client_slow" || rec.Outcome != weir.Failure {
		t.Errorf("%q %s", rec.Code, got)
	}
	p.send(finishEvent, usageEvent, doneEvent, "end")
	leader.all()
	r.settled()
}

// A request of class interactive does not wait in the queue of a batch request.
func TestClassesDoNotShareAFlight(t *testing.T) {
	b := newGated(t)
	r := tolerant(t, b.URL)
	done := make(chan string)
	for _, class := range []string{"batch", "interactive"} {
		go func() {
			h, _ := r.post(chatPath, coldBody, "X-Weir-Class", class)
			done <- met(h.Header)
		}()
	}
	eventually(t, "both ask", func() bool { return b.inFlight.Load() == 2 })
	for range 2 {
		b.answer <- answerText
	}
	if one, two := <-done, <-done; one != "miss" || two != "miss" {
		t.Error(one, two)
	}
	r.settled()
}

// An answer that is cut to what the leader may spend is the leader's alone.
func TestFollowersDoNotGetAnAnswerCutByTheLeadersBudget(t *testing.T) {
	b := newGated(t)
	c := config(b.URL)
	c.Models[0].Attempts = 1
	c.Tenants[0].Keys[0].Limits = meter.Limits{Budget: meter.Budget{TokensPerDay: 60}}
	c.Tenants[0].Keys = append(c.Tenants[0].Keys, Key{Name: "rich", SHA256: sum("rich")})
	r := caching(t, c, cache.Policy{Normalise: true, SingleFlight: true})
	body := strings.Replace(coldBody, `"temperature"`, `"max_tokens":5000,"temperature"`, 1)
	done := make(chan string)
	ask := func(key string) {
		h, _ := r.post(chatPath, body, "Authorization", "Bearer "+key)
		done <- fmt.Sprint(h.StatusCode, met(h.Header))
	}
	go ask(testKey)
	eventually(t, "the poor one leads", func() bool { return b.inFlight.Load() == 1 })
	go ask("rich")
	eventually(t, "the rich one follows", func() bool { return r.followers() == 1 })
	cut := strings.Replace(answerText, `"stop"`, `"length"`, 1)
	b.answer <- cut
	if got := <-done; got != "200miss" {
		t.Error(got)
	}
	eventually(t, "the rich one asks", func() bool { return b.inFlight.Load() == 1 && b.calls.Load() == 2 })
	b.answer <- answerText
	if got := <-done; got != "200miss" {
		t.Error(got)
	}
	r.settled()
}

// A purge by a name of the request ends the answer for it, also one that another request
// without that name has stored.
func TestAPurgeEndsWhatARequestOfThatNameWouldGet(t *testing.T) {
	b := newBackend(t, answering)
	c := config(b.URL)
	c.Tenants = append(c.Tenants, Tenant{Name: "other", Keys: []Key{{Name: "k", SHA256: sum("other's")}}})
	r := caching(t, c, cache.Policy{Shared: true})
	ask := func(want string, headers ...string) {
		t.Helper()
		if h, _ := r.post(chatPath, coldBody, headers...); met(h.Header) != want {
			t.Errorf("%v: %q, want %q", headers, met(h.Header), want)
		}
		r.settled()
	}
	tag, other := []string{"X-Weir-Cache-Tags", "faq"}, []string{"Authorization", "Bearer other's"}
	ask("miss")
	ask("hit", tag...)
	ask("hit", other...)
	r.store().Purge(t.Context(), cache.Selector{Tag: "faq"})
	ask("hit")
	ask("miss", tag...)
	ask("hit", other...)
	r.store().Purge(t.Context(), cache.Selector{Tenant: "other"})
	ask("hit")
	ask("miss", other...)
}

// The time of a request's own rule holds, also for an answer stored by another rule.
func TestAnAnswerIsAsFreshAsTheRequestsRuleSays(t *testing.T) {
	b := newBackend(t, answering)
	r := caching(t, config(b.URL), cache.Policy{Rules: []cache.Rule{{Tag: "news", TTL: time.Millisecond}}})
	r.post(chatPath, coldBody)
	r.settled()
	time.Sleep(2 * time.Millisecond) // older than its rule allows
	if h, _ := r.post(chatPath, coldBody, "X-Weir-Cache-Tags", "news"); met(h.Header) != "miss" || !strings.Contains(h.Header.Get("Cache-Status"), "fwd=stale") {
		t.Error(h.Header)
	}
	r.settled()
}
