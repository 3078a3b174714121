package gateway

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
)

// track is two replicas of one deployment that answer at once, until the next request
// is armed with another handler.
type track struct {
	*running
	a, b              *backend
	serve, serveHedge http.HandlerFunc                 // the handler of each
	armed             atomic.Pointer[http.HandlerFunc] // only of the next request
	hedge             atomic.Pointer[http.HandlerFunc] // only of the next hedge
	every             atomic.Pointer[http.HandlerFunc] // of all others; nil: answering

	mu     sync.Mutex
	copies []weir.Copy
}

// newTrack has already learned how long first tokens take.
func newTrack(t *testing.T, tune ...func(*track, *Config)) *track {
	tr := &track{}
	serve := func(armed *atomic.Pointer[http.HandlerFunc]) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			h := armed.Swap(nil)
			if h == nil {
				h = tr.every.Load()
			}
			if h == nil {
				answering(w, r)
				return
			}
			(*h)(w, r)
		}
	}
	// A lone request goes to the first of two idle replicas, its hedge to the other. Which
	// of the two arrives first is unknown.
	tr.serve, tr.serveHedge = serve(&tr.armed), serve(&tr.hedge)
	tr.a, tr.b = newBackend(t, tr.serve), newBackend(t, tr.serveHedge)
	c := config(tr.a.URL)
	c.Models[0].Hedge = dispatch.Hedge{Share: 1}
	c.Models[0].Deployments[0].Upstream.BaseURL = ""
	c.Models[0].Deployments[0].Addrs = []string{tr.a.URL, tr.b.URL}
	c.Models[0].Deployments[0].Rates.Prompt = weir.Dollar
	for _, f := range tune {
		f(tr, &c)
	}
	tr.running = start(t, c, func(o *Options) { o.Copy = tr.copied })
	for range 64 {
		if resp, body := tr.post(chatPath, streamed); resp.StatusCode != 200 {
			t.Fatal(body)
		}
		tr.rec()
	}
	tr.settled()
	tr.mu.Lock()
	tr.copies = nil // first tokens in a millisecond: one of the 64 may have been late
	tr.mu.Unlock()
	return tr
}

func (tr *track) copied(a weir.Copy) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.copies = append(tr.copies, a)
}

func (tr *track) arm(h http.HandlerFunc)      { tr.armed.Store(&h) }
func (tr *track) armHedge(h http.HandlerFunc) { tr.hedge.Store(&h) }

// told returns the copies reported so far.
func (tr *track) told() []weir.Copy {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return append([]weir.Copy(nil), tr.copies...)
}

