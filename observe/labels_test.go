package observe_test

import (
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"weir"
	"weir/observe"
)

func TestAReloadRemovesTheSeriesOfNamesThatAreGone(t *testing.T) {
	m := observe.New(observe.Build{})
	both := observe.Known{Tenants: []string{"demo", "old"}, Models: []string{"gpt-4o", "gpt-3"}, Deployments: []string{"gpt-4o/ptu", "gpt-3/std"}}
	m.Configure(both)
	old := answered()
	old.Tenant, old.Model, old.Deployment = "old", "gpt-3", "gpt-3/std"
	m.Record(answered())
	m.Record(old)
	m.Decided("gpt-3/std", 2, "demand")
	m.Decided("gpt-4o/ptu", 1, "demand")
	m.Configure(known())
	lines := scrape(t, m)
	for _, l := range lines {
		if strings.Contains(l, `"old"`) || strings.Contains(l, "gpt-3") {
			t.Errorf("left over: %s", l)
		}
	}
	has(t, lines, `weir_requests_total{code="none",deployment="gpt-4o/ptu",fault="none",model="gpt-4o",outcome="completed",tenant="demo"} 1`,
		`weir_replicas_wanted{deployment="gpt-4o/ptu"} 1`)
	m.Record(answered())
	m.Record(old)
	has(t, scrape(t, m),
		`weir_requests_total{code="none",deployment="gpt-4o/ptu",fault="none",model="gpt-4o",outcome="completed",tenant="demo"} 2`,
		`weir_requests_total{code="none",deployment="other",fault="none",model="other",outcome="completed",tenant="other"} 1`)
	m.Configure(both)
	m.Record(old)
	has(t, scrape(t, m), `weir_requests_total{code="none",deployment="gpt-3/std",fault="none",model="gpt-3",outcome="completed",tenant="old"} 1`)
}

func TestRoutesAreCountedByReason(t *testing.T) {
	m := made()
	room, spilled, nowhere := answered(), answered(), answered()
	room.Reason = "room"
	spilled.Reason, spilled.Extra, spilled.Known = "spill_quota", 2_500_000, 512
	nowhere.Deployment = ""
	for _, r := range []weir.Record{room, room, spilled, nowhere} {
		m.Record(r)
	}
	for i := range 100 {
		room.Reason = fmt.Sprint("strange", i)
		m.Record(room)
	}
	lines := scrape(t, m)
	has(t, lines,
		`weir_routes_total{deployment="gpt-4o/ptu",model="gpt-4o",reason="room"} 2`,
		`weir_routes_total{deployment="gpt-4o/ptu",model="gpt-4o",reason="spill_quota"} 1`,
		`weir_routes_total{deployment="gpt-4o/ptu",model="gpt-4o",reason="other"} 70`,
		`weir_spill_cost_dollars_total{deployment="gpt-4o/ptu",model="gpt-4o"} 2.5`,
		`weir_prefix_known_tokens_total{deployment="gpt-4o/ptu",model="gpt-4o"} 512`)
	for _, l := range lines {
		if strings.HasPrefix(l, `weir_routes_total{deployment="none"`) {
			t.Errorf("a request that went nowhere has a route: %s", l)
		}
	}
}

func TestDecisionsAreCountedByRule(t *testing.T) {
	m := made()
	m.Decided("gpt-4o/ptu", 3, "demand", "quota")
	m.Decided("gpt-4o/ptu", 2, "demand")
	m.Decided("not configured", 9)
	m.Short("gpt-4o/ptu", "quota")
	for i := range 40 {
		m.Short("gpt-4o/ptu", fmt.Sprintf("word%d", i)) // a place has few words: these are a fault of its
	}
	has(t, scrape(t, m),
		`weir_scale_decisions_total{deployment="gpt-4o/ptu",rule="demand"} 2`,
		`weir_scale_decisions_total{deployment="gpt-4o/ptu",rule="quota"} 1`,
		`weir_scale_short_total{deployment="gpt-4o/ptu",why="quota"} 1`,
		`weir_scale_short_total{deployment="gpt-4o/ptu",why="other"} 9`,
		`weir_replicas_wanted{deployment="gpt-4o/ptu"} 2`,
		`weir_replicas_wanted{deployment="other"} 9`)
	m.Undecided() // another gateway leads: its number is the one that counts
	for _, l := range scrape(t, m) {
		if strings.HasPrefix(l, "weir_replicas_wanted{") {
			t.Errorf("a number that this gateway no longer decides: %s", l)
		}
	}
}

