package gateway

import (
	"context"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/internal/seed"
	"weir/meter"
)

// A caller leaves, in every phase: the upstream sees it leave, nothing stays held, and
// the tokens produced are metered.
func TestWhenTheCallerLeavesTheUpstreamIsCancelled(t *testing.T) {
	onBothFronts(t, whenTheCallerLeavesTheUpstreamIsCancelled)
}

func whenTheCallerLeavesTheUpstreamIsCancelled(t *testing.T) {
	t.Helper()
	for _, phase := range []string{"queued", "before the first token", "mid-stream", "whole answer"} {
		t.Run(phase, func(t *testing.T) {
			cancelled := make(chan struct{}, 1)
			b := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
				if phase == "mid-stream" {
					w.Header().Set("Content-Type", "text/event-stream")
					io.WriteString(w, roleEvent+tokenEvent+tokenEvent)
					w.(http.Flusher).Flush()
				}
				<-r.Context().Done()
				cancelled <- struct{}{}
			})
			c := config(b.URL)
			if phase == "queued" {
				c = config("")
				c.Models[0].Deployments[0].Elastic = true
			}
			r := start(t, c)
			ctx, leave := context.WithCancel(t.Context())
			body := streamed
			if phase == "whole answer" {
				body = chatBody
			}
			left := make(chan struct{})
			go func() {
				defer close(left)
				resp, err := r.send(ctx, chatPath, body)
				if err == nil {
					io.ReadFull(resp.Body, make([]byte, len(roleEvent+tokenEvent+tokenEvent)))
					leave()
					resp.Body.Close()
				}
			}()
			switch phase {
			case "queued":
				eventually(t, phase, func() bool { d, _ := r.Demand("d0"); return d.Model.Waiting == 1 })
				leave()
			case "mid-stream":
			default:
				eventually(t, phase, func() bool { return b.inFlight.Load() == 1 })
				leave()
			}
			<-left
			rec := r.rec()
			if rec.Outcome != weir.Failure || rec.Fault != weir.CallerFault || rec.Status != 499 || rec.Code != "client_gone" {
				t.Errorf("%+v", rec)
			}
			if phase == "mid-stream" && (rec.Usage.Completion < 2 || rec.Usage.Prompt == 0 || !rec.Usage.Estimated) {
				t.Errorf("partial output metered as %+v", rec.Usage)
			}
			if phase != "queued" {
				select {
				case <-cancelled:
				case <-time.After(hang):
					t.Error("the upstream never saw the caller go")
				}
			}
			leave()
			r.settled()
		})
	}
}

// Thousands of requests end at random moments in every possible way: callers leave
// while queued, before the first token and mid-stream; upstreams fail; limits refuse.
// Nothing may stay held, and every request counts once.
func TestNothingIsLostOrKeptHoweverRequestsEnd(t *testing.T) {
	const callers, each = 24, 100
	drawn := seed.Of(t)
	before := runtime.NumGoroutine()
	b := newBackend(t, fickle(drawn))
	c := config(b.URL, b.URL, b.URL)
	for i := range c.Models[0].Deployments {
		d := &c.Models[0].Deployments[i]
		d.MaxRequests, d.Tier = 3, i/2
		d.Upstream.StallTimeout, d.Upstream.HeaderTimeout = 20*time.Millisecond, 20*time.Millisecond
	}
	c.Models[0].Queue.MaxRequests, c.Models[0].Queue.MaxWait = 8, 20*time.Millisecond
	c.Models[0].Health.Base = time.Millisecond
	c.Models[0].Health.Max = 5 * time.Millisecond
	c.Tenants[0].Limits = meter.Limits{MaxConcurrent: 20, TokensPerMinute: 100_000_000}
	r := start(t, c)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: callers, DialContext: (&net.Dialer{}).DialContext}}
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(drawn, uint64(i)))
			for range each {
				abuse(r, client, rng)
			}
		})
	}
	wg.Wait()
	client.CloseIdleConnections()
	r.settled()
	count := map[weir.Outcome]int{}
	r.mu.Lock()
	for _, rec := range r.records {
		count[rec.Outcome]++
	}
	r.mu.Unlock()
	arrived := int(r.Levels().Arrived)
	if n := count[weir.Completed] + count[weir.Refused] + count[weir.Failure]; n != arrived || len(r.records) != n || n > callers*each {
		t.Errorf("%d sent, %d arrived, %d records: %v", callers*each, arrived, len(r.records), count)
	}
	if count[weir.Completed] == 0 || count[weir.Refused] == 0 || count[weir.Failure] == 0 {
		t.Errorf("the test did not end requests in every way: %v", count)
	}
	d := r.state.Load().models["m"].demand(r.now())
	if d.Arrived != d.Completed+d.Refused+d.Failed+d.Cancelled {
		t.Errorf("the core lost some: %+v", d)
	}
	eventually(t, "the upstream holds nothing", func() bool { return b.inFlight.Load() == 0 })
	r.stop()
	if err := <-r.done; err != nil {
		t.Error(err)
	}
	r.done <- nil
	b.Close()
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+2 })
}

