package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reloads are the metrics of the configuration and its last reload.
type reloads struct {
	good, at prometheus.Gauge
	info     *prometheus.GaugeVec
}

func (m *Metrics) makeReloads() {
	m.reloads = reloads{
		good: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_config_last_reload_successful",
			Help: "1 if the last configuration read is in force, 0 if it was refused and the previous one still is."}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{Name: "weir_config_last_reload_success_timestamp_seconds",
			Help: "When the configuration in force was loaded, in seconds since 1970."}),
		info: prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "weir_config_info",
			Help: "Always 1; the label is the start of the SHA-256 of the configuration in force, for comparing gateways."}, []string{"hash"}),
	}
	m.registry.MustRegister(m.reloads.good, m.reloads.at, m.reloads.info)
}

// Reloaded reports a configuration that is now in force.
func (m *Metrics) Reloaded(hash string, now time.Time) {
	m.reloads.good.Set(1)
	m.reloads.at.Set(float64(now.UnixMilli()) / 1000)
	m.reloads.info.Reset()
	m.reloads.info.WithLabelValues(hash).Set(1)
}

// ReloadRefused reports a configuration that was read and refused.
func (m *Metrics) ReloadRefused() { m.reloads.good.Set(0) }
