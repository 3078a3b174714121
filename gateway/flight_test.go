package gateway

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	"weir/cache"
	"weir/meter"
)

// paced is an inference server whose streams advance when the test says so.
type paced struct {
	*backend
	step chan string // an event, "" cuts the connection, "end" ends properly
}

func newPaced(t testing.TB) *paced {
	p := &paced{step: make(chan string)}
	p.backend = newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); !strings.Contains(string(body), `"stream":true`) {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, answerText)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(200)
		for {
			select {
			case e := <-p.step:
				if e == "" {
					panic(http.ErrAbortHandler)
				}
				if e == "end" {
					return
				}
				io.WriteString(w, e)
				w.(http.Flusher).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	return p
}

func (p *paced) send(events ...string) {
	for _, e := range events {
		p.step <- e
	}
}

// asking is one caller of a flight.
type asking struct {
	t      *testing.T
	resp   *http.Response
	err    error
	cancel context.CancelFunc
	done   chan struct{}
	mu     sync.Mutex
	got    strings.Builder
}

func (r *running) ask2(t *testing.T, body string) *asking {
	ctx, cancel := context.WithCancel(t.Context())
	a := &asking{t: t, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		if a.resp, a.err = r.send(ctx, chatPath, body); a.err != nil {
			return
		}
		defer a.resp.Body.Close()
		buf := make([]byte, 4096)
		for {
			n, err := a.resp.Body.Read(buf)
			a.mu.Lock()
			a.got.Write(buf[:n])
			a.mu.Unlock()
			if err != nil {
				if err != io.EOF {
					a.err = err
				}
				return
			}
		}
	}()
	return a
}

func (a *asking) text() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.got.String()
}

func (a *asking) all() string {
	<-a.done
	return a.text()
}

func (r *running) followers() (n int) {
	r.flights.mu.Lock()
	defer r.flights.mu.Unlock()
	for _, f := range r.flights.of {
		f.mu.Lock()
		n += f.state.Followers()
		f.mu.Unlock()
	}
	return n
}

// leaderLeft says whether the callers of all leaders have left.
func (r *running) leaderLeft() bool {
	r.flights.mu.Lock()
	defer r.flights.mu.Unlock()
	for _, f := range r.flights.of {
		f.mu.Lock()
		here := !f.asking || f.answer.c.x.lead.caller.Err() == nil
		f.mu.Unlock()
		if here {
			return false
		}
	}
	return true
}

func flying(t *testing.T, url string) *running {
	c := config(url)
	c.Models[0].Attempts = 1
	return caching(t, c, cache.Policy{Normalise: true, SingleFlight: true})
}

const shownStream = roleEvent + tokenEvent + tokenEvent + finishEvent + doneEvent

// Followers get what has passed and then what comes, whether they stream or not.
func TestFollowersGetTheLeadersAnswer(t *testing.T) {
	p := newPaced(t)
	r := flying(t, p.URL)
	leader := r.ask2(t, coldStream)
	p.send(roleEvent, tokenEvent)
	eventually(t, "the leader has a token", func() bool { return strings.Contains(leader.text(), "hello") })
	with, without, whole := r.ask2(t, coldUsage), r.ask2(t, coldStream), r.ask2(t, coldBody)
	eventually(t, "three follow", func() bool { return r.followers() == 3 })
	eventually(t, "they have what has passed", func() bool {
		return with.text() == roleEvent+tokenEvent && without.text() == roleEvent+tokenEvent
	})
	p.send(tokenEvent)
	eventually(t, "they have what comes", func() bool { return without.text() == roleEvent+tokenEvent+tokenEvent })
	p.send(finishEvent, usageEvent, doneEvent, "end")
	if got := leader.all(); got != shownStream {
		t.Errorf("leader: %s", got)
	}
	if got := without.all(); got != shownStream || met(without.resp.Header) != "coalesced" {
		t.Errorf("without usage: %s", got)
	}
	if got := with.all(); got != roleEvent+tokenEvent+tokenEvent+finishEvent+usageEvent+doneEvent {
		t.Errorf("with usage: %s", got)
	}
	if got := whole.all(); !strings.Contains(got, `"content":"hello hello "`) || !strings.Contains(got, `"usage":{"prompt_tokens":11`) || met(whole.resp.Header) != "coalesced" {
		t.Errorf("whole: %s %v", got, whole.resp.Header)
	}
	r.settled()
	if p.calls.Load() != 1 || r.flights.count() != 0 || r.transcripts.Load() != 0 {
		t.Errorf("%d calls, %d flights, %d bytes", p.calls.Load(), r.flights.count(), r.transcripts.Load())
	}
	used := int64(0)
	for range 4 {
		r.rec()
	}
	for _, rec := range r.records {
		used += rec.Usage.Completion
		if rec.Outcome != weir.Completed || rec.Cache == "coalesced" && (rec.SavedTokens != 14 || rec.Attempts != 0) {
			t.Errorf("%+v", rec)
		}
	}
	if used != 3 {
		t.Errorf("%d tokens are billed", used)
	}
}

