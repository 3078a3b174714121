package observe

import "weir"

func (m *Metrics) makeCheaper() {
	m.cheaper = m.counter("weir_cheaper_requests_total",
		"Ended requests that were tried on a smaller model, by the model asked for and by result: moved (the smaller model served), accepted (its answer was good enough), or why the model asked for served after all: cut, refused, schema, unsure, failed, late.",
		"tenant", "model", "result")
}

// tried counts how a request met a smaller model. The first request of a cascade is part
// of the caller's own.
func (m *Metrics) tried(rec weir.Record) {
	if rec.Cheaper == "first" {
		return
	}
	if rec.Asked != "" {
		rec.Model = rec.Asked
	}
	w := m.known.who(rec)
	m.cheaper.WithLabelValues(w.tenant, w.model, rec.Cheaper).Inc()
}
