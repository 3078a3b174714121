package gateway

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// lively sends first, then again over and over, and never ends.
func lively(first, again string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		io.WriteString(w, first)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, again); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(time.Millisecond):
			}
		}
	}
}

func TestSignsOfLifeAloneDoNotKeepAStreamForEver(t *testing.T) {
	for _, again := range []string{": keep-alive\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n", "data: {\"choices\":[]}\n\n", "data:\n\n"} {
		t.Run(again[:5], func(t *testing.T) {
			dead, well := newBackend(t, lively("", again)), newBackend(t, answering)
			c := config(dead.URL, well.URL)
			c.Models[0].Deployments[1].Tier = 1
			c.Bounds.HoldEvents = 1 << 20
			c.Bounds.HoldBytes = 1 << 20
			u := &c.Models[0].Deployments[0].Upstream
			u.HeaderTimeout, u.StallTimeout = 50*time.Millisecond, 50*time.Millisecond
			r := start(t, c)
			resp, answer := r.post(chatPath, streamed)
			if resp.Header.Get("X-Weir-Deployment") != "d1" || !strings.Contains(answer, "[DONE]") {
				t.Errorf("%v %s", resp.Header, answer)
			}
			r.rec()
			r.settled()
		})
	}
}

func TestAStreamThatGoesQuietAfterATokenEndsWithAnError(t *testing.T) {
	b := newBackend(t, lively(roleEvent+tokenEvent, ": keep-alive\n\n"))
	c := config(b.URL)
	u := &c.Models[0].Deployments[0].Upstream
	u.HeaderTimeout, u.StallTimeout = 50*time.Millisecond, 50*time.Millisecond
	r := start(t, c)
	_, answer := r.post(chatPath, streamed)
	if !strings.Contains(answer, "only keep-alives") || strings.Contains(answer, "[DONE]") {
		t.Error(answer)
	}
	if rec := r.rec(); rec.Outcome != weir.Failure || rec.Code != "upstream_stalled" {
		t.Errorf("%+v", rec)
	}
	r.settled()
}

func TestACancelledLeaseKeepsNoVerdict(t *testing.T) {
	m := newModel("m", dispatch.Options{Model: "m"}, 1, func(weir.Instant) {})
	b := &booking{id: 7, verdict: make(chan dispatch.Verdict, 1)}
	m.waiting[b.id] = b
	m.deliver(dispatch.Verdict{ID: b.id}) // it arrives while the caller leaves
	m.waiting[b.id] = b
	m.cancel(1, b)
	if len(b.verdict) != 0 || len(m.waiting) != 0 {
		t.Errorf("%d verdicts and %d waiting are left for the next request", len(b.verdict), len(m.waiting))
	}
}

func TestTheTimeOfATokenIsOfThoseAfterTheFirst(t *testing.T) {
	f := func(took time.Duration, tokens int64, want time.Duration) {
		t.Helper()
		if got := tpot(5, weir.Instant(5).Add(took), tokens); got != want {
			t.Errorf("%d tokens in %v: %v, want %v", tokens, took, got, want)
		}
	}
	f(90*time.Millisecond, 10, 10*time.Millisecond)
	f(time.Second, 2, time.Second)
	f(time.Second, 1, 0)
	f(0, 10, 0)
}

func TestOnlyWholeAnswersTeachHowLongAnswersAre(t *testing.T) {
	learned := func(whole bool, used weir.Usage) bool {
		s := &spend{meter: meter.New(nil)}
		before := s.learned.Expect("t", "m", 0)
		for range 1000 {
			b := &booking{used: used, answers: 1}
			b.rec.Tenant, b.rec.Model = "t", "m"
			s.settle(1, b, whole)
		}
		return s.learned.Expect("t", "m", 0) != before
	}
	if !learned(true, weir.Usage{Prompt: 1, Completion: 7777}) {
		t.Error("whole answers teach nothing")
	}
	if learned(false, weir.Usage{Prompt: 1, Completion: 7777}) {
		t.Error("broken answers teach")
	}
	if learned(true, weir.Usage{Prompt: 1, Completion: 7777, Estimated: true}) {
		t.Error("estimates teach")
	}
}