// The leader's caller may leave: the others get all of it. When the last one leaves, the
// model is told to stop.
func TestALeaderThatLeavesEndsNothingAndTheLastOneDoes(t *testing.T) {
	p := newPaced(t)
	r := flying(t, p.URL)
	leader := r.ask2(t, coldStream)
	p.send(roleEvent, tokenEvent)
	follower := r.ask2(t, coldStream)
	eventually(t, "one follows", func() bool { return r.followers() == 1 && follower.text() != "" })
	leader.cancel()
	<-leader.done
	eventually(t, "the gateway sees that it has left", r.leaderLeft)
	p.send(tokenEvent, finishEvent, usageEvent, doneEvent, "end")
	if got := follower.all(); got != shownStream {
		t.Error(got)
	}
	r.settled()
	codes := map[string]int64{}
	for range 2 {
		r.rec()
	}
	for _, rec := range r.records {
		codes[rec.Code] = rec.Usage.Completion
	}
	if codes["client_gone"] != 3 || codes[""] != 0 || len(codes) != 2 {
		t.Errorf("%v", codes)
	}
	if h, _ := r.post(chatPath, coldBody); met(h.Header) != "hit" {
		t.Error("the answer was not stored")
	}
	other := strings.Replace(coldStream, "hi", "ho", 1)
	leader, follower = r.ask2(t, other), nil
	p.send(roleEvent, tokenEvent)
	follower = r.ask2(t, other)
	eventually(t, "one follows", func() bool { return r.followers() == 1 })
	leader.cancel()
	follower.cancel()
	eventually(t, "the model is told to stop", func() bool { return p.inFlight.Load() == 0 })
	r.settled()
	eventually(t, "no flight is left", func() bool { return r.flights.count() == 0 })
}

// If the leader fails before a follower has been sent anything, a follower leads. One that
// has the beginning ends with an error event.
func TestAFailurePromotesAFollowerThatHasNothing(t *testing.T) {
	p := newPaced(t)
	r := flying(t, p.URL)
	leader := r.ask2(t, coldStream)
	p.send(roleEvent)
	whole := r.ask2(t, coldBody)
	eventually(t, "it follows", func() bool { return r.followers() == 1 })
	p.send(tokenEvent)
	stream := r.ask2(t, coldStream)
	eventually(t, "it has a token", func() bool { return strings.Contains(stream.text(), "hello") })
	p.send("")
	for _, a := range []*asking{leader, stream} {
		if got := a.all(); strings.Count(got, "upstream_cut") != 1 {
			t.Errorf("%q %v", got, a.err)
		}
	}
	if got := whole.all(); whole.resp.StatusCode != 200 || met(whole.resp.Header) != "miss" {
		t.Errorf("%d %q %s", whole.resp.StatusCode, met(whole.resp.Header), got)
	}
	r.settled()
	if p.calls.Load() != 2 || r.flights.count() != 0 {
		t.Errorf("%d calls, %d flights", p.calls.Load(), r.flights.count())
	}
}

