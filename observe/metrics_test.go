package observe_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/observe"
)

const t0 = weir.Instant(1_700_000_000_000_000_000)

func answered() weir.Record {
	return weir.Record{RequestID: "r1", Tenant: "demo", Key: "ci", Model: "gpt-4o", Deployment: "gpt-4o/ptu", Replica: "0",
		Stream: true, Arrived: t0, Ended: t0.Add(3 * time.Second), Queued: 3 * time.Millisecond, TTFT: 250 * time.Millisecond,
		TPOT: 18 * time.Millisecond, Own: 150 * time.Microsecond, Attempts: 1, Status: 200,
		Usage: weir.Usage{Prompt: 1000, Cached: 400, Completion: 200}, Cost: 4000}
}

func known() observe.Known {
	return observe.Known{Tenants: []string{"demo"}, Models: []string{"gpt-4o"}, Deployments: []string{"gpt-4o/ptu"}}
}

func made() *observe.Metrics {
	m := observe.New(observe.Build{Version: "1.2.3", Revision: "abc", Go: "go1.26"})
	m.Configure(known())
	return m
}

// scrape returns the sample lines of Weir's own metrics.
func scrape(t *testing.T, m *observe.Metrics) []string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	body, err := io.ReadAll(w.Body)
	if err != nil || w.Code != 200 {
		t.Fatal(w.Code, err)
	}
	var lines []string
	for l := range strings.Lines(string(body)) {
		if strings.HasPrefix(l, "weir_") {
			lines = append(lines, strings.TrimSpace(l))
		}
	}
	return lines
}

func has(t *testing.T, lines []string, want ...string) {
	t.Helper()
	for _, w := range want {
		found := false
		for _, l := range lines {
			found = found || l == w
		}
		if !found {
			t.Errorf("missing %s in\n%s", w, strings.Join(lines, "\n"))
		}
	}
}

func TestARecordShowsInEveryMetricItTouches(t *testing.T) {
	m := made()
	m.Record(answered())
	has(t, scrape(t, m),
		`weir_requests_total{code="none",deployment="gpt-4o/ptu",fault="none",model="gpt-4o",outcome="completed",tenant="demo"} 1`,
		`weir_tokens_total{deployment="gpt-4o/ptu",kind="prompt",model="gpt-4o",tenant="demo"} 600`,
		`weir_tokens_total{deployment="gpt-4o/ptu",kind="cached",model="gpt-4o",tenant="demo"} 400`,
		`weir_tokens_total{deployment="gpt-4o/ptu",kind="completion",model="gpt-4o",tenant="demo"} 200`,
		`weir_cost_dollars_total{deployment="gpt-4o/ptu",model="gpt-4o",tenant="demo"} 0.004`,
		`weir_upstream_attempts_total{deployment="gpt-4o/ptu",model="gpt-4o"} 1`,
		`weir_ttft_seconds_sum{deployment="gpt-4o/ptu",model="gpt-4o"} 0.25`,
		`weir_ttft_seconds_bucket{deployment="gpt-4o/ptu",model="gpt-4o",le="0.2"} 0`,
		`weir_ttft_seconds_bucket{deployment="gpt-4o/ptu",model="gpt-4o",le="0.3"} 1`,
		`weir_tpot_seconds_sum{deployment="gpt-4o/ptu",model="gpt-4o"} 0.018`,
		`weir_queue_seconds_sum{deployment="gpt-4o/ptu",model="gpt-4o"} 0.003`,
		`weir_added_seconds_sum{deployment="gpt-4o/ptu",model="gpt-4o"} 0.00015`,
		`weir_request_seconds_sum{deployment="gpt-4o/ptu",model="gpt-4o"} 3`,
		`weir_build_info{goversion="go1.26",revision="abc",version="1.2.3"} 1`)
}

func TestNamesNobodyConfiguredShareOneSeries(t *testing.T) {
	m := made()
	for i := range 50 {
		rec := answered()
		rec.Tenant, rec.Model, rec.Deployment = fmt.Sprint("t", i), fmt.Sprint("m", i), fmt.Sprint("d", i)
		m.Record(rec)
	}
	refused := weir.Record{Arrived: t0, Ended: t0, Outcome: weir.Refused, Fault: weir.CallerFault, Code: "invalid_api_key", Status: 401}
	m.Record(refused)
	m.Record(refused)
	has(t, scrape(t, m),
		`weir_requests_total{code="none",deployment="other",fault="none",model="other",outcome="completed",tenant="other"} 50`,
		`weir_requests_total{code="invalid_api_key",deployment="none",fault="caller",model="none",outcome="refused",tenant="none"} 2`)
}

func TestErrorCodesAreBoundedByNumber(t *testing.T) {
	m := made()
	for i := range 1000 {
		rec := answered()
		rec.Outcome, rec.Fault, rec.Code = weir.Failure, weir.UpstreamFault, fmt.Sprint("code", i)
		m.Record(rec)
	}
	series, total := 0, 0
	for _, l := range scrape(t, m) {
		if strings.HasPrefix(l, "weir_requests_total") {
			series++
			var n int
			if _, err := fmt.Sscan(l[strings.LastIndex(l, " ")+1:], &n); err != nil {
				t.Fatal(err)
			}
			total += n
		}
	}
	if series > 130 || total != 1000 {
		t.Fatalf("%d series holding %d requests", series, total)
	}
}
