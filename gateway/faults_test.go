package gateway

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
)

// fault is a way in which an inference server breaks. before and after are its actions
// instead of the first token, and after it.
type fault struct {
	name          string
	before, after func(c net.Conn, quit <-chan struct{})
	code          string // the code for the caller when the failure can no longer be hidden
}

func writes(parts ...string) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, _ <-chan struct{}) {
		for _, p := range parts {
			io.WriteString(c, p)
		}
	}
}

func chunked(events ...string) string {
	var b strings.Builder
	for _, e := range events {
		chunk(&b, e)
	}
	return b.String()
}

// stalls keeps the connection open in silence until the test is over.
func stalls(parts ...string) func(net.Conn, <-chan struct{}) {
	return func(c net.Conn, quit <-chan struct{}) {
		writes(parts...)(c, nil)
		<-quit
	}
}

const (
	throttleInside = `data: {"error":{"message":"busy","type":"rate_limit","code":"429"}}` + "\n\n"
	malformedEvent = "data: {\"choices\":[{\"delta\":\n\n"
	end            = "0\r\n\r\n"

	overloadedEvent = "event: error\ndata: {\"message\":\"overloaded\"}\n\n"
	erredEvent      = `data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"error"}]}` + "\n\n"
	secondEvent     = `data: {"id":"c1","choices":[{"index":1,"delta":{"content":"half"},"finish_reason":null}]}` + "\n\n"
)

var streamFaults = []fault{
	{"cut", writes(streamHead), writes(), "upstream_cut"},
	{"cut after metadata", writes(streamHead, chunked(roleEvent)), writes("5\r\nab"), "upstream_cut"},
	{"reset before the header", writes(""), writes(), "upstream_cut"},
	{"stall", stalls(streamHead, chunked(roleEvent)), stalls(), "upstream_stalled"},
	{"slow header", stalls("HTTP/1.1 200 OK\r\nContent-"), stalls(chunked(": keep-alive\n")), "upstream_stalled"},
	{"malformed event", writes(streamHead, chunked(malformedEvent)), writes(chunked(malformedEvent)), "upstream_protocol"},
	{"malformed chunk", writes(streamHead, "zz\r\n"), writes("zz\r\n"), "upstream_protocol"},
	{"throttled inside a 200", writes(streamHead, chunked(roleEvent, throttleInside), end), writes(chunked(throttleInside), end), "throttled"},
	{"an error named so", writes(streamHead, chunked(roleEvent, overloadedEvent), end), writes(chunked(overloadedEvent), end), "upstream_error"},
	{"an error for a finish", writes(streamHead, chunked(erredEvent, doneEvent), end), writes(chunked(erredEvent, doneEvent), end), "upstream_error"},
	{"done at once", writes(streamHead, chunked(doneEvent), end), writes(chunked(doneEvent), end), "upstream_cut"},
	{"role and done", writes(streamHead, chunked(roleEvent, doneEvent), end), writes(chunked(doneEvent), end), "upstream_cut"},
	{"usage and done", writes(streamHead, chunked(usageEvent, doneEvent), end), writes(chunked(usageEvent, doneEvent), end), "upstream_cut"},
	{"one choice of two", writes(streamHead, chunked(doneEvent), end), writes(chunked(secondEvent, finishEvent, doneEvent), end), "upstream_cut"},
	{"ends without finishing", writes(streamHead, chunked(roleEvent), end), writes(end), "upstream_cut"},
	{"server error", writes("HTTP/1.1 500 no\r\nContent-Length: 2\r\n\r\n{}"), writes(), "upstream_cut"},
	{"overloaded", writes("HTTP/1.1 503 no\r\nContent-Length: 0\r\n\r\n"), writes(), "upstream_cut"},
	{"throttled", writes("HTTP/1.1 429 no\r\nretry-after-ms: 50\r\nContent-Length: 0\r\n\r\n"), writes(), "upstream_cut"},
	{"not HTTP", writes("SSH-2.0-OpenSSH\r\n\r\n"), writes("x"), "upstream_protocol"},
}

