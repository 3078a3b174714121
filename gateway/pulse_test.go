package gateway

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"weir"
)

// quiet is a backend that answers with the handler from its channel.
func quiet(t *testing.T) (*backend, chan http.HandlerFunc) {
	turns := make(chan http.HandlerFunc)
	return newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case h := <-turns:
			h(w, r)
		case <-r.Context().Done():
		}
	}), turns
}

const pulsedAsk = `{"model":"m","max_tokens":4,"messages":[{"role":"user","content":"hi"}],"stream":true}`

// pulsed opens a stream that gets signs of life and reads it up to the first one.
func pulsed(t *testing.T, c Config, path, sign string) (*running, *http.Response, *bufio.Reader) {
	t.Helper()
	c.Bounds.Pulse = 20 * time.Millisecond
	r := start(t, c)
	resp, err := r.send(t.Context(), path, pulsedAsk)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	in := bufio.NewReader(resp.Body)
	if line, err := in.ReadString('\n'); err != nil || line != sign || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %q %v", resp.StatusCode, line, err)
	}
	return r, resp, in
}

const goodStream = `data: {"model":"m","choices":[{"index":0,"delta":{"content":"hi"}}]}` + "\n\n" +
	`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"

func streamText(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, text)
	}
}

func rest(t *testing.T, in io.Reader) string {
	t.Helper()
	all, err := io.ReadAll(in)
	if err != nil {
		t.Fatal(err)
	}
	return strings.ReplaceAll(string(all), string(pulseComment), "")
}

func TestWhoWaitsInSilenceGetsSignsOfLifeAndThenTheAnswer(t *testing.T) {
	b, turns := quiet(t)
	r, _, in := pulsed(t, config(b.URL), "/v1/chat/completions", ": waiting\n")
	turns <- streamText(goodStream)
	if have := rest(t, in); have != goodStream {
		t.Errorf("have %q", have)
	}
	if rec := r.rec(); rec.Outcome != weir.Completed || rec.Status != 200 {
		t.Errorf("%+v", rec)
	}
	r.settled()
}

// The answer is still held back: a failure before its first token is retried, though
// the caller already has its status.
func TestAfterASignOfLifeAFailureIsStillGotElsewhere(t *testing.T) {
	b, turns := quiet(t)
	r, _, in := pulsed(t, config(b.URL), "/v1/chat/completions", ": waiting\n")
	turns <- func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", 500) }
	turns <- streamText(`data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}` + "\n\n")
	turns <- streamText(goodStream)
	if have := rest(t, in); have != goodStream {
		t.Errorf("have %q", have)
	}
	if rec := r.rec(); rec.Outcome != weir.Completed || rec.Attempts != 3 {
		t.Errorf("%+v", rec)
	}
}

func TestAfterASignOfLifeAnErrorIsAnEvent(t *testing.T) {
	for path, want := range map[string]string{
		"/v1/chat/completions": `data: {"error":{"message":"bad thing"`,
		"/v1/messages":         "event: error\n" + `data: {"type":"error","error":{"type":"invalid_request_error"`,
	} {
		b, turns := quiet(t)
		sign := ": waiting\n"
		if path == "/v1/messages" {
			sign = "event: ping\n"
		}
		c := config(b.URL)
		c.Models[0].Deployments[0].Upstream.Dialect = openAI
		r, _, in := pulsed(t, c, path, sign)
		turns <- func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, `{"error":{"message":"bad thing","type":"invalid_request_error"}}`)
		}
		if have := rest(t, in); !strings.Contains(have, want) || !strings.HasSuffix(have, "\n\n") {
			t.Errorf("%s: have %q", path, have)
		}
		if rec := r.rec(); rec.Outcome == weir.Completed || rec.Status != 200 {
			t.Errorf("%+v", rec)
		}
	}
}

func TestWithoutSilenceThereAreNoSignsOfLife(t *testing.T) {
	var n atomic.Int64
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		n.Add(1)
		streamText(goodStream)(w, r)
	})
	c := config(b.URL)
	c.Bounds.Pulse = time.Hour
	r := start(t, c)
	for i := range 10 {
		if _, answer := r.post("/v1/chat/completions", pulsedAsk); answer != goodStream {
			t.Fatal(fmt.Sprint(i), answer)
		}
	}
	if resp, answer := r.post("/v1/chat/completions", `{"model":"no","stream":true,"messages":[]}`); resp.StatusCode != 404 {
		t.Error(resp.StatusCode, answer)
	}
}

// beaten is a caller that counts what is written to it.
type beaten struct {
	caller
	starts, sent int
}

func (b *beaten) Set(string, string)          {}
func (b *beaten) Start(time.Time, int, int64) { b.starts++ }
func (b *beaten) Send([]byte) error           { b.sent++; return nil }
func (b *beaten) Flush(time.Time) error       { return nil }

// The pulse's clock is the bubble's: nothing here depends on how long it takes.
func TestAPulseBeatsOnlyInSilenceAndNotWhileTheAnswerIsStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &beaten{}
		x := &exchange{from: to}
		p := &pulse{x: x, every: 10 * time.Second, beat: pulseComment, last: time.Now()}
		x.pulse = p
		p.lock()
		p.timer = time.AfterFunc(p.every, p.due)
		p.mu.Unlock()
		f := func(pass time.Duration, starts, sent int) {
			t.Helper()
			time.Sleep(pass)
			synctest.Wait()
			if p.lock(); to.starts != starts || to.sent != sent {
				t.Errorf("%d starts and %d signs of life, want %d and %d", to.starts, to.sent, starts, sent)
			}
			p.mu.Unlock()
		}
		f(6*time.Second, 0, 0)
		p.lock()
		p.unlock() // something was sent, at 6 s
		f(9*time.Second, 0, 0)
		x.claim()
		f(60*time.Second, 0, 0)
		x.start(200, -1) // at 75 s
		f(9*time.Second, 1, 0)
		f(2*time.Second, 1, 1)
		f(10*time.Second, 1, 2)
		x.stopPulse()
		f(60*time.Second, 1, 2)
	})
}