// After two failures the rest ask at the same time: none waits for a third.
func TestAfterTwoFailuresAllFollowersAsk(t *testing.T) {
	const callers = 6
	var calls atomic.Int64
	go1, all := make(chan struct{}), make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		switch n := calls.Add(1); {
		case n == 1:
			<-go1
			fallthrough
		case n == 2:
			w.WriteHeader(500)
			return
		case n == callers:
			close(all)
		}
		select {
		case <-all:
			answering(w, r)
		case <-r.Context().Done():
		}
	})
	r := flying(t, b.URL)
	var asked []*asking
	for range callers {
		asked = append(asked, r.ask2(t, coldBody))
	}
	eventually(t, "all but one follow", func() bool { return r.followers() == callers-1 })
	close(go1)
	failed := 0
	for _, a := range asked {
		if a.all(); a.resp.StatusCode != 200 {
			failed++
		}
	}
	r.settled()
	if n := calls.Load(); failed != cache.MaxFailures || n != callers || r.flights.count() != 0 {
		t.Errorf("%d failed, %d calls, %d flights", failed, n, r.flights.count())
	}
}

// Each follower is a request of its own limits.
func TestAFollowerIsCountedByItsOwnLimits(t *testing.T) {
	p := newPaced(t)
	c := config(p.URL)
	c.Tenants[0].Limits = meter.Limits{MaxConcurrent: 2}
	r := caching(t, c, cache.Policy{Normalise: true, SingleFlight: true})
	leader := r.ask2(t, coldStream)
	p.send(roleEvent)
	follower := r.ask2(t, coldStream)
	eventually(t, "one follows", func() bool { return r.followers() == 1 })
	if h, _ := r.post(chatPath, coldStream); h.StatusCode != 429 {
		t.Error(h.StatusCode)
	}
	p.send(tokenEvent, finishEvent, usageEvent, doneEvent, "end")
	leader.all()
	if got := follower.all(); !strings.HasSuffix(got, doneEvent) {
		t.Error(got)
	}
	r.settled()
}

// A purge during a flight: a later caller does not get what was asked for before it.
func TestNobodyJoinsWhatWasAskedForBeforeAPurge(t *testing.T) {
	p := newPaced(t)
	r := flying(t, p.URL)
	leader := r.ask2(t, coldStream)
	p.send(roleEvent)
	eventually(t, "it flies", func() bool { return r.flights.count() == 1 })
	if _, err := r.store().Purge(t.Context(), cache.Selector{Model: "m"}); err != nil {
		t.Fatal(err)
	}
	later := r.ask2(t, coldStream)
	eventually(t, "it asks too", func() bool { return p.calls.Load() == 2 })
	leader.cancel()
	later.cancel()
	<-leader.done
	<-later.done
	r.settled()
}

// whims is a server that fails and stalls as drawn. It also sees whether two calls of one
// flight are under way.
type whims struct {
	t      testing.TB
	mu     sync.Mutex
	now    map[*underWay]bool
	failed map[string]int // calls of a flight

	overlaps atomic.Int64 // calls of one flight under way together, before two have failed here
}

// underWay is a call from its first byte until the server knows that it will say nothing
// more, which is before the gateway can know.
type underWay struct {
	of   string          // the flight
	gone <-chan struct{} // the gateway has given it up
	with []*underWay     // calls of the same flight that were under way at the same time
}

// prompts are those of the flights, one for each.
var prompts = regexp.MustCompile(`hi\d+`)

func (s *whims) begin(body string, gone <-chan struct{}) *underWay {
	c := &underWay{of: prompts.FindString(body), gone: gone}
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.now {
		if other.of == c.of && s.failed[c.of] < cache.MaxFailures { // after these all ask
			other.with, c.with = append(other.with, c), append(c.with, other)
		}
	}
	s.now[c] = true
	return c
}

// end ends a call. Of two that were under way together the gateway must have given up one
// before it asked the other; only the news of it can be late, so it is waited for.
func (s *whims) end(c *underWay) {
	s.mu.Lock()
	delete(s.now, c)
	with := c.with
	s.mu.Unlock()
	for _, other := range with {
		select {
		case <-c.gone:
		case <-other.gone:
		case <-time.After(2 * time.Second):
			s.overlaps.Add(1)
		}
	}
}

// fail ends a call that fails.
func (s *whims) fail(c *underWay) {
	s.mu.Lock()
	s.failed[c.of]++
	s.mu.Unlock()
	s.end(c)
}

func (s *whims) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.now)
}

