package gateway

import (
	"io"
	"net/http"
	"testing"
	"time"

	"weir"
	"weir/dispatch"
	"weir/meter"
)

// A request that Azure sends on is paid per token, whatever the provisioned deployment
// costs, and does not count in its bucket.
func TestAzuresOwnSpilloverIsPaidAtTheStandardRate(t *testing.T) {
	ptu := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-spillover-from-gpt-ptu", "gpt-ptu")
		answering(w, r)
	})
	c := tiered(ptu.URL, ptu.URL, dispatch.Quota{Drain: 1_000_000, Burst: time.Minute})
	c.Models[0].Deployments[0].Spillover = Spillover{To: "gpt-std", Rates: &meter.Rates{Prompt: 2_000_000, Cached: 1_000_000, Completion: 10_000_000}}
	r := start(t, c)
	r.post(chatPath, chatBody)
	// 7 tokens at $2, 4 cached at $1 and 7 of the answer at $10 a million.
	if rec := r.rec(); rec.Reason != "azure_spillover" || rec.Cost != 7*2+4*1+7*10 || rec.Extra != rec.Cost {
		t.Errorf("%+v", rec)
	}
	r.settled()
	if _, _, h := ptu.last(); h.Get("x-ms-spillover-deployment") != "gpt-std" {
		t.Errorf("it was not asked for: %v", h)
	}
	if d, err := r.Demand("d0"); err != nil || d.Here.QuotaUse < 0.9 {
		t.Errorf("%v: Azure found the bucket full, it is taken for %v", err, d.Here.QuotaUse)
	}
}

func TestWhatFitsTheProvisionedDeploymentCostsItsRate(t *testing.T) {
	ptu := newBackend(t, answering)
	c := tiered(ptu.URL, ptu.URL, dispatch.Quota{Drain: 1_000_000})
	c.Models[0].Deployments[0].Spillover.Rates = &meter.Rates{Prompt: 2_000_000}
	r := start(t, c)
	r.post(chatPath, chatBody)
	if rec := r.rec(); rec.Cost != 0 || rec.SpillFailures != 0 {
		t.Errorf("%+v", rec)
	}
}

func TestASpilloverThatFailedIsCounted(t *testing.T) {
	ptu := newBackend(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-ms-spillover-error", "DeploymentNotFound")
		w.Header().Set("Retry-After-Ms", "60000")
		w.WriteHeader(429)
		io.WriteString(w, `{"error":{"code":"429"}}`)
	})
	r := start(t, tiered(ptu.URL, newBackend(t, answering).URL, dispatch.Quota{Drain: 1_000_000}))
	resp, body := r.post(chatPath, chatBody)
	if rec := r.rec(); resp.StatusCode != 200 || rec.SpillFailures != 1 || rec.Deployment != "d1" || rec.Outcome != weir.Completed {
		t.Errorf("%d %s: %+v", resp.StatusCode, body, rec)
	}
	r.settled()
}
