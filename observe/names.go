package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"weir"
)

// Known are the names that appear as labels; all others are "other".
type Known struct {
	Tenants, Models, Deployments []string
	Elastic                      []string // of Deployments, those whose replicas Weir starts
}

// names is Known as sets.
type names struct{ tenants, models, deployments, elastic map[string]bool }

// Configure replaces the known names. The series of removed names are deleted;
// those of the others go on counting.
func (m *Metrics) Configure(k Known) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was := m.known
	m.known = names{set(k.Tenants), set(k.Models), set(k.Deployments), set(k.Elastic)}
	gone := map[string][]string{
		"tenant":     missing(was.tenants, m.known.tenants),
		"model":      missing(was.models, m.known.models),
		"deployment": missing(was.deployments, m.known.deployments),
	}
	for w := range m.series {
		if m.known.lacks(w) {
			delete(m.series, w)
		}
	}
	for label, values := range gone {
		for _, v := range values {
			m.forget(prometheus.Labels{label: v})
		}
	}
}

func (m *Metrics) forget(l prometheus.Labels) {
	for _, v := range []*prometheus.CounterVec{m.requests, m.tokens, m.cost, m.estimated, m.attempts, m.routes, m.extra, m.spillFail, m.prefix, m.decisions, m.short, m.cheaper} {
		v.DeletePartialMatch(l)
	}
	for _, v := range []*prometheus.HistogramVec{m.ttft, m.tpot, m.queue, m.added, m.duration} {
		v.DeletePartialMatch(l)
	}
	m.want.DeletePartialMatch(l)
	m.copies.forget(l)
}

// who returns the bounded labels of a record.
func (n names) who(rec weir.Record) who {
	return who{bounded(n.tenants, rec.Tenant), bounded(n.models, rec.Model), bounded(n.deployments, rec.Deployment)}
}

// lacks reports whether a series carries a name that is no longer known.
func (n names) lacks(w who) bool {
	return bounded(n.tenants, w.tenant) != w.tenant && w.tenant != none ||
		bounded(n.models, w.model) != w.model && w.model != none ||
		bounded(n.deployments, w.deployment) != w.deployment && w.deployment != none
}

func bounded(known map[string]bool, name string) string {
	switch {
	case known[name]:
		return name
	case name == "":
		return none
	}
	return other
}

func set(values []string) map[string]bool {
	s := make(map[string]bool, len(values))
	for _, v := range values {
		if v != "" {
			s[v] = true
		}
	}
	return s
}

// missing returns the names in a and not in b, except the two that stand for
// all unknown and absent names.
func missing(a, b map[string]bool) []string {
	var gone []string
	for v := range a {
		if !b[v] && v != other && v != none {
			gone = append(gone, v)
		}
	}
	return gone
}