func TestTheFirstTokenWinsAndTheLoserIsCancelledUpstream(t *testing.T) {
	tr := newTrack(t)
	gone := make(chan struct{})
	tr.arm(func(w http.ResponseWriter, r *http.Request) { // silent until its caller leaves
		<-r.Context().Done()
		close(gone)
	})
	resp, body := tr.post(chatPath, streamed)
	if resp.StatusCode != 200 || !strings.HasSuffix(body, doneEvent) || strings.Count(body, "hello") != 3 {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if way := resp.Header.Get("X-Weir-Route"); way != "d0=hedged, d0=hedge" {
		t.Errorf("route %q", way)
	}
	<-gone
	rec := tr.rec()
	if rec.Attempts != 2 || rec.Reason != "hedge" || rec.Usage.Completion != 3 || rec.Usage.Prompt != 11 || rec.Outcome != weir.Completed {
		t.Errorf("%+v", rec)
	}
	tr.settled()
	as := tr.told()
	if len(as) != 1 || as[0].Kind != weir.HedgeCopy || as[0].Result != "won" || as[0].Replica == rec.Replica || as[0].Usage.Prompt == 0 || as[0].Cost == 0 {
		t.Errorf("%+v", as)
	}
}

func TestAHedgeThatIsLaterIsCancelled(t *testing.T) {
	tr := newTrack(t)
	second := make(chan struct{})
	gone := make(chan struct{})
	tr.armHedge(func(w http.ResponseWriter, r *http.Request) { // the hedge
		close(second)
		<-r.Context().Done()
		close(gone)
	})
	tr.arm(func(w http.ResponseWriter, r *http.Request) {
		<-second
		answering(w, r)
	})
	resp, body := tr.post(chatPath, streamed)
	if resp.StatusCode != 200 || !strings.HasSuffix(body, doneEvent) {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if way := resp.Header.Get("X-Weir-Route"); way != "d0=hedge_lost, d0=room" {
		t.Errorf("route %q", way)
	}
	<-gone
	if rec := tr.rec(); rec.Attempts != 2 || rec.Reason != "room" {
		t.Errorf("%+v", rec)
	}
	tr.settled()
	if as := tr.told(); len(as) != 1 || as[0].Result != "lost" {
		t.Errorf("%+v", as)
	}
}

func TestAFailedFirstLeavesTheRequestToItsHedge(t *testing.T) {
	tr := newTrack(t)
	first, second := make(chan struct{}), make(chan struct{})
	tr.armHedge(func(w http.ResponseWriter, r *http.Request) {
		close(second)
		<-first
		time.Sleep(20 * time.Millisecond) // the failure is seen first
		answering(w, r)
	})
	tr.arm(func(w http.ResponseWriter, r *http.Request) {
		<-second
		w.WriteHeader(500)
		io.WriteString(w, `{"error":{"message":"out of memory"}}`)
		close(first)
	})
	resp, body := tr.post(chatPath, streamed)
	if resp.StatusCode != 200 || !strings.HasSuffix(body, doneEvent) {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if rec := tr.rec(); rec.Attempts != 2 || rec.Outcome != weir.Completed {
		t.Errorf("%+v", rec)
	}
	tr.settled()
}

// With both broken, one attempt is left, and all share one budget.
func TestBothBrokenGoOnToTheNextAttempt(t *testing.T) {
	tr := newTrack(t)
	second := make(chan struct{})
	broken := func(w http.ResponseWriter) { w.WriteHeader(503) }
	tr.armHedge(func(w http.ResponseWriter, r *http.Request) {
		close(second)
		broken(w)
	})
	tr.arm(func(w http.ResponseWriter, r *http.Request) {
		<-second
		time.Sleep(5 * time.Millisecond)
		broken(w)
	})
	resp, body := tr.post(chatPath, streamed)
	if resp.StatusCode != 200 || !strings.HasSuffix(body, doneEvent) {
		t.Fatalf("%d %s", resp.StatusCode, body)
	}
	if rec := tr.rec(); rec.Attempts != 3 {
		t.Errorf("%+v", rec)
	}
	tr.settled()
}

func TestTheBudgetOfAttemptsHoldsOverHedgesToo(t *testing.T) {
	tr := newTrack(t, func(_ *track, c *Config) { c.Models[0].Attempts = 2; c.Models[0].Health.Failures = 100 })
	second := make(chan struct{})
	tr.armHedge(func(w http.ResponseWriter, r *http.Request) { close(second); w.WriteHeader(503) })
	tr.arm(func(w http.ResponseWriter, r *http.Request) {
		<-second
		w.WriteHeader(503)
	})
	before := tr.a.calls.Load() + tr.b.calls.Load()
	resp, _ := tr.post(chatPath, streamed)
	if n := tr.a.calls.Load() + tr.b.calls.Load() - before; resp.StatusCode != 502 || n != 2 {
		t.Errorf("%d after %d attempts", resp.StatusCode, n)
	}
	if rec := tr.rec(); rec.Attempts != 2 || rec.Outcome != weir.Failure {
		t.Errorf("%+v", rec)
	}
	tr.settled()
}

func TestACallerThatLeavesCancelsBoth(t *testing.T) {
	tr := newTrack(t)
	second, gone := make(chan struct{}), make(chan struct{}, 2)
	tr.armHedge(func(w http.ResponseWriter, r *http.Request) {
		close(second)
		<-r.Context().Done()
		gone <- struct{}{}
	})
	tr.arm(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		gone <- struct{}{}
	})
	ctx, leave := context.WithCancel(t.Context())
	go func() { <-second; leave() }()
	if resp, err := tr.send(ctx, chatPath, streamed); err == nil {
		t.Fatal(resp.Status)
	}
	<-gone
	<-gone
	if rec := tr.rec(); rec.Code != "client_gone" || rec.Status != 499 {
		t.Errorf("%+v", rec)
	}
	tr.settled()
	if d := tr.state.Load().list[0].demand(tr.now()); d.Failed != 0 {
		t.Errorf("%+v", d)
	}
}

// A fault of the caller's own is the answer, whichever replica reports it.
func TestACallersErrorEndsARace(t *testing.T) {
	tr := newTrack(t)
	second, gone := make(chan struct{}), make(chan struct{})
	tr.armHedge(func(w http.ResponseWriter, r *http.Request) {
		close(second)
		w.WriteHeader(400)
		io.WriteString(w, `{"error":{"message":"no","code":"content_filter"}}`)
	})
	tr.arm(func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(gone)
	})
	resp, body := tr.post(chatPath, streamed)
	<-gone
	if resp.StatusCode != 400 || !strings.Contains(body, "content_filter") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	tr.rec()
	tr.settled()
	<-second
}

func TestBatchAndWholeAnswersAreNotHedged(t *testing.T) {
	tr := newTrack(t)
	for _, send := range []func(){
		func() { tr.post(chatPath, chatBody) },
		func() { tr.post(chatPath, streamed, "X-Weir-Class", "batch") },
	} {
		tr.arm(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(100 * time.Millisecond)
			answering(w, r)
		})
		send()
		if rec := tr.rec(); rec.Attempts != 1 {
			t.Errorf("%+v", rec)
		}
	}
	tr.settled()
}

// Many at once, with half of the replies stalled: each is answered once, and none
// leaves anything behind.
func TestManyHedgesLeaveNothing(t *testing.T) {
	tr := newTrack(t)
	var n atomic.Int64
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%2 == 0 {
			select {
			case <-r.Context().Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
		answering(w, r)
	})
	tr.every.Store(&slow)
	var all sync.WaitGroup
	for range 60 {
		all.Go(func() {
			resp, err := tr.send(t.Context(), chatPath, streamed)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if body, err := io.ReadAll(resp.Body); err != nil || strings.Count(string(body), "[DONE]") != 1 || strings.Count(string(body), "hello") != 3 {
				t.Errorf("%v: %s", err, body)
			}
		})
	}
	all.Wait()
	for range 60 {
		if rec := tr.rec(); rec.Outcome != weir.Completed {
			t.Errorf("%+v", rec)
		}
	}
	tr.settled()
}
