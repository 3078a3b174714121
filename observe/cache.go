package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"weir"
)

// Cache is the state of stored answers.
type Cache struct {
	Entries int
	Bytes   int64
	Evicted uint64 // only grows
	Redis   *CacheRedis
}

// CacheRedis is the store that gateways share; the numbers only grow.
type CacheRedis struct {
	Up                          bool
	Hits, Misses, Late, Foreign uint64 // lookups; Late and Foreign are misses too
	Stored, Dropped, Failed     uint64 // writes
}

// caches are the metrics of requests to models that store answers.
type caches struct {
	requests, bypasses, tokens, dollars *prometheus.CounterVec
}

func (m *Metrics) makeCaches() {
	m.caches = caches{
		requests: m.counter("weir_cache_requests_total",
			"Ended requests to models that store answers, by result: hit, meaning (got the stored answer of other words), coalesced (got the answer of another caller's request), partial (some embeddings were stored), miss, bypass.", "tenant", "model", "result"),
		bypasses: m.counter("weir_cache_bypasses_total",
			"Requests of result bypass by the reason why their answers are not stored.", "model", "reason"),
		tokens: m.counter("weir_cache_saved_tokens_total",
			"Tokens of the answers that were told again, as counted when the model made them.", "tenant", "model"),
		dollars: m.counter("weir_cache_saved_dollars_total",
			"Cost of the answers that were told again, in US dollars: what the model cost when it made them.", "tenant", "model"),
	}
}

// cached counts how a request met stored answers. w has its bounded names.
func (m *Metrics) cached(w who, rec *weir.Record) {
	if rec.Cache == "" {
		return
	}
	m.caches.requests.WithLabelValues(w.tenant, w.model, rec.Cache).Inc()
	if rec.CacheReason != "" {
		m.caches.bypasses.WithLabelValues(w.model, rec.CacheReason).Inc()
	}
	if rec.SavedTokens > 0 && rec.Outcome == weir.Completed {
		m.caches.tokens.WithLabelValues(w.tenant, w.model).Add(float64(rec.SavedTokens))
		m.caches.dollars.WithLabelValues(w.tenant, w.model).Add(max(dollars(rec.Saved), 0))
	}
}

type cacheDescs struct{ entries, bytes, evicted, up, lookups, writes *prometheus.Desc }

func newCacheDescs() cacheDescs {
	return cacheDescs{
		entries: prometheus.NewDesc("weir_cache_entries", "Stored answers in this gateway's memory, about.", nil, nil),
		bytes:   prometheus.NewDesc("weir_cache_bytes", "Memory they take.", nil, nil),
		evicted: prometheus.NewDesc("weir_cache_evictions_total", "Stored answers that were dropped because memory was full or they were too old.", nil, nil),
		up:      prometheus.NewDesc("weir_cache_redis_up", "1 while the Redis with the gateways' stored answers answers in time.", nil, nil),
		lookups: prometheus.NewDesc("weir_cache_redis_lookups_total", "Lookups in Redis by result: hit, miss, late (no reply within 20 ms), foreign (a value that is no entry of its key).", []string{"result"}, nil),
		writes:  prometheus.NewDesc("weir_cache_redis_writes_total", "Answers for Redis by result: stored, dropped (too many wait, or Redis is away), failed (Redis has not taken it).", []string{"result"}, nil),
	}
}

func (d *cacheDescs) describe(ch chan<- *prometheus.Desc) {
	for _, v := range []*prometheus.Desc{d.entries, d.bytes, d.evicted, d.up, d.lookups, d.writes} {
		ch <- v
	}
}

func (d *cacheDescs) collect(ch chan<- prometheus.Metric, c Cache) {
	ch <- gauge(d.entries, float64(c.Entries))
	ch <- gauge(d.bytes, float64(c.Bytes))
	ch <- prometheus.MustNewConstMetric(d.evicted, prometheus.CounterValue, float64(c.Evicted))
	r := c.Redis
	if r == nil {
		return
	}
	up := 0.0
	if r.Up {
		up = 1
	}
	ch <- gauge(d.up, up)
	add := func(of *prometheus.Desc, result string, n uint64) {
		ch <- prometheus.MustNewConstMetric(of, prometheus.CounterValue, float64(n), result)
	}
	add(d.lookups, "hit", r.Hits)
	add(d.lookups, "miss", r.Misses-min(r.Misses, r.Late))
	add(d.lookups, "late", r.Late)
	add(d.lookups, "foreign", r.Foreign)
	add(d.writes, "stored", r.Stored)
	add(d.writes, "dropped", r.Dropped)
	add(d.writes, "failed", r.Failed)
}
