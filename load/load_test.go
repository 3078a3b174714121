package load

import (
	"context"
	"encoding/json"
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
	if err == nil || r.Failed == 0 {
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
	r.add(end{status: 200, ttft: 10 * time.Millisecond, total: 30 * time.Millisecond, tokens: 3})
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"TPOT":{"count":1,"max_ms":10`) {
		t.Errorf("%s", data)
	}
}