func TestLevelsAreAskedForWhenScraped(t *testing.T) {
	m := made()
	m.Configure(observe.Known{Models: []string{"gpt-4o"}, Deployments: []string{"gpt-4o/ptu", "gpt-4o/idle", "gpt-4o/azure"}, Elastic: []string{"gpt-4o/idle"}})
	for _, l := range scrape(t, m) {
		if strings.HasPrefix(l, "weir_replicas{") || strings.HasPrefix(l, "weir_ledger") {
			t.Errorf("nothing is watched yet: %s", l)
		}
	}
	m.Watch(observe.Sources{
		Levels: func() []observe.Level {
			return []observe.Level{
				{Model: "gpt-4o", Waiting: 3, WaitingTokens: 4500},
				{Model: "gpt-4o", Deployment: "gpt-4o/ptu", InFlight: 7, InFlightTokens: 9000, QuotaUse: .75},
				{Model: "x", Waiting: 1}, {Model: "y", Waiting: 2},
			}
		},
		Replicas: func() []weir.Replica {
			return []weir.Replica{{Deployment: "gpt-4o/ptu", State: weir.Ready}, {Deployment: "gpt-4o/ptu", State: weir.Ready},
				{Deployment: "gpt-4o/ptu", State: weir.Starting, Why: "no_node"}, {Deployment: "stray", State: weir.Failed}, {Deployment: "stray", State: 77}}
		},
		Short: func() []observe.Short {
			return []observe.Short{{Deployment: "gpt-4o/ptu", Why: "quota", Missing: 2}, {Deployment: "stray", Why: "quota", Missing: 9}}
		},
		Starts: func() []observe.ColdStart {
			return []observe.ColdStart{
				{Deployment: "gpt-4o/ptu", Scheduled: 2 * time.Second, Pulled: 30 * time.Second, Loaded: 90 * time.Second},
				{Deployment: "stray", Scheduled: 99 * time.Second},
			}
		},
		Held: func() map[string]bool {
			return map[string]bool{"gpt-4o/ptu": true, "gpt-4o/idle": false, "stray": true}
		},
		Engines: func() []observe.Engine {
			return []observe.Engine{{Deployment: "gpt-4o/ptu", Running: 12, Waiting: 0, KVUse: .5, GPUUtilisation: -1}, {Deployment: "stray", Running: 99}}
		},
		Ledger: func() observe.Ledger {
			return observe.Ledger{Rows: 5, Lag: 1500 * time.Millisecond, Written: 100, Failures: 2, Coarsened: 1}
		},
		Leader: func() bool { return true },
		Limits: func() []observe.LimitUse {
			return []observe.LimitUse{{Scope: "tenant=demo", Limit: "tokens_per_day", Ratio: 1.25}}
		},
		Canaries: func() []observe.CanaryLevel {
			return []observe.CanaryLevel{{Deployment: "gpt-4o/ptu", Share: .1, Evidence: map[string]float64{"ttft": math.NaN(), "errors": .5}}}
		},
	})
	for _, l := range scrape(t, m) {
		if strings.Contains(l, "NaN") || strings.HasPrefix(l, "weir_replicas") && strings.Contains(l, "azure") {
			t.Errorf("cannot be: %s", l)
		}
		if strings.HasPrefix(l, "weir_engine_gpu") || strings.Contains(l, " 99") {
			t.Errorf("not known, or not configured: %s", l)
		}
	}
	has(t, scrape(t, m),
		`weir_replicas_short{deployment="gpt-4o/ptu",why="quota"} 2`,
		`weir_replicas_not_ready{deployment="gpt-4o/ptu",why="no_node"} 1`,
		`weir_cold_start_seconds{deployment="gpt-4o/ptu",phase="scheduled"} 2`, `weir_cold_start_seconds{deployment="gpt-4o/ptu",phase="pulled"} 30`,
		`weir_cold_start_seconds{deployment="gpt-4o/ptu",phase="loaded"} 90`,
		`weir_replicas_held{deployment="gpt-4o/ptu"} 1`, `weir_replicas_held{deployment="gpt-4o/idle"} 0`,
		`weir_engine_requests_running{deployment="gpt-4o/ptu"} 12`, `weir_engine_requests_waiting{deployment="gpt-4o/ptu"} 0`,
		`weir_engine_kv_use_ratio{deployment="gpt-4o/ptu"} 0.5`, `weir_quota_use_ratio{deployment="gpt-4o/ptu",model="gpt-4o"} 0.75`,
		`weir_requests_waiting{model="gpt-4o"} 3`, `weir_tokens_waiting{model="gpt-4o"} 4500`, `weir_requests_waiting{model="other"} 3`,
		`weir_requests_in_flight{deployment="gpt-4o/ptu",model="gpt-4o"} 7`, `weir_tokens_in_flight{deployment="gpt-4o/ptu",model="gpt-4o"} 9000`,
		`weir_replicas{deployment="gpt-4o/ptu",state="ready"} 2`, `weir_replicas{deployment="gpt-4o/ptu",state="starting"} 1`,
		`weir_replicas{deployment="gpt-4o/idle",state="ready"} 0`, `weir_replicas{deployment="other",state="failed"} 1`,
		`weir_ledger_pending_rows 5`, `weir_ledger_lag_seconds 1.5`, `weir_ledger_written_rows_total 100`,
		`weir_ledger_failures_total 2`, `weir_ledger_coarsened_total 1`, `weir_leader 1`,
		`weir_limit_use_ratio{limit="tokens_per_day",scope="tenant=demo"} 1.25`, `weir_canary_evidence_ratio{deployment="gpt-4o/ptu",measure="errors"} 0.5`)
}

