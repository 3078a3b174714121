package gateway

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// tiered is a provisioned deployment d0 before a pay-as-you-go one, d1.
func tiered(ptu, payg string, q dispatch.Quota) Config {
	c := config(ptu, payg)
	ds := c.Models[0].Deployments
	ds[0].Paid, ds[0].Quota = true, q
	ds[1].Tier = 1
	ds[1].Rates = meter.Rates{Prompt: 2_000_000, Completion: 10_000_000} // micro-dollars for a million tokens
	return c
}

// throttling answers 429 with a retry time while on is set.
func throttling(on *atomic.Bool, header, value string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !on.Load() {
			answering(w, r)
			return
		}
		w.Header().Set(header, value)
		w.WriteHeader(429)
		io.WriteString(w, `{"error":{"code":"429","message":"Rate limit is exceeded."}}`)
	}
}

func TestWhatDoesNotFitTheQuotaSpillsWithoutBeingAsked(t *testing.T) {
	ptu, payg := newBackend(t, answering), newBackend(t, answering)
	// A bucket that one request fills for hours.
	c := tiered(ptu.URL, payg.URL, dispatch.Quota{Drain: 1, Burst: time.Millisecond})
	c.Models[0].SLO = weir.SLO{TTFT: time.Second}
	r := start(t, c)
	resp, _ := r.post(chatPath, chatBody)
	if resp.Header.Get("X-Weir-Deployment") != "d0" || resp.Header.Get("X-Weir-Route") != "d0=room" {
		t.Errorf("%v", resp.Header)
	}
	if rec := r.rec(); rec.Reason != "room" || rec.Trail != "d0=room" || rec.Extra != 0 {
		t.Errorf("%+v", rec)
	}
	r.settled()
	resp, _ = r.post(chatPath, chatBody)
	if resp.StatusCode != 200 || resp.Header.Get("X-Weir-Route") != "d0=quota, d1=spill_quota" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	// 7 uncached prompt tokens, 4 cached ones without a price, 7 of the answer.
	rec := r.rec()
	if rec.Reason != "spill_quota" || rec.Attempts != 1 || rec.Cost == 0 || rec.Extra != rec.Cost {
		t.Errorf("%+v", rec)
	}
	if n := ptu.calls.Load(); n != 1 {
		t.Errorf("the provisioned deployment was asked %d times", n)
	}
	r.settled()
}

func TestAThrottledRequestWaitsWhereItsSLOAllows(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	ptu := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		throttling(&full, "retry-after-ms", "40")(w, r)
		full.Store(false)
	})
	payg := newBackend(t, answering)
	c := tiered(ptu.URL, payg.URL, dispatch.Quota{Drain: 1_000_000})
	c.Models[0].SLO = weir.SLO{TTFT: time.Hour}
	r := start(t, c)
	resp, _ := r.post(chatPath, chatBody)
	if resp.StatusCode != 200 || resp.Header.Get("X-Weir-Route") != "d0=throttled, d0=waited" {
		t.Errorf("%d %v", resp.StatusCode, resp.Header)
	}
	if rec := r.rec(); rec.Attempts != 2 || rec.Queued < 40*time.Millisecond || rec.Deployment != "d0" || rec.Reason != "waited" {
		t.Errorf("%+v", rec)
	}
	if payg.calls.Load() != 0 {
		t.Error("it spilled")
	}
	r.settled()
}

func TestAThrottledRequestSpillsWhereItsSLODoesNotAllowToWait(t *testing.T) {
	var full atomic.Bool
	full.Store(true)
	for header, value := range map[string]string{"retry-after-ms": "60000", "x-ms-retry-after-ms": "60000", "Retry-After": "60"} {
		ptu, payg := newBackend(t, throttling(&full, header, value)), newBackend(t, answering)
		c := tiered(ptu.URL, payg.URL, dispatch.Quota{})
		c.Models[0].SLO = weir.SLO{TTFT: 2 * time.Second}
		r := start(t, c)
		resp, _ := r.post(chatPath, chatBody)
		if resp.StatusCode != 200 || resp.Header.Get("X-Weir-Route") != "d0=throttled, d0=throttled, d1=spill_throttled" {
			t.Errorf("%d %v", resp.StatusCode, resp.Header)
		}
		r.rec()
		// The next one does not go there at all.
		resp, _ = r.post(chatPath, chatBody)
		if resp.StatusCode != 200 || resp.Header.Get("X-Weir-Route") != "d0=throttled, d1=spill_throttled" || ptu.calls.Load() != 1 {
			t.Errorf("%d %v, asked %d times", resp.StatusCode, resp.Header, ptu.calls.Load())
		}
		if rec := r.rec(); rec.Attempts != 1 || rec.Extra != rec.Cost || rec.Cost == 0 {
			t.Errorf("%+v", rec)
		}
		r.settled()
	}
}