// twoReplicas is a gateway in front of one broken and one sound deployment; the broken
// one is preferred.
func twoReplicas(t *testing.T, script func(c net.Conn, quit <-chan struct{})) (*running, *backend) {
	quit := make(chan struct{})
	broken := rawBackend(t, func(c net.Conn, _ int) { script(c, quit) })
	t.Cleanup(func() { close(quit) })
	sound := newBackend(t, answering)
	c := config(broken, sound.URL)
	c.Models[0].Deployments[1].Tier = 1
	c.Models[0].SpillAfter = 1 // do not wait for throttled deployments
	for i := range c.Models[0].Deployments {
		up := &c.Models[0].Deployments[i].Upstream
		up.HeaderTimeout, up.StallTimeout = 150*time.Millisecond, 150*time.Millisecond
	}
	return start(t, c), sound
}

func TestFailuresBeforeTheFirstTokenAreNeverSeen(t *testing.T) {
	for _, f := range streamFaults {
		t.Run(f.name, func(t *testing.T) {
			r, sound := twoReplicas(t, f.before)
			resp, answer := r.post(chatPath, streamed)
			if want := roleEvent + tokenEvent + tokenEvent + tokenEvent + finishEvent + doneEvent; answer != want || resp.StatusCode != 200 {
				t.Errorf("%d %s", resp.StatusCode, answer)
			}
			if d := resp.Header.Get("X-Weir-Deployment"); d != "d1" || sound.calls.Load() != 1 {
				t.Error("served by", d)
			}
			rec := r.rec()
			if rec.Outcome != weir.Completed || rec.Attempts != 2 || rec.Deployment != "d1" || rec.Usage != (weir.Usage{Prompt: 11, Completion: 3}) {
				t.Errorf("%+v", rec)
			}
			r.settled()
		})
	}
}

func TestFailuresAfterTheFirstTokenEndWithAnErrorEventAndNoFinish(t *testing.T) {
	for _, f := range streamFaults {
		t.Run(f.name, func(t *testing.T) {
			r, sound := twoReplicas(t, func(c net.Conn, quit <-chan struct{}) {
				writes(streamHead, chunked(roleEvent, tokenEvent))(c, nil)
				f.after(c, quit)
			})
			resp, answer := r.post(chatPath, streamed)
			answer = strings.Replace(answer, secondEvent+finishEvent, "", 1)
			rest, ok := strings.CutPrefix(answer, roleEvent+tokenEvent)
			if !ok || resp.StatusCode != 200 || strings.Contains(answer, "[DONE]") || sound.calls.Load() != 0 {
				t.Fatalf("%d %s", resp.StatusCode, answer)
			}
			want := fmt.Sprintf(`"code":%q`, f.code)
			if !strings.HasPrefix(rest, `data: {"error":{`) || !strings.Contains(rest, want) || strings.Count(rest, "data: ") != 1 {
				t.Errorf("ended with %q", rest)
			}
			rec := r.rec()
			if rec.Outcome != weir.Failure || rec.Fault != weir.UpstreamFault || rec.Attempts != 1 || rec.Usage.Estimated == strings.HasPrefix(f.name, "usage") || rec.Usage.Completion < 1 {
				t.Errorf("%+v", rec)
			}
			r.settled()
		})
	}
}

func TestWholeAnswersThatAreNoneAreGotElsewhere(t *testing.T) {
	for name, script := range map[string]func(net.Conn, <-chan struct{}){
		"cut in the body":   writes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\""),
		"cut in a chunk":    writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"),
		"stall in the body": stalls("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\""),
		"no answer":         stalls(),
		"closed":            writes(),
		"half a JSON":       writes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{\"a\""),
		"empty":             writes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
		"a proxy's page":    writes("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"),
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := twoReplicas(t, script)
			resp, answer := r.post(chatPath, chatBody)
			if resp.StatusCode != 200 || answer != answerText {
				t.Errorf("%d %s", resp.StatusCode, answer)
			}
			if rec := r.rec(); rec.Attempts != 2 || rec.Outcome != weir.Completed {
				t.Errorf("%+v", rec)
			}
			r.settled()
		})
	}
}

func TestALargeAnswerThatBreaksOffIsSeenToBeBroken(t *testing.T) {
	b := rawBackend(t, func(c net.Conn, _ int) {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n"+"{"+strings.Repeat(" ", 150_000))
	})
	c := config(b)
	c.Bounds.MaxAnswer = 100_000
	r := start(t, c)
	resp, err := r.send(t.Context(), chatPath, chatBody)
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the answer looked whole")
	}
	if rec := r.rec(); rec.Outcome != weir.Failure || rec.Fault != weir.UpstreamFault || rec.Code != "upstream_cut" {
		t.Errorf("%+v", rec)
	}
	r.settled()
}