// Series that could never count anything do not exist: a refused request has no
// tokens, and a deployment outside Azure has no spillover.
func TestOnlySeriesThatCanCountAreShown(t *testing.T) {
	m := made()
	m.Record(weir.Record{Tenant: "demo", Model: "gpt-4o", Outcome: weir.Refused, Fault: weir.CallerFault, Code: "invalid_json"})
	m.Record(answered())
	for _, l := range scrape(t, m) {
		for _, never := range []string{"weir_tokens", "weir_cost", "weir_ttft", "weir_tpot", "weir_estimated", "weir_upstream", "weir_spill", "weir_prefix", "weir_azure"} {
			if strings.HasPrefix(l, never) && strings.Contains(l, `deployment="none"`) {
				t.Error(l)
			}
		}
		if strings.HasPrefix(l, "weir_azure") || strings.HasPrefix(l, "weir_prefix") || strings.Contains(l, `outcome="completed"`) && strings.Contains(l, `deployment="none"`) {
			t.Error(l)
		}
	}
	written := answered()
	written.Usage = weir.Usage{Prompt: 100, Cached: 20, Written: 30, WrittenHour: 10, Completion: 1}
	m2 := made()
	m2.Configure(observe.Known{Tenants: []string{"demo"}, Models: []string{"gpt-4o"}, Deployments: []string{"gpt-4o/ptu"}})
	m2.Record(written)
	has(t, scrape(t, m2), `weir_tokens_total{deployment="gpt-4o/ptu",kind="cache_write",model="gpt-4o",tenant="demo"} 40`,
		`weir_tokens_total{deployment="gpt-4o/ptu",kind="prompt",model="gpt-4o",tenant="demo"} 40`)
}

