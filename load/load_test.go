package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir/trace"
)

// whole answers a stream of n tokens with its finish.
func whole(w http.ResponseWriter, n int) {
	for range n {
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n")
		w.(http.Flusher).Flush()
	}
	fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
}

func play(t *testing.T, n int, h http.HandlerFunc) *Result {
	t.Helper()
	srv := httptest.NewServer(h)
	defer srv.Close()
	var src trace.Slice
	for i := range n {
		src = append(src, trace.Arrival{At: time.Duration(i) * time.Millisecond, Prompt: 40, Output: 3})
	}
	r, err := Play(t.Context(), Options{URL: srv.URL, Model: "m", Key: "k", Source: &src})
	if err != nil {
		t.Fatal(err)
	}
	if r.Arrived != n || r.Arrived != r.Skipped+r.Completed+r.Refused+r.Failed {
		t.Fatalf("the counts do not add up: %+v", r)
	}
	return r
}

func TestWholeStreamsAreCompleted(t *testing.T) {
	r := play(t, 50, func(w http.ResponseWriter, q *http.Request) {
		var body struct {
			Model     string
			MaxTokens int `json:"max_tokens"`
			Messages  []struct{ Content string }
		}
		if err := json.NewDecoder(q.Body).Decode(&body); err != nil || q.Header.Get("authorization") != "Bearer k" {
			w.WriteHeader(400)
			return
		}
		if n := len(strings.Fields(body.Messages[0].Content)); n != 40 || body.Model != "m" {
			w.WriteHeader(400)
			return
		}
		whole(w, body.MaxTokens)
	})
	if r.Completed != 50 || r.Tokens != 150 || r.TTFT.Count() != 50 || r.TPOT.Count() != 50 || r.Attainment() != 1 {
		t.Errorf("%s", r)
	}
}

func TestEveryKindOfEndIsCounted(t *testing.T) {
	f := func(name string, refused, failed, cut int, h http.HandlerFunc) {
		t.Helper()
		r := play(t, 10, h)
		if r.Refused != refused || r.Failed != failed || r.Cut != cut {
			t.Errorf("%s: %s", name, r)
		}
	}
	f("429", 10, 0, 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) })
	f("503", 10, 0, 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	f("500", 0, 10, 0, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	f("no finish", 0, 10, 10, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\ndata: [DONE]\n\n")
	})
	f("no done", 0, 10, 10, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n")
	})
	f("error event", 0, 10, 10, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "data: {\"error\":{\"message\":\"gone\"}}\n\n")
	})
	f("garbage", 0, 10, 10, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "data: {nonsense\n\n") })
	f("cut connection", 0, 10, 10, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
}

func TestMoreThanMaxInFlightIsNotSent(t *testing.T) {
	release := make(chan struct{})
	var open atomic.Int32
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if open.Add(1) == 5 {
			close(release) // all five are in; the others must be skipped already
		}
		<-release
		whole(w, 1)
	}))
	defer srv.Close()
	var src trace.Slice
	for range 20 {
		src = append(src, trace.Arrival{Prompt: 1, Output: 1})
	}
	r, err := Play(t.Context(), Options{URL: srv.URL, Model: "m", Source: &src, MaxInFlight: 5})
	if err != nil || r.Completed+r.Skipped != 20 || r.Completed < 5 {
		t.Errorf("%v\n%s", err, r)
	}
}

func TestCancelEndsThePlay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		io.Copy(io.Discard, q.Body) // net/http notices a client that left only then
		cancel()
		<-q.Context().Done()
	}))
	defer srv.Close()
	src, _ := trace.Gamma(1000, 1, time.Hour, rand.New(rand.NewPCG(1, 1)), func(*rand.Rand) (int, int) { return 1, 1 })
	r, err := Play(ctx, Options{URL: srv.URL, Model: "m", Source: src})
	if !errors.Is(err, context.Canceled) || r.Cancelled == 0 || r.Failed > 0 || r.Arrived != r.Skipped+r.Completed+r.Cancelled {
		t.Errorf("%v\n%s", err, r)
	}
}