// A managed endpoint whose instances are full takes the next request again: only the
// refused one goes elsewhere, at once.
func TestAFullEndpointIsNotAvoided(t *testing.T) {
	full := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTooManyRequests)
		io.WriteString(w, "Too many pending requests")
	})
	payg := newBackend(t, answering)
	c := tiered(full.URL, payg.URL, dispatch.Quota{})
	c.Models[0].SLO = weir.SLO{TTFT: time.Hour} // there would be time to wait
	r := start(t, c)
	for n := range int64(5) {
		resp, _ := r.post(chatPath, chatBody)
		if resp.StatusCode != 200 || full.calls.Load() != n+1 {
			t.Errorf("%d %v, asked %d times", resp.StatusCode, resp.Header, full.calls.Load())
		}
		if rec := r.rec(); rec.Attempts != 2 || rec.Deployment != "d1" || rec.Queued > time.Second {
			t.Errorf("%+v", rec)
		}
	}
	if n := payg.calls.Load(); n != 5 {
		t.Errorf("%d requests found room", n)
	}
	r.settled()
}

func TestTheCallersOwnErrorsNeverSpill(t *testing.T) {
	for _, body := range []string{
		`{"error":{"message":"The response was filtered","param":"prompt","code":"content_filter","innererror":{"code":"ResponsibleAIPolicyViolation"}}}`,
		`{"error":{"message":"too long","code":"context_length_exceeded"}}`,
		`{"error":{"message":"bad","code":"invalid_value"}}`,
	} {
		ptu := newBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			io.WriteString(w, body)
		})
		payg := newBackend(t, answering)
		r := start(t, tiered(ptu.URL, payg.URL, dispatch.Quota{Drain: 1_000_000}))
		resp, answer := r.post(chatPath, chatBody)
		if resp.StatusCode != 400 || answer != body || payg.calls.Load() != 0 || ptu.calls.Load() != 1 {
			t.Errorf("%d %s, asked %d and %d times", resp.StatusCode, answer, ptu.calls.Load(), payg.calls.Load())
		}
		r.rec()
		r.settled()
	}
}

func TestWhatIsTooLongGoesWhereThereIsMoreContext(t *testing.T) {
	const tooLong = `{"error":{"message":"maximum context length","code":"context_length_exceeded"}}`
	refusing := func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(400)
		io.WriteString(w, tooLong)
	}
	short, long := newBackend(t, refusing), newBackend(t, answering)
	c := tiered(short.URL, long.URL, dispatch.Quota{})
	c.Models[0].Deployments[0].Context, c.Models[0].Deployments[1].Context = 8000, 128_000
	r := start(t, c)
	resp, _ := r.post(chatPath, chatBody)
	if way := resp.Header.Get("X-Weir-Route"); resp.StatusCode != 200 || way != "d0=upstream_refused, d0=context, d1=spill_context" {
		t.Errorf("%d %s", resp.StatusCode, way)
	}
	r.rec()
	r.settled()
	// If the longer one finds it too long as well, the caller gets the error.
	both := tiered(short.URL, newBackend(t, refusing).URL, dispatch.Quota{})
	both.Models[0].Deployments[0].Context, both.Models[0].Deployments[1].Context = 8000, 128_000
	r = start(t, both)
	resp, answer := r.post(chatPath, chatBody)
	if resp.StatusCode != 400 || !strings.Contains(answer, "context_length_exceeded") {
		t.Errorf("%d %s", resp.StatusCode, answer)
	}
	if rec := r.rec(); rec.Attempts != 2 || rec.Fault != weir.CallerFault {
		t.Errorf("%+v", rec)
	}
	r.settled()
}