// abuse sends one request and leaves at a random moment, or never.
func abuse(r *running, client *http.Client, rng *rand.Rand) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	body := chatBody
	if rng.IntN(2) == 0 {
		body = streamed
	}
	if rng.IntN(2) == 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, time.Duration(rng.IntN(12_000))*time.Microsecond)
		defer stop()
	}
	if rng.IntN(3) == 0 {
		abuseInside(r, ctx, body, rng)
		return
	}
	req, _ := http.NewRequestWithContext(ctx, "POST", r.url+chatPath, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := client.Do(req)
	if err != nil {
		return
	}
	io.CopyN(io.Discard, resp.Body, int64(rng.IntN(3))*int64(len(tokenEvent))+int64(rng.IntN(2)*1_000_000))
	resp.Body.Close()
}

// abuseInside is abuse by Submit, which returns no error exactly when the sink has
// the whole answer.
func abuseInside(r *running, ctx context.Context, body string, rng *rand.Rand) {
	most := rng.IntN(1000)
	s := taken{wrote: func(all string) error {
		if len(all) > most && most < 500 {
			return io.ErrShortWrite
		}
		return nil
	}}
	rec, failure := r.submit(ctx, chatPath, body, &s)
	text := s.body.String()
	whole := text == answerText || strings.HasSuffix(text, doneEvent) && !strings.Contains(text, `data: {"error"`)
	if (failure == nil) != (rec.Outcome == weir.Completed) || failure == nil && !whole || failure != nil && failure.Broken != (s.status == 200) {
		r.t.Errorf("%+v, %+v, %d %q", failure, rec, s.status, text)
	}
}

// fickle answers well, late, broken or not at all, with short waits in between. Its
// n-th answer depends only on the seed and n.
func fickle(drawn uint64) http.HandlerFunc {
	var asked atomic.Uint64
	return func(w http.ResponseWriter, r *http.Request) {
		beFickle(w, r, rand.New(rand.NewPCG(drawn, 1<<32+asked.Add(1))))
	}
}

func beFickle(w http.ResponseWriter, r *http.Request, rng *rand.Rand) {
	pause := func(most int) bool {
		select {
		case <-r.Context().Done():
			return false
		case <-time.After(time.Duration(rng.IntN(most)) * time.Microsecond):
			return true
		}
	}
	if !pause(4000) {
		return
	}
	switch rng.IntN(12) {
	case 0:
		http.Error(w, "{}", 500)
	case 1:
		w.Header().Set("Retry-After-Ms", "3")
		w.WriteHeader(429)
	case 2:
		http.Error(w, "{}", 400)
	case 3:
		panic(http.ErrAbortHandler)
	case 4:
		<-r.Context().Done()
	case 5:
		answering(w, r)
	default:
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, roleEvent)
		for range 5 {
			w.(http.Flusher).Flush()
			if !pause(1500) {
				return
			}
			io.WriteString(w, tokenEvent)
		}
		if rng.IntN(4) == 0 {
			panic(http.ErrAbortHandler)
		}
		io.WriteString(w, finishEvent+doneEvent)
	}
}
