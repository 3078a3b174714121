package observe

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"weir"
)

// who holds the bounded labels that most series share.
type who struct{ tenant, model, deployment string }

// result is the bounded labels of a request's outcome.
type result struct {
	outcome weir.Outcome
	fault   weir.Fault
	code    string
}

// series are the metrics of one set of labels. They are looked up once:
// counting a record is then a handful of additions.
type series struct {
	completed                              prometheus.Counter // outcome completed, no fault, no code: nearly every request
	results                                map[result]prometheus.Counter
	prompt, cached, completion             prometheus.Counter
	estimated, attempts                    prometheus.Counter
	cost, extra, known, spillFail, written lazy
	routes                                 map[string]prometheus.Counter // by Record.Reason
	ttft, tpot                             lazyTimes
	queue, added, duration                 prometheus.Observer
}

// lazy is a series that exists from its first count on. One that can never
// count (Azure's spillover of a deployment outside Azure) is not shown.
type lazy struct {
	of   *prometheus.CounterVec
	at   []string
	once sync.Once
	c    prometheus.Counter
}

func (l *lazy) add(v float64) {
	if v > 0 { // counters refuse negative numbers with a panic
		l.once.Do(func() { l.c = l.of.WithLabelValues(l.at...) })
		l.c.Add(v)
	}
}

// lazyTimes is the same for times.
type lazyTimes struct {
	of   *prometheus.HistogramVec
	at   []string
	once sync.Once
	c    prometheus.Observer
}

func (l *lazyTimes) observe(d time.Duration) {
	if d > 0 {
		l.once.Do(func() { l.c = l.of.WithLabelValues(l.at...) })
		l.c.Observe(seconds(d))
	}
}

// Record counts one ended request. It takes well under a microsecond and does
// not allocate once a combination of labels has been seen.
func (m *Metrics) Record(rec weir.Record) {
	m.mu.RLock()
	if rec.Cache != "" {
		m.cached(m.known.who(rec), &rec)
	}
	if rec.Cheaper != "" {
		m.tried(rec)
	}
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
	r := s.routes[rec.Reason]
	if r == nil && rec.Reason != "" {
		m.mu.RUnlock()
		m.recordNew(rec)
		return
	}
	c.Inc()
	if r != nil {
		r.Inc()
	}
	s.record(&rec)
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
	if rec.Reason != "" {
		word := admit(m.words, maxReasons, rec.Reason)
		r := m.routes.WithLabelValues(w.model, w.deployment, word)
		if word != other {
			s.routes[rec.Reason] = r
		}
		r.Inc()
	}
	c.Inc()
	s.record(&rec)
}

func (m *Metrics) newSeries(w who) *series {
	tokens := func(kind string) prometheus.Counter {
		return m.tokens.WithLabelValues(w.tenant, w.model, w.deployment, kind)
	}
	at := []string{w.model, w.deployment}
	s := &series{
		results: map[result]prometheus.Counter{}, routes: map[string]prometheus.Counter{},
		cost:      lazy{of: m.cost, at: []string{w.tenant, w.model, w.deployment}},
		written:   lazy{of: m.tokens, at: []string{w.tenant, w.model, w.deployment, "cache_write"}},
		extra:     lazy{of: m.extra, at: at},
		spillFail: lazy{of: m.spillFail, at: at},
		known:     lazy{of: m.prefix, at: at},
		ttft:      lazyTimes{of: m.ttft, at: at},
		tpot:      lazyTimes{of: m.tpot, at: at},
		queue:     m.queue.WithLabelValues(at...),
		added:     m.added.WithLabelValues(at...),
		duration:  m.duration.WithLabelValues(at...),
	}
	if w.deployment == none { // refused: nothing was completed, used or tried
		return s
	}
	s.completed = m.requests.WithLabelValues(w.tenant, w.model, w.deployment, weir.Completed.String(), weir.NoFault.String(), none)
	s.prompt, s.cached, s.completion = tokens("prompt"), tokens("cached"), tokens("completion")
	s.estimated = m.estimated.WithLabelValues(w.tenant, w.model, w.deployment)
	s.attempts = m.attempts.WithLabelValues(at...)
	return s
}

// result returns the counter of how the request ended, nil if not seen before.
func (s *series) result(rec weir.Record) prometheus.Counter {
	if rec.Outcome == weir.Completed && rec.Fault == weir.NoFault && rec.Code == "" && s.completed != nil {
		return s.completed
	}
	return s.results[result{rec.Outcome, rec.Fault, rec.Code}]
}

// record counts everything but the outcome. Times are observed where they
// exist: a request without a first token has no TTFT.
func (s *series) record(rec *weir.Record) {
	if s.prompt != nil {
		s.used(rec)
	}
	s.known.add(float64(rec.Known))
	s.spillFail.add(float64(rec.SpillFailures))
	s.cost.add(dollars(rec.Cost))
	s.extra.add(dollars(rec.Extra))
	s.ttft.observe(rec.TTFT)
	s.tpot.observe(rec.TPOT)
	s.queue.Observe(seconds(rec.Queued))
	s.added.Observe(seconds(rec.Own))
	s.duration.Observe(seconds(rec.Ended.Sub(rec.Arrived)))
}

// used counts an upstream's tokens and cost.
func (s *series) used(rec *weir.Record) {
	cached := min(rec.Usage.Cached, rec.Usage.Prompt)
	written := min(max(rec.Usage.Written+rec.Usage.WrittenHour, 0), rec.Usage.Prompt-cached)
	count(s.prompt, rec.Usage.Prompt-cached-written)
	count(s.cached, cached)
	s.written.add(float64(written))
	count(s.completion, rec.Usage.Completion)
	count(s.attempts, int64(rec.Attempts))
	if rec.Usage.Estimated {
		s.estimated.Inc()
	}
}

// count adds positive numbers only; counters panic on negative ones.
func count(c prometheus.Counter, n int64) {
	if n > 0 {
		c.Add(float64(n))
	}
}
