package observe_test

import (
	"testing"
	"time"

	"weir"
	"weir/observe"
)

func TestCopiesAreCountedApartFromRequests(t *testing.T) {
	m := made()
	hedge := weir.Copy{Kind: weir.HedgeCopy, Result: "won", Model: "gpt-4o", Deployment: "gpt-4o/ptu", Usage: weir.Usage{Prompt: 40}, Cost: 2_000_000}
	m.Copy(hedge)
	hedge.Result = "failed"
	hedge.Usage, hedge.Cost = weir.Usage{}, 0
	m.Copy(hedge)
	beside := answered()
	beside.Status, beside.TTFT, beside.Queued, beside.Usage = 200, time.Second, 600*time.Millisecond, weir.Usage{Prompt: 10, Completion: 5}
	mirror := weir.Copy{Kind: weir.MirrorCopy, Result: "answered", Model: "gpt-4o", Deployment: "gpt-4o/ptu", Status: 200,
		TTFT: 300 * time.Millisecond, TPOT: time.Millisecond, Usage: weir.Usage{Prompt: 10, Completion: 6}, Cost: 1_000_000, Beside: &beside}
	m.Copy(mirror)
	cut := mirror // an answer that began well and broke off
	cut.Result = "failed"
	m.Copy(cut)
	mirror.Beside, mirror.Result = nil, "dropped"
	m.Copy(mirror)
	m.CanaryStepped("gpt-4o/ptu", "stepped_back")
	m.CanaryStepped("nobody's", "promoted")
	m.Watch(observe.Sources{Canaries: func() []observe.CanaryLevel {
		return []observe.CanaryLevel{{Deployment: "gpt-4o/ptu", Share: 0.25, Evidence: map[string]float64{"ttft": 0.5}}, {Deployment: "nobody's", Share: 1}}
	}})
	const at = `deployment="gpt-4o/ptu",model="gpt-4o"`
	has(t, scrape(t, m),
		`weir_hedges_total{`+at+`,result="won"} 1`,
		`weir_hedges_total{`+at+`,result="failed"} 1`,
		`weir_hedge_tokens_total{`+at+`} 40`,
		`weir_hedge_cost_dollars_total{`+at+`} 2`,
		`weir_mirrors_total{deployment="gpt-4o/ptu",mirror="2xx",model="gpt-4o",primary="2xx"} 1`,
		`weir_mirrors_total{deployment="gpt-4o/ptu",mirror="none",model="gpt-4o",primary="2xx"} 1`,
		`weir_mirrors_total{deployment="gpt-4o/ptu",mirror="dropped",model="gpt-4o",primary="none"} 1`,
		`weir_mirror_cost_dollars_total{`+at+`} 2`,
		`weir_mirror_tokens_total{deployment="gpt-4o/ptu",kind="completion",model="gpt-4o",side="mirror"} 12`,
		`weir_mirror_tokens_total{deployment="gpt-4o/ptu",kind="completion",model="gpt-4o",side="primary"} 10`,
		`weir_mirror_ttft_seconds_bucket{`+at+`,side="primary",le="0.5"} 2`,
		`weir_mirror_ttft_seconds_bucket{`+at+`,side="mirror",le="0.3"} 2`,
		`weir_canary_steps_total{deployment="gpt-4o/ptu",phase="stepped_back"} 1`,
		`weir_canary_steps_total{deployment="other",phase="promoted"} 1`,
		`weir_canary_share_ratio{deployment="gpt-4o/ptu"} 0.25`,
		`weir_canary_evidence_ratio{deployment="gpt-4o/ptu",measure="ttft"} 0.5`)
}

func TestASpilloverThatAzureCouldNotMakeIsCounted(t *testing.T) {
	m := made()
	r := answered()
	r.SpillFailures = 2
	m.Record(r)
	has(t, scrape(t, m), `weir_azure_spillover_failures_total{deployment="gpt-4o/ptu",model="gpt-4o"} 2`)
}
