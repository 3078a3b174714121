// Package observe makes Weir's state visible: metrics in Prometheus format and
// logs. Other parts report to it (Record, Decided), or it calls small funcs
// when it is scraped (Sources). It decides nothing and knows no other package
// but the vocabulary.
//
// # Labels are bounded
//
// Tenants, models and deployments appear under their names only if Configure
// named them; every other name is "other" and an absent one is "none". Error
// codes and decision rules are bounded by number. No caller can make the number
// of series grow.
package observe

import (
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"weir"
)

const (
	other = "other" // a name that is not configured
	none  = "none"  // no name: the request ended before it had one

	maxCodes = 128 // distinct error codes; later ones are "other"
	maxRules = 128 // distinct decision rules

	maxReasons = 32 // distinct words of Record.Reason
)

// Metrics holds every metric of one process, in a registry of its own. It is
// safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	live     *levels

	requests  *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	cost      *prometheus.CounterVec
	estimated *prometheus.CounterVec
	attempts  *prometheus.CounterVec
	routes    *prometheus.CounterVec
	extra     *prometheus.CounterVec
	spillFail *prometheus.CounterVec
	prefix    *prometheus.CounterVec
	ttft      *prometheus.HistogramVec
	tpot      *prometheus.HistogramVec
	queue     *prometheus.HistogramVec
	added     *prometheus.HistogramVec
	duration  *prometheus.HistogramVec
	decisions *prometheus.CounterVec
	short     *prometheus.CounterVec
	want      *prometheus.GaugeVec

	copies copies
	caches caches

	cheaper *prometheus.CounterVec

	reloads reloads

	mu     sync.RWMutex // held for reading while a record is counted
	known  names
	series map[who]*series
	codes  map[string]bool
	rules  map[string]bool
	words  map[string]bool // of routes
	whys   map[string]bool // of places
}

// Build is the running binary, for weir_build_info.
type Build struct{ Version, Revision, Go string }