func TestMetricNamesAreAsPrometheusWantsThem(t *testing.T) {
	m := made()
	m.Record(answered())
	m.Decided("gpt-4o/ptu", 1, "demand")
	m.Watch(observe.Sources{Ledger: func() observe.Ledger { return observe.Ledger{} }, Leader: func() bool { return false },
		Levels: func() []observe.Level {
			return []observe.Level{{Model: "gpt-4o"}, {Model: "gpt-4o", Deployment: "gpt-4o/ptu"}}
		},
		Replicas: func() []weir.Replica { return nil }})
	problems, err := promlint.New(strings.NewReader(strings.Join(body(t, m), "\n") + "\n")).Lint()
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
}

// body returns all lines of Weir's own metrics with their HELP and TYPE.
func body(t *testing.T, m *observe.Metrics) (lines []string) {
	w := httptest.NewRecorder()
	m.Handler(slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	all, err := io.ReadAll(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(all)) {
		if strings.Contains(l, "weir_") {
			lines = append(lines, strings.TrimSpace(l))
		}
	}
	return lines
}

func TestCountsHoldWhileScrapedAndReloaded(t *testing.T) {
	m := made()
	const workers, each = 4, 2000
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			for n := range each {
				rec := answered()
				rec.Tenant = fmt.Sprint("stranger", i)
				if n%10 == 0 {
					rec.Outcome, rec.Fault, rec.Code = weir.Failure, weir.UpstreamFault, fmt.Sprint("code", n%30)
				}
				m.Record(rec)
				if n%500 == 0 {
					m.Configure(known())
					scrape(t, m)
				}
			}
		})
	}
	wg.Wait()
	total := 0
	for _, l := range scrape(t, m) {
		if strings.HasPrefix(l, "weir_requests_total") {
			var n int
			if _, err := fmt.Sscan(l[strings.LastIndex(l, " ")+1:], &n); err != nil {
				t.Fatal(err)
			}
			total += n
		}
	}
	if total != workers*each {
		t.Fatal(total)
	}
}

func TestRecordsWithImpossibleNumbersDoNotPanic(t *testing.T) {
	m := made()
	rec := answered()
	rec.Usage = weir.Usage{Prompt: -1, Cached: 5, Completion: -7}
	rec.Cost, rec.Attempts, rec.Queued, rec.TTFT, rec.Ended = -3, -1, -time.Second, -1, 0
	rec.Outcome, rec.Fault = 99, 99
	m.Record(rec)
	m.Record(rec)
	has(t, scrape(t, m), `weir_requests_total{code="none",deployment="gpt-4o/ptu",fault="unknown(99)",model="gpt-4o",outcome="unknown(99)",tenant="demo"} 2`)
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	m := made()
	failed, stranger := answered(), answered()
	failed.Outcome, failed.Fault, failed.Code = weir.Failure, weir.UpstreamFault, "upstream_stalled"
	stranger.Tenant, stranger.Deployment = "nobody", ""
	for _, rec := range []weir.Record{answered(), failed, stranger} {
		if n := testing.AllocsPerRun(1000, func() { m.Record(rec) }); n != 0 {
			t.Errorf("%v allocations for %+v", n, rec)
		}
	}
}

func BenchmarkRecord(b *testing.B) {
	m := made()
	rec := answered()
	b.ReportAllocs()
	for b.Loop() {
		m.Record(rec)
	}
}

func BenchmarkRecordOfManyTenants(b *testing.B) {
	m := observe.New(observe.Build{})
	k := known()
	recs := make([]weir.Record, 500)
	for i := range recs {
		recs[i] = answered()
		recs[i].Tenant = fmt.Sprint("tenant", i)
		k.Tenants = append(k.Tenants, recs[i].Tenant)
	}
	m.Configure(k)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Record(recs[i%len(recs)])
	}
}
