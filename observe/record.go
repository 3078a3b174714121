package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"weir"
)

// who is the bounded labels most series share.
type who struct{ tenant, model, deployment string }

// result is the bounded labels of how a request ended.
type result struct {
	outcome weir.Outcome
	fault   weir.Fault
	code    string
}

// series are the metrics of one who, looked up once, so that counting a record
// is a handful of additions.
type series struct {
	completed                  prometheus.Counter // outcome completed, no fault, no code: nearly every request
	results                    map[result]prometheus.Counter
	prompt, cached, completion prometheus.Counter
	cost, estimated, attempts  prometheus.Counter
	extra, known, spillFail    prometheus.Counter
	routes                     map[string]prometheus.Counter // by Record.Route
	ttft, tpot                 prometheus.Observer
	queue, added, duration     prometheus.Observer
}

// Record counts one ended request. It takes well under a microsecond and does
// not allocate once a combination of labels has been seen.
func (m *Metrics) Record(rec weir.Record) {
	m.mu.RLock()
	s := m.series[who{rec.Tenant, rec.Model, rec.Deployment}]
	if s == nil {
		s = m.series[m.known.who(rec)]
	}
	if s == nil {
		m.mu.RUnlock()
		m.recordNew(rec)
		return
	}
	c := s.result(rec)
	if c == nil {
		m.mu.RUnlock()
		m.recordNew(rec)
		return
	}
	r := s.routes[rec.Route]
	if r == nil && rec.Route != "" {
		m.mu.RUnlock()
		m.recordNew(rec)
		return
	}
	c.Inc()
	if r != nil {
		r.Inc()
	}
	s.record(rec)
	m.mu.RUnlock()
}

// recordNew counts a record whose labels were not all seen before.
func (m *Metrics) recordNew(rec weir.Record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.known.who(rec)
	s := m.series[w]
	if s == nil {
		s = m.newSeries(w)
		m.series[w] = s
	}
	c := s.result(rec)
	if c == nil {
		code := admit(m.codes, maxCodes, rec.Code)
		c = m.requests.WithLabelValues(w.tenant, w.model, w.deployment, rec.Outcome.String(), rec.Fault.String(), code)
		if code != other {
			s.results[result{rec.Outcome, rec.Fault, rec.Code}] = c
		}
	}
	if rec.Route != "" {
		word := admit(m.words, maxRoutes, rec.Route)
		r := m.routes.WithLabelValues(w.model, w.deployment, word)
		if word != other {
			s.routes[rec.Route] = r
		}
		r.Inc()
	}
	c.Inc()
	s.record(rec)
}

func (m *Metrics) newSeries(w who) *series {
	tokens := func(kind string) prometheus.Counter {
		return m.tokens.WithLabelValues(w.tenant, w.model, w.deployment, kind)
	}
	return &series{
		completed: m.requests.WithLabelValues(w.tenant, w.model, w.deployment, weir.Completed.String(), weir.NoFault.String(), none),
		results:   map[result]prometheus.Counter{},
		extra:     m.extra.WithLabelValues(w.model, w.deployment),
		spillFail: m.spillFail.WithLabelValues(w.model, w.deployment),
		known:     m.prefix.WithLabelValues(w.model, w.deployment),
		routes:    map[string]prometheus.Counter{},
		prompt:    tokens("prompt"), cached: tokens("cached"), completion: tokens("completion"),
		cost:      m.cost.WithLabelValues(w.tenant, w.model, w.deployment),
		estimated: m.estimated.WithLabelValues(w.tenant, w.model, w.deployment),
		attempts:  m.attempts.WithLabelValues(w.model, w.deployment),
		ttft:      m.ttft.WithLabelValues(w.model, w.deployment),
		tpot:      m.tpot.WithLabelValues(w.model, w.deployment),
		queue:     m.queue.WithLabelValues(w.model, w.deployment),
		added:     m.added.WithLabelValues(w.model, w.deployment),
		duration:  m.duration.WithLabelValues(w.model, w.deployment),
	}
}

// result returns the counter of how the request ended, nil if not seen before.
func (s *series) result(rec weir.Record) prometheus.Counter {
	if rec.Outcome == weir.Completed && rec.Fault == weir.NoFault && rec.Code == "" {
		return s.completed
	}
	return s.results[result{rec.Outcome, rec.Fault, rec.Code}]
}

// record counts everything but how the request ended. Times are observed where
// they exist: a request without a first token has no TTFT.
func (s *series) record(rec weir.Record) {
	cached := min(rec.Usage.Cached, rec.Usage.Prompt)
	count(s.prompt, rec.Usage.Prompt-cached)
	count(s.cached, cached)
	count(s.completion, rec.Usage.Completion)
	count(s.known, rec.Known)
	count(s.spillFail, int64(rec.SpillFailures))
	count(s.attempts, int64(rec.Attempts))
	if rec.Cost > 0 {
		s.cost.Add(dollars(rec.Cost))
	}
	if rec.Extra > 0 {
		s.extra.Add(dollars(rec.Extra))
	}
	if rec.Usage.Estimated {
		s.estimated.Inc()
	}
	if rec.TTFT > 0 {
		s.ttft.Observe(seconds(rec.TTFT))
	}
	if rec.TPOT > 0 {
		s.tpot.Observe(seconds(rec.TPOT))
	}
	s.queue.Observe(seconds(rec.Queued))
	s.added.Observe(seconds(rec.Own))
	s.duration.Observe(seconds(rec.Ended.Sub(rec.Arrived)))
}

// count adds what can be added; counters refuse negative numbers with a panic.
func count(c prometheus.Counter, n int64) {
	if n > 0 {
		c.Add(float64(n))
	}
}