func TestProgressIsCalledToTheEnd(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { whole(w, 2) }))
	defer srv.Close()
	var last Progress
	src := trace.Slice{{Prompt: 1, Output: 2}}
	if _, err := Play(t.Context(), Options{URL: srv.URL, Model: "m", Source: &src, Progress: func(p Progress) { last = p }}); err != nil {
		t.Fatal(err)
	}
	if last.Completed != 1 || last.InFlight != 0 {
		t.Errorf("%+v", last)
	}
}

func TestResultIsJSON(t *testing.T) {
	r := newResult(SLO{})
	r.add(end{status: 200, ttft: 10 * time.Millisecond, last: 30 * time.Millisecond, total: 31 * time.Millisecond, tokens: 3})
	r.Arrived, r.Elapsed = 1, 1500*time.Millisecond
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"elapsed_s":1.5`, `"tpot":{"count":1,"max_ms":10`, `"attainment":1`, `"statuses":{"200":1}`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %s in %s", want, data)
		}
	}
}

// The server's usage has precedence over the number of events: several tokens
// may come in one event.
func TestTokensAreCountedByTheServersUsage(t *testing.T) {
	r := play(t, 3, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"so so so\"}}]}\n\n"+
			"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n"+
			"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"+
			"data: {\"choices\":[],\"usage\":{\"completion_tokens\":11}}\n\n: bye\n\ndata: [DONE]\n\n")
	})
	if r.Completed != 3 || r.Tokens != 33 || r.TTFT.Count() != 3 {
		t.Errorf("%s", r)
	}
}

func TestAThousandStreamsAtOnce(t *testing.T) {
	const n = 1000
	var open atomic.Int32
	all := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if open.Add(1) == n {
			close(all)
		}
		<-all // no request is answered before all have arrived
		whole(w, 20)
	}))
	defer srv.Close()
	var src trace.Slice
	for range n {
		src = append(src, trace.Arrival{Prompt: 100, Output: 20})
	}
	r, err := Play(t.Context(), Options{URL: srv.URL, Model: "m", Source: &src})
	if err != nil || r.Completed != n || r.Tokens != 20*n {
		t.Errorf("%v\n%s", err, r)
	}
}

func TestErrorsAreFewKinds(t *testing.T) {
	r := play(t, 40, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) })
	if r.Failed != 40 || len(r.Errors) > 3 || r.Statuses[0] != 40 {
		t.Errorf("%s", r)
	}
	many := newResult(SLO{})
	for i := range 100 {
		many.add(end{status: 200, err: fmt.Errorf("kind %d", i)})
	}
	if len(many.Errors) != maxErrors+1 || many.Errors["others"] != 100-maxErrors {
		t.Errorf("%v", many.Errors)
	}
}

func TestPromptsShareWhatTheTraceSays(t *testing.T) {
	text := func(number int, prompt int, blocks ...uint64) string {
		var b struct{ Messages []struct{ Content string } }
		if err := json.Unmarshal(body("m", number, trace.Arrival{Prefix: blocks}, prompt, 1), &b); err != nil {
			t.Fatal(err)
		}
		if n := len(strings.Fields(b.Messages[0].Content)); n != prompt {
			t.Fatalf("%d words, want %d", n, prompt)
		}
		return b.Messages[0].Content
	}
	shared := func(a, b string) int {
		x, y := strings.Fields(a), strings.Fields(b)
		n := 0
		for n < min(len(x), len(y)) && x[n] == y[n] {
			n++
		}
		return n
	}
	if n := shared(text(1, 1500, 7, 8), text(2, 1500, 7, 8)); n < 1024 || n > 1030 {
		t.Errorf("two blocks are 1,024 tokens; %d are shared", n)
	}
	if n := shared(text(1, 1500, 7, 8), text(2, 1500, 7, 9)); n < 512 || n > 518 {
		t.Errorf("one block is 512 tokens; %d are shared", n)
	}
	if n := shared(text(1, 100), text(2, 100)); n > 6 {
		t.Errorf("%d tokens are shared, the trace says none", n)
	}
	if once, again := text(3, 700, 1), text(3, 700, 1); once != again {
		t.Error("not the same twice")
	}
	text(3, 300, 1) // shorter than its block
}
