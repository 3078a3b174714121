package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"weir"
)

// copies are the metrics of the requests Weir itself sends. They are counted
// apart from callers' requests: no tenant pays for a hedge or a mirror.
type copies struct {
	hedges, hedgeTokens, hedgeCost *prometheus.CounterVec
	mirrors, mirrorTokens          *prometheus.CounterVec
	mirrorCost                     *prometheus.CounterVec
	mirrorTTFT, mirrorTPOT         *prometheus.HistogramVec
	steps                          *prometheus.CounterVec
}

func (m *Metrics) makeCopies() {
	labels := []string{"model", "deployment"}
	with := func(more ...string) []string { return append(append([]string{}, labels...), more...) }
	m.copies = copies{
		hedges: m.counter("weir_hedges_total",
			"Second requests sent because a first token was late, by the deployment of the loser: won (the second answered first), lost, failed.", with("result")...),
		hedgeTokens: m.counter("weir_hedge_tokens_total", "Tokens of the losers, estimated.", labels...),
		hedgeCost:   m.counter("weir_hedge_cost_dollars_total", "Cost of the losers in US dollars; no tenant is billed for it.", labels...),
		mirrors: m.counter("weir_mirrors_total",
			"Copies of requests sent to a shadow deployment, by the status of the request and of its copy: 2xx to 5xx, none (no answer), dropped (no copy was made: no room, or the shadow fails).",
			with("primary", "mirror")...),
		mirrorTokens: m.counter("weir_mirror_tokens_total", "Tokens of copies and of the original requests, by side (primary, mirror) and kind.", with("side", "kind")...),
		mirrorCost:   m.counter("weir_mirror_cost_dollars_total", "Cost of copies in US dollars; no tenant is billed for it.", labels...),
		mirrorTTFT:   m.sides("weir_mirror_ttft_seconds", "Time to the first token of copies and of the original requests, without queue time.", ttftBuckets),
		mirrorTPOT:   m.sides("weir_mirror_tpot_seconds", "Mean time per output token after the first, of the same.", tpotBuckets),
		steps:        m.counter("weir_canary_steps_total", "Canary steps by result: stepping, promoted, stepped_back.", "deployment", "phase"),
	}
}

func (m *Metrics) sides(name, help string, buckets []float64) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"model", "deployment", "side"})
	m.registry.MustRegister(v)
	return v
}

// forget removes the series of a name.
func (a *copies) forget(l prometheus.Labels) {
	for _, v := range []*prometheus.CounterVec{a.hedges, a.hedgeTokens, a.hedgeCost, a.mirrors, a.mirrorTokens, a.mirrorCost, a.steps} {
		v.DeletePartialMatch(l)
	}
	a.mirrorTTFT.DeletePartialMatch(l)
	a.mirrorTPOT.DeletePartialMatch(l)
}

// Copy counts one copy.
func (m *Metrics) Copy(a weir.Copy) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	model, deployment := bounded(m.known.models, a.Model), bounded(m.known.deployments, a.Deployment)
	if a.Kind == weir.HedgeCopy {
		m.copies.hedges.WithLabelValues(model, deployment, a.Result).Inc()
		count(m.copies.hedgeTokens.WithLabelValues(model, deployment), a.Usage.Prompt+a.Usage.Completion)
		m.copies.hedgeCost.WithLabelValues(model, deployment).Add(dollars(max(a.Cost, 0)))
		return
	}
	if a.Beside == nil {
		m.copies.mirrors.WithLabelValues(model, deployment, none, a.Result).Inc()
		return
	}
	m.copies.mirrors.WithLabelValues(model, deployment, statusClass(a.Beside.Status), statusClass(answered(a))).Inc()
	m.copies.mirrorCost.WithLabelValues(model, deployment).Add(dollars(max(a.Cost, 0)))
	m.side(model, deployment, "mirror", a.TTFT.Seconds(), a.TPOT.Seconds(), a.Usage)
	m.side(model, deployment, "primary", (a.Beside.TTFT - a.Beside.Queued).Seconds(), a.Beside.TPOT.Seconds(), a.Beside.Usage)
}

func (m *Metrics) side(model, deployment, side string, ttft, tpot float64, used weir.Usage) {
	if ttft > 0 {
		m.copies.mirrorTTFT.WithLabelValues(model, deployment, side).Observe(ttft)
	}
	if tpot > 0 {
		m.copies.mirrorTPOT.WithLabelValues(model, deployment, side).Observe(tpot)
	}
	count(m.copies.mirrorTokens.WithLabelValues(model, deployment, side, "prompt"), used.Prompt)
	count(m.copies.mirrorTokens.WithLabelValues(model, deployment, side, "completion"), used.Completion)
}

// answered is the status of a copy; 0 if its answer broke off.
func answered(a weir.Copy) int {
	if a.Result == "failed" && a.Status < 300 {
		return 0
	}
	return a.Status
}

// statusClass is a bounded label of a status.
func statusClass(status int) string {
	switch {
	case status >= 200 && status < 300:
		return "2xx"
	case status >= 300 && status < 400:
		return "3xx"
	case status >= 400 && status < 500:
		return "4xx"
	case status >= 500:
		return "5xx"
	}
	return none
}

// CanaryStepped counts a step of a canary.
func (m *Metrics) CanaryStepped(deployment, phase string) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	m.copies.steps.WithLabelValues(bounded(m.known.deployments, deployment), phase).Inc()
}

// CanaryLevel is the state of a canary.
type CanaryLevel struct {
	Deployment string
	Share      float64            // of the traffic it shares with the stable version, 0 to 1
	Evidence   map[string]float64 // by measure, evidence that it is worse: at 1 it steps back
}