func (s *whims) serve(rng func() *rand.Rand) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		call := s.begin(string(body), r.Context().Done())
		var once sync.Once
		over, fails := func() { once.Do(func() { s.end(call) }) }, func() { once.Do(func() { s.fail(call) }) }
		defer over()
		draw := rng()
		events := []string{roleEvent, tokenEvent, tokenEvent, finishEvent, usageEvent, doneEvent}
		cut := len(events)
		if draw.IntN(3) == 0 {
			cut = draw.IntN(len(events))
		}
		if draw.IntN(6) == 0 {
			fails()
			http.Error(w, `{"error":{"message":"x"}}`, 500)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for i, e := range events[:cut] {
			if draw.IntN(3) == 0 {
				select {
				case <-time.After(time.Duration(draw.IntN(2000)) * time.Microsecond):
				case <-r.Context().Done():
					return
				}
			}
			if i == len(events)-1 {
				over()
			}
			io.WriteString(w, e)
			w.(http.Flusher).Flush()
		}
		if cut < len(events) {
			fails()
			panic(http.ErrAbortHandler)
		}
	}
}

// However callers leave and servers fail: one call is under way at a time until two have
// failed, every caller
// sees a whole answer or an error, each has one record, and nothing is left.
func TestCallersOfOneFlightSeeAWholeAnswerOrAnError(t *testing.T) {
	var mu sync.Mutex
	var source *rand.Rand
	draw := func() *rand.Rand {
		mu.Lock()
		defer mu.Unlock()
		return rand.New(rand.NewPCG(source.Uint64(), 1))
	}
	source = rand.New(rand.NewPCG(1, 1))
	s := &whims{t: t, now: map[*underWay]bool{}, failed: map[string]int{}}
	b := newBackend(t, s.serve(draw))
	c := config(b.URL)
	c.Models[0].Attempts = 1
	c.Models[0].Health.Failures = 1 << 30
	r := caching(t, c, cache.Policy{Normalise: true, SingleFlight: true})
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		mu.Lock()
		source = rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 2))
		mu.Unlock()
		round++
		n := rapid.IntRange(1, 12).Draw(rt, "callers")
		var unhappy atomic.Int64 // callers that left or got an error
		var callers sync.WaitGroup
		for i := range n {
			d := draw()
			body := strings.Replace([]string{coldStream, coldUsage, coldBody}[d.IntN(3)], "hi", fmt.Sprint("hi", round), 1)
			leaves := d.IntN(3) == 0
			after := time.Duration(d.IntN(4000)) * time.Microsecond
			late := time.Duration(d.IntN(2000)) * time.Microsecond
			callers.Go(func() {
				time.Sleep(late)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				if leaves {
					time.AfterFunc(after, cancel)
				}
				resp, err := r.send(ctx, chatPath, body)
				if err != nil {
					unhappy.Add(1)
					if ctx.Err() == nil {
						rt.Errorf("caller %d: %v", i, err)
					}
					return
				}
				defer resp.Body.Close()
				got, err := io.ReadAll(resp.Body)
				text := string(got)
				whole := strings.HasSuffix(text, doneEvent) && strings.Contains(text, `"finish_reason":"stop"`) || strings.HasPrefix(text, `{"id"`) && strings.Contains(text, `"finish_reason":"stop"`)
				failed := strings.Contains(text, `"error"`)
				if failed || err != nil {
					unhappy.Add(1)
				}
				if ctx.Err() == nil && (err != nil || whole == failed) {
					rt.Errorf("caller %d: %v, status %d: %s", i, err, resp.StatusCode, text)
				}
			})
		}
		callers.Wait()
		r.settled()
		eventually(t, "no flight is left", func() bool { return r.flights.count() == 0 && r.transcripts.Load() == 0 && s.count() == 0 })
		if o := s.overlaps.Swap(0); o > 0 && unhappy.Load() < cache.MaxFailures {
			rt.Errorf("%d calls of one flight were under way together, and %d callers have failed", o, unhappy.Load())
		}
		eventually(t, "every caller has a record", func() bool { return uint64(len(r.copyRecords())) == r.Levels().Arrived })
	})
}

func (r *running) copyRecords() []weir.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]weir.Record(nil), r.records...)
}
