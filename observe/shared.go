package observe

import "github.com/prometheus/client_golang/prometheus"

// Shared is the state of limits that several gateways share.
type Shared struct {
	Connected bool   // the last visit to Redis was answered
	Gateways  int    // that share the limits, as last heard
	Visits    uint64 // answered; only grows
	Failures  uint64 // not answered; only grows
	Healed    uint64 // times that Weir's keys held a value not written by Weir; only grows
	Leases    []Lease
}

// Lease is this gateway's lease of one limit.
type Lease struct {
	Scope string // scope of the limit: "tenant=demo,model=gpt-4o"
	Limit string // its kind: "tokens_per_minute"
	Units int64  // it can use, or uses, without asking the others
}

// maxLeases bounds the series of leases; those of the file come first.
const maxLeases = 5000

type sharedDescs struct{ connected, gateways, visits, failures, healed, lease *prometheus.Desc }

func newSharedDescs() sharedDescs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return sharedDescs{
		connected: desc("weir_shared_connected", "1 if the Redis for shared limits answered last time, else 0."),
		gateways:  desc("weir_shared_gateways", "Gateways that share limits, including this one, as last reported."),
		visits:    desc("weir_shared_visits_total", "Visits to Redis that were answered."),
		failures:  desc("weir_shared_failures_total", "Visits to Redis that were not answered."),
		healed:    desc("weir_shared_healed_total", "Times that foreign data under Weir's keys in Redis was deleted."),
		lease:     desc("weir_shared_lease_units", "Units of a shared limit leased to this gateway. The sum over all gateways bounds how far the limit may be exceeded.", "scope", "limit"),
	}
}

func (d *sharedDescs) describe(ch chan<- *prometheus.Desc) {
	for _, v := range []*prometheus.Desc{d.connected, d.gateways, d.visits, d.failures, d.healed, d.lease} {
		ch <- v
	}
}

func (d *sharedDescs) collect(ch chan<- prometheus.Metric, s Shared) {
	connected := 0.0
	if s.Connected {
		connected = 1
	}
	ch <- gauge(d.connected, connected)
	ch <- gauge(d.gateways, float64(s.Gateways))
	ch <- prometheus.MustNewConstMetric(d.visits, prometheus.CounterValue, float64(s.Visits))
	ch <- prometheus.MustNewConstMetric(d.failures, prometheus.CounterValue, float64(s.Failures))
	ch <- prometheus.MustNewConstMetric(d.healed, prometheus.CounterValue, float64(s.Healed))
	for _, l := range s.Leases[:min(len(s.Leases), maxLeases)] {
		ch <- gauge(d.lease, float64(l.Units), l.Scope, l.Limit)
	}
}