// New returns Metrics with everything registered and no names known yet.
func New(b Build) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), series: map[who]*series{}, codes: map[string]bool{}, rules: map[string]bool{}, words: map[string]bool{}, whys: map[string]bool{}}
	m.makeRequestMetrics()
	m.makeTimeMetrics()
	m.makeCopies()
	m.makeSpillFailures()
	m.makeCaches()
	m.makeCheaper()
	m.makeReloads()
	m.decisions = m.counter("weir_scale_decisions_total",
		"Scaling decisions by the rules that moved the number of replicas.", "deployment", "rule")
	m.short = m.counter("weir_scale_short_total",
		"Scaling decisions whose number of replicas the place could not give, by its reason.", "deployment", "why")
	m.want = prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weir_replicas_wanted",
		Help: "Replicas the last decision asked for. Of gateways that share a store, only the leader has it."}, []string{"deployment"})
	m.live = newLevels(m)
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_build_info", Help: "Always 1; its labels say what is running.",
		ConstLabels: prometheus.Labels{"version": b.Version, "revision": b.Revision, "goversion": b.Go}})
	build.Set(1)
	m.registry.MustRegister(m.want, m.live, build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

func (m *Metrics) makeRequestMetrics() {
	m.requests = m.counter("weir_requests_total",
		"Ended requests by outcome, by the side at fault if they did not complete, and by error code.",
		"tenant", "model", "deployment", "outcome", "fault", "code")
	m.tokens = m.counter("weir_tokens_total",
		"Tokens by kind: prompt (neither of the next two), cached (prompt tokens read from the upstream's cache), cache_write (written to it), completion.",
		"tenant", "model", "deployment", "kind")
	m.cost = m.counter("weir_cost_dollars_total", "Cost of ended requests in US dollars, at the configured rates.",
		"tenant", "model", "deployment")
	m.estimated = m.counter("weir_estimated_requests_total",
		"Ended requests whose tokens Weir counted itself because the upstream reported none.",
		"tenant", "model", "deployment")
	m.attempts = m.counter("weir_upstream_attempts_total", "Upstream attempts, including retries, by the deployment tried last.",
		"model", "deployment")
	m.routes = m.counter("weir_routes_total",
		"Ended requests that were sent to a deployment, by the reason: room, waited (for room there), spill_... (why the preferred deployment was skipped), half_open (a test of a replica that failed), hedge (sent second, answered first), azure_spillover.",
		"model", "deployment", "reason")
	m.extra = m.counter("weir_spill_cost_dollars_total",
		"Extra cost of spilled requests compared with the preferred deployment, in US dollars; a request there costs nothing if its capacity is already paid for.",
		"model", "deployment")
	m.prefix = m.counter("weir_prefix_known_tokens_total",
		"With affinity: prefix, prompt tokens expected to be in the chosen replica's prefix cache. The actual hits are weir_tokens_total of kind cached, if replicas report them.",
		"model", "deployment")
}

var (
	ttftBuckets = []float64{.01, .025, .05, .1, .2, .3, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 10, 20, 40, 80, 160}
	tpotBuckets = []float64{.0025, .005, .0075, .01, .015, .02, .025, .03, .04, .05, .075, .1, .15, .2, .3, .5, .75, 1, 2.5}
)

func (m *Metrics) makeTimeMetrics() {
	m.ttft = m.histogram("weir_ttft_seconds", "Time from arrival to the first token; to the first byte when not streamed.", ttftBuckets...)
	m.tpot = m.histogram("weir_tpot_seconds", "Mean time per output token after the first, of streams.", tpotBuckets...)
	m.queue = m.histogram("weir_queue_seconds", "Time spent waiting for a replica, all attempts together.",
		.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
	m.added = m.histogram("weir_added_seconds", "Time Weir itself added to a request, without queue, upstream and caller.",
		10e-6, 25e-6, 50e-6, 100e-6, 200e-6, 300e-6, 500e-6, 750e-6, .001, .002, .005, .01, .02, .05, .1, .5)
	m.duration = m.histogram("weir_request_seconds", "Time from arrival to the end of a request, including refused ones.",
		.005, .01, .025, .05, .1, .25, .5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600)
}

// makeSpillFailures makes the metric of failed spillovers at Azure.
func (m *Metrics) makeSpillFailures() {
	m.spillFail = m.counter("weir_azure_spillover_failures_total",
		"Attempts that Azure could not forward from a provisioned deployment to its standard one (x-ms-spillover-error), by the deployment tried last.",
		"model", "deployment")
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	m.registry.MustRegister(v)
	return v
}

func (m *Metrics) histogram(name, help string, buckets ...float64) *prometheus.HistogramVec {
	v := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{"model", "deployment"})
	m.registry.MustRegister(v)
	return v
}

// Decided counts one scaling decision under each of its rules and shows its
// number of replicas.
func (m *Metrics) Decided(deployment string, want int, rules ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	deployment = bounded(m.known.deployments, deployment)
	m.want.WithLabelValues(deployment).Set(float64(want))
	for _, r := range rules {
		m.decisions.WithLabelValues(deployment, admit(m.rules, maxRules, r)).Inc()
	}
}

// Short counts a decision whose number of replicas the place could not give.
func (m *Metrics) Short(deployment, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.short.WithLabelValues(bounded(m.known.deployments, deployment), admit(m.whys, maxWhys, why)).Inc()
}

// Undecided forgets the numbers of replicas: another gateway decides them now.
func (m *Metrics) Undecided() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.want.Reset()
}

// Handler serves the metrics in the format the scraper asks for. At most four
// scrapes run at once, each for ten seconds at most.
func (m *Metrics) Handler(log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:            scrapeLog{log},
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
		EnableOpenMetrics:   true,
	})
}

// scrapeLog lets promhttp write to slog.
type scrapeLog struct{ log *slog.Logger }

func (l scrapeLog) Println(v ...any) { l.log.Warn("metrics scrape", "problem", v) }

// admit returns the label for a value of a set that may grow to n.
func admit(seen map[string]bool, n int, v string) string {
	if v == "" {
		return none
	}
	if !seen[v] {
		if len(seen) >= n {
			return other
		}
		seen[v] = true
	}
	return v
}

// seconds converts a duration for Prometheus.
func seconds(d time.Duration) float64 { return d.Seconds() }

// dollars converts an amount for Prometheus.
func dollars(m weir.Money) float64 { return float64(m) / float64(weir.Dollar) }
