package observe

import (
	"math"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir"
)

// Sources are called at each scrape for current values; a nil one shows
// nothing. They must be quick and safe for concurrent use.
type Sources struct {
	Levels   func() []Level        // one per model, and one per model and deployment
	Replicas func() []weir.Replica // all of them
	Engines  func() []Engine       // one per deployment whose inference servers report metrics
	Ledger   func() Ledger
	Canaries func() []CanaryLevel
	Shared   func() Shared
	Cache    func() Cache   // nil: no answer is stored
	Vectors  func() Vectors // nil: no embedding is stored
	Limits   func() []LimitUse
	Short    func() []Short
	Starts   func() []ColdStart     // of deployments whose place tells the phases apart
	Held     func() map[string]bool // by deployment: another program writes the number of its replicas
	Account  func() Account         // nil: no subscription
	Leader   func() bool            // whether this gateway is the leader, which scales
}

// Engine is the metrics of one deployment's inference servers, taken together.
// Negative: unknown.
type Engine struct {
	Deployment       string
	Running, Waiting int     // requests inside the servers
	KVUse            float64 // 0..1, the fullest server
	GPUUtilisation   float64 // 0..1, mean
}

// Level is the queue of one model (Deployment empty) or the requests in flight
// of one of its deployments.
type Level struct {
	Model, Deployment string
	Waiting           int // requests
	WaitingTokens     int
	InFlight          int // requests
	InFlightTokens    int
	QuotaUse          float64 // estimated use of its provider's quota, 1 when full; 0: none, or no quota
}

// LimitUse is the used part of one limit.
type LimitUse struct {
	Scope string // scope of the limit: "tenant=demo,model=gpt-4o"
	Limit string // its kind: "tokens_per_day"
	Ratio float64
}

// MaxLimits bounds the series of limits: beyond it, the most used are shown.
const MaxLimits = 2000

// Ledger is the state of the ledger's writer. Counters only grow.
type Ledger struct {
	Rows      int           // waiting to be written
	Lag       time.Duration // age of the oldest unwritten record
	Written   uint64        // rows
	Failures  uint64        // writes that failed
	Coarsened uint64        // records whose names were dropped because there was no room; their counts were kept
}

// levels collects Sources.
type levels struct {
	m *Metrics

	mu sync.Mutex
	s  Sources

	waiting, waitingTokens, inFlight, inFlightTokens, replicas *prometheus.Desc
	notReady                                                   *prometheus.Desc
	quota, canaryShare, canaryEvidence                         *prometheus.Desc
	engineRunning, engineWaiting, kvUse, gpuUtilisation        *prometheus.Desc
	rows, lag, written, failures, coarsened                    *prometheus.Desc
	shared                                                     sharedDescs
	cache                                                      cacheDescs
	vectors                                                    vectorDescs
	account                                                    accountDescs
	leader, limitUse                                           *prometheus.Desc
	short, start, held                                         *prometheus.Desc
}