func TestLimitsTheProviderLowersAreKept(t *testing.T) {
	std := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ratelimit-limit-tokens", "100")
		w.Header().Set("x-ratelimit-limit-requests", "60")
		answering(w, r)
	})
	payg := newBackend(t, answering)
	c := tiered(std.URL, payg.URL, dispatch.Quota{TokensPerMinute: 1_000_000, RequestsPerMinute: 60_000})
	r := start(t, c)
	for _, want := range []string{"d0=room", "d0=quota, d1=spill_quota"} { // one request is booked with more than 100 tokens
		resp, _ := r.post(chatPath, chatBody)
		if way := resp.Header.Get("X-Weir-Route"); way != want {
			t.Errorf("%q, want %q", way, want)
		}
		r.rec()
		r.settled()
	}
}

func TestAzuresOwnSpilloverIsSeen(t *testing.T) {
	ptu := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-spillover-from-gpt-ptu", "gpt-ptu")
		answering(w, r)
	})
	r := start(t, tiered(ptu.URL, ptu.URL, dispatch.Quota{Drain: 1_000_000}))
	resp, _ := r.post(chatPath, chatBody)
	if rec := r.rec(); rec.Reason != "azure_spillover" || resp.Header.Get("X-Weir-Route") != "d0=azure_spillover" {
		t.Errorf("%+v %v", rec, resp.Header)
	}
	r.settled()
}

func TestASessionStaysAtItsReplica(t *testing.T) {
	b, other := newBackend(t, answering), newBackend(t, answering)
	f := func(by Affinity, body string, headers ...string) (replicas int) {
		c := config(b.URL)
		c.Models[0].Affinity = by
		c.Models[0].Deployments[0].Addrs = []string{b.URL, other.URL}
		r := start(t, c)
		seen := map[string]bool{}
		for range 8 {
			resp, _ := r.post(chatPath, body, headers...)
			seen[resp.Header.Get("X-Weir-Replica")] = true
			r.rec()
			r.settled()
		}
		return len(seen)
	}
	if n := f(NoAffinity, chatBody, "X-Weir-Session", "one"); n != 2 {
		t.Errorf("without affinity %d replicas were used", n)
	}
	if n := f(BySession, chatBody); n != 2 {
		t.Errorf("without a session %d replicas were used", n)
	}
	if n := f(BySession, chatBody, "X-Weir-Session", "one"); n != 1 {
		t.Errorf("one session used %d replicas", n)
	}
	if n := f(BySession, strings.Replace(chatBody, "{", `{"user":"somebody",`, 1)); n != 1 {
		t.Errorf("one user used %d replicas", n)
	}
	if n := f(ByKey, chatBody); n != 1 {
		t.Errorf("one key used %d replicas", n)
	}
}

func TestTheWayIsBounded(t *testing.T) {
	var r trail
	for range 1000 {
		r.add(strings.Repeat("x", 100), "throttled")
	}
	if n := r.past.Len(); n > maxTrailText || n == 0 {
		t.Error(n)
	}
	r = trail{}
	for range 1000 {
		r.add("x", "y")
	}
	if r.steps != maxSteps {
		t.Error(r.steps)
	}
}

func TestFirstTokensAreExpectedAsLateAsNearlyAllCome(t *testing.T) {
	s := &served{model: &model{}, slo: weir.SLO{TTFT: 2 * time.Second}}
	at := weir.Instant(time.Hour)
	if got := s.spillAt(at).Sub(at); got != time.Second {
		t.Errorf("with nothing known it may wait %v", got)
	}
	for i := range 1000 {
		s.firsts.saw(300*time.Millisecond + time.Duration(i%3-1)*100*time.Millisecond)
	}
	if got := s.spillAt(at).Sub(at); got < 1500*time.Millisecond || got > 1650*time.Millisecond {
		t.Errorf("it may wait %v", got)
	}
	s.spillAfter = 70 * time.Millisecond
	if got := s.spillAt(at).Sub(at); got != 70*time.Millisecond {
		t.Errorf("told 70 ms, it may wait %v", got)
	}
	s.spillAfter, s.slo.TTFT = 0, 0
	if got := s.spillAt(at).Sub(at); got != defaultSpillAfter {
		t.Errorf("with no promise it may wait %v", got)
	}
}