func TestWhenEveryAttemptFailsTheCallerIsToldWhoseFaultItWas(t *testing.T) {
	down, _ := net.Listen("tcp", "127.0.0.1:0")
	down.Close() // nothing listens there any more
	quit := make(chan struct{})
	defer close(quit)
	silent := rawBackend(t, func(c net.Conn, _ int) { <-quit })
	failing := newBackend(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, `{"error":{"message":"boom"}}`, 500) })
	locked := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, `{"error":{"message":"bad key"}}`, http.StatusUnauthorized)
	})
	for _, f := range []struct {
		url, code string
		status    int
	}{
		{"http://" + down.Addr().String(), "upstream_unreachable", 502},
		{silent, "upstream_timeout", 504},
		{failing.URL, "upstream_error", 502},
		{locked.URL, "upstream_credential", 502},
	} {
		c := config(f.url)
		c.Models[0].Deployments[0].Upstream.HeaderTimeout = 100 * time.Millisecond
		c.Models[0].Health = dispatch.Health{Failures: 100}
		r := start(t, c)
		resp, answer := r.post(chatPath, chatBody)
		if resp.StatusCode != f.status || !strings.Contains(answer, `"code":"`+f.code+`"`) || resp.Header.Get("X-Weir-Fault") != "upstream" {
			t.Errorf("%s: %d %s", f.code, resp.StatusCode, answer)
		}
		if rec := r.rec(); rec.Outcome != weir.Failure || rec.Code != f.code || rec.Attempts < 1 || rec.Usage != (weir.Usage{}) {
			t.Errorf("%s: %+v", f.code, rec)
		}
		r.settled()
	}
}

func TestTheCallersOwnMistakesPassUntouchedAndAreNotRetried(t *testing.T) {
	for status, body := range map[int]string{
		400: `{"error":{"message":"This model's maximum context length is 8192 tokens","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
		413: `{"error":{"message":"no","type":"too large","code":413}}`,
		422: `{"detail":[{"loc":["body"],"msg":"field required"}]}`,
	} {
		b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
		r := start(t, config(b.URL, b.URL))
		for _, ask := range []string{chatBody, streamed} {
			resp, answer := r.post(chatPath, ask)
			if resp.StatusCode != status || answer != body {
				t.Errorf("%d %s", resp.StatusCode, answer)
			}
			if rec := r.rec(); rec.Outcome != weir.Failure || rec.Fault != weir.CallerFault || rec.Status != status || rec.Attempts != 1 {
				t.Errorf("%+v", rec)
			}
		}
		r.settled()
	}
}

func TestAThrottledModelSaysTruthfullyWhenToComeBack(t *testing.T) {
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After-Ms", "7300")
		w.WriteHeader(429)
	})
	c := config(b.URL)
	c.Models[0].Attempts = 1
	r := start(t, c)
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 429 || !strings.Contains(answer, "throttled") || resp.Header.Get("Retry-After") != "8" || resp.Header.Get("Retry-After-Ms") != "7300" {
		t.Errorf("%d %s %v", resp.StatusCode, answer, resp.Header)
	}
}

func TestWhatIsHeldBeforeTheFirstTokenIsBounded(t *testing.T) {
	hold := make(chan struct{})
	b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for range 5 {
			io.WriteString(w, roleEvent)
		}
		w.(http.Flusher).Flush()
		<-hold
		io.WriteString(w, tokenEvent+finishEvent+doneEvent)
	})
	for name, bounds := range map[string]Bounds{"events": {HoldEvents: 4}, "bytes": {HoldBytes: 4*len(roleEvent) + 1}} {
		c := config(b.URL)
		c.Bounds = bounds
		r := start(t, c)
		resp, err := r.send(t.Context(), chatPath, streamed) // returns with the header: before any token
		if err != nil {
			t.Fatal(name, err)
		}
		got := make([]byte, 5*len(roleEvent))
		if _, err := io.ReadFull(resp.Body, got); err != nil {
			t.Fatal(name, err)
		}
		hold <- struct{}{}
		rest, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(rest) != tokenEvent+finishEvent+doneEvent {
			t.Errorf("%s: %s", name, rest)
		}
	}
}