func newLevels(m *Metrics) *levels {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &levels{
		m:              m,
		waiting:        desc("weir_requests_waiting", "Requests waiting for a replica.", "model"),
		waitingTokens:  desc("weir_tokens_waiting", "Tokens of work those requests are expected to cost.", "model"),
		inFlight:       desc("weir_requests_in_flight", "Requests at a replica.", "model", "deployment"),
		inFlightTokens: desc("weir_tokens_in_flight", "Tokens of work those requests still have to do, as expected.", "model", "deployment"),
		quota:          desc("weir_quota_use_ratio", "Estimated use of the provider's quota of the deployment: at 1 the provider would refuse. Only while it is in use.", "model", "deployment"),
		canaryShare:    desc("weir_canary_share_ratio", "Share of the traffic of stable version and canary that goes to the canary.", "deployment"),
		canaryEvidence: desc("weir_canary_evidence_ratio", "Evidence that a canary is worse than the stable version, by measure (errors, ttft, tpot): at 1 it is rolled back.", "deployment", "measure"),
		replicas:       desc("weir_replicas", "Replicas by state, of deployments whose replicas Weir starts; if one address has several units, the units.", "deployment", "state"),
		notReady:       desc("weir_replicas_not_ready", "Replicas that start or have failed, by the reason of the place that runs them.", "deployment", "why"),
		engineRunning:  desc("weir_engine_requests_running", "Requests running, as reported by the inference servers.", "deployment"),
		engineWaiting:  desc("weir_engine_requests_waiting", "Requests queued inside the inference servers, as they report.", "deployment"),
		kvUse:          desc("weir_engine_kv_use_ratio", "Share of the KV cache in use, at the fullest inference server.", "deployment"),
		gpuUtilisation: desc("weir_engine_gpu_utilisation_ratio", "GPU utilisation, mean over the inference servers.", "deployment"),
		shared:         newSharedDescs(),
		cache:          newCacheDescs(),
		vectors:        newVectorDescs(),
		account:        newAccountDescs(),
		rows:           desc("weir_ledger_pending_rows", "Rows of usage waiting to be written."),
		lag:            desc("weir_ledger_lag_seconds", "Age of the oldest usage not written."),
		written:        desc("weir_ledger_written_rows_total", "Rows of usage written."),
		failures:       desc("weir_ledger_failures_total", "Writes of usage that failed and were tried again."),
		coarsened:      desc("weir_ledger_coarsened_total", "Records summed under the name other because memory for names was full; their counts are kept."),
		limitUse:       desc("weir_limit_use_ratio", "Used part of a limit or budget: 1 when nothing is left, more with a debt. Of more than 2,000 limits, those used most.", "scope", "limit"),
		short:          desc("weir_replicas_short", "Replicas that are needed and that the place cannot give now, by a word for why.", "deployment", "why"),
		start:          desc("weir_cold_start_seconds", "Median duration of the last starts of a deployment's replicas, by phase: scheduled (until a node), pulled (until its containers run), loaded (until ready).", "deployment", "phase"),
		held:           desc("weir_replicas_held", "1 while another program writes the number of a deployment's replicas, and Weir changes nothing.", "deployment"),
		leader:         desc("weir_leader", "1 while this gateway is the leader: of several gateways, the one that scales."),
	}
}

// Watch replaces the sources called at each scrape.
func (m *Metrics) Watch(s Sources) {
	m.live.mu.Lock()
	defer m.live.mu.Unlock()
	m.live.s = s
}

// Describe implements prometheus.Collector.
func (l *levels) Describe(ch chan<- *prometheus.Desc) {
	l.shared.describe(ch)
	l.cache.describe(ch)
	l.vectors.describe(ch)
	for _, d := range []*prometheus.Desc{l.waiting, l.waitingTokens, l.inFlight, l.inFlightTokens, l.quota, l.replicas, l.notReady, l.canaryShare, l.canaryEvidence,
		l.engineRunning, l.engineWaiting, l.kvUse, l.gpuUtilisation,
		l.rows, l.lag, l.written, l.failures, l.coarsened, l.leader, l.limitUse, l.short, l.start, l.held} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (l *levels) Collect(ch chan<- prometheus.Metric) {
	l.mu.Lock()
	s := l.s
	l.mu.Unlock()
	l.m.mu.RLock()
	known := l.m.known
	l.m.mu.RUnlock()
	if s.Levels != nil {
		l.collectLevels(ch, known, s.Levels())
	}
	if s.Replicas != nil {
		l.collectReplicas(ch, known, s.Replicas())
	}
	if s.Engines != nil {
		l.collectEngines(ch, known, s.Engines())
	}
	if s.Canaries != nil {
		for _, c := range s.Canaries() {
			if known.deployments[c.Deployment] {
				l.collectCanary(ch, c)
			}
		}
	}
	if s.Ledger != nil {
		l.collectLedger(ch, s.Ledger())
	}
	if s.Cache != nil {
		l.cache.collect(ch, s.Cache())
	}
	if s.Vectors != nil {
		l.vectors.collect(ch, s.Vectors())
	}
	if s.Shared != nil {
		l.shared.collect(ch, s.Shared())
	}
	if s.Limits != nil {
		uses := s.Limits()
		for _, u := range uses[:min(len(uses), MaxLimits)] {
			ch <- gauge(l.limitUse, u.Ratio, u.Scope, u.Limit)
		}
	}
	if s.Short != nil {
		l.collectShort(ch, known, s.Short())
	}
	if s.Starts != nil {
		l.collectStarts(ch, known, s.Starts())
	}
	if s.Held != nil {
		l.collectHeld(ch, known, s.Held())
	}
	if s.Account != nil {
		l.account.collect(ch, known, s.Account())
	}
	if s.Leader != nil {
		in := 0.0
		if s.Leader() {
			in = 1
		}
		ch <- gauge(l.leader, in)
	}
}

func (l *levels) collectCanary(ch chan<- prometheus.Metric, c CanaryLevel) {
	ch <- gauge(l.canaryShare, c.Share, c.Deployment)
	for measure, e := range c.Evidence {
		if math.IsNaN(e) {
			continue // nothing to compare yet
		}
		ch <- gauge(l.canaryEvidence, e, c.Deployment, measure)
	}
}

// collectLevels sums first: several unknown names share one series.
func (l *levels) collectLevels(ch chan<- prometheus.Metric, known names, levels []Level) {
	waiting, inFlight, quota := map[string][2]int{}, map[who][2]int{}, map[who]float64{}
	for _, v := range levels {
		model := bounded(known.models, v.Model)
		if v.Deployment == "" {
			sum := waiting[model]
			waiting[model] = [2]int{sum[0] + v.Waiting, sum[1] + v.WaitingTokens}
			continue
		}
		at := who{model: model, deployment: bounded(known.deployments, v.Deployment)}
		sum := inFlight[at]
		inFlight[at] = [2]int{sum[0] + v.InFlight, sum[1] + v.InFlightTokens}
		if v.QuotaUse > 0 {
			quota[at] = max(quota[at], v.QuotaUse)
		}
	}
	for at, use := range quota {
		ch <- gauge(l.quota, use, at.model, at.deployment)
	}
	for model, v := range waiting {
		ch <- gauge(l.waiting, float64(v[0]), model)
		ch <- gauge(l.waitingTokens, float64(v[1]), model)
	}
	for at, v := range inFlight {
		ch <- gauge(l.inFlight, float64(v[0]), at.model, at.deployment)
		ch <- gauge(l.inFlightTokens, float64(v[1]), at.model, at.deployment)
	}
}

// states are all states: one without replicas shows a zero.
var states = [...]weir.ReplicaState{weir.Starting, weir.Ready, weir.Draining, weir.Failed}

func (l *levels) collectReplicas(ch chan<- prometheus.Metric, known names, replicas []weir.Replica) {
	counts := map[string]*[len(states)]int{}
	for d := range known.elastic { // others have no replicas that start or drain
		counts[d] = new([len(states)]int)
	}
	for _, r := range replicas {
		d := bounded(known.deployments, r.Deployment)
		if counts[d] == nil {
			counts[d] = new([len(states)]int)
		}
		if int(r.State) < len(states) {
			counts[d][r.State] += r.Size()
		}
	}
	for d, byState := range counts {
		for _, s := range states {
			ch <- gauge(l.replicas, float64(byState[s]), d, s.String())
		}
	}
	l.collectNotReady(ch, known, replicas)
}

// maxWhys bounds the words that places have for why a replica is not ready.
const maxWhys = 32

func (l *levels) collectNotReady(ch chan<- prometheus.Metric, known names, replicas []weir.Replica) {
	type place struct{ deployment, why string }
	counts, words := map[place]int{}, map[string]bool{}
	for _, r := range replicas {
		if r.Why != "" && (r.State == weir.Starting || r.State == weir.Failed) {
			counts[place{bounded(known.deployments, r.Deployment), admit(words, maxWhys, r.Why)}] += r.Size()
		}
	}
	for p, n := range counts {
		ch <- gauge(l.notReady, float64(n), p.deployment, p.why)
	}
}

// collectEngines shows the known figures. It shows none of unconfigured names,
// which would share a series: their figures do not add up.
func (l *levels) collectEngines(ch chan<- prometheus.Metric, known names, engines []Engine) {
	for _, e := range engines {
		if !known.deployments[e.Deployment] {
			continue
		}
		for _, v := range []struct {
			desc  *prometheus.Desc
			value float64
		}{{l.engineRunning, float64(e.Running)}, {l.engineWaiting, float64(e.Waiting)}, {l.kvUse, e.KVUse}, {l.gpuUtilisation, e.GPUUtilisation}} {
			if v.value >= 0 {
				ch <- gauge(v.desc, v.value, e.Deployment)
			}
		}
	}
}

func (l *levels) collectLedger(ch chan<- prometheus.Metric, s Ledger) {
	ch <- gauge(l.rows, float64(s.Rows))
	ch <- gauge(l.lag, seconds(s.Lag))
	ch <- prometheus.MustNewConstMetric(l.written, prometheus.CounterValue, float64(s.Written))
	ch <- prometheus.MustNewConstMetric(l.failures, prometheus.CounterValue, float64(s.Failures))
	ch <- prometheus.MustNewConstMetric(l.coarsened, prometheus.CounterValue, float64(s.Coarsened))
}

func gauge(d *prometheus.Desc, v float64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
}
