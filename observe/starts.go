package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ColdStart is what a place has learned of how a deployment's replicas start.
type ColdStart struct {
	Deployment                string
	Scheduled, Pulled, Loaded time.Duration
}

func (l *levels) collectStarts(ch chan<- prometheus.Metric, known names, all []ColdStart) {
	for _, s := range all {
		if !known.deployments[s.Deployment] {
			continue
		}
		ch <- gauge(l.start, s.Scheduled.Seconds(), s.Deployment, "scheduled")
		ch <- gauge(l.start, s.Pulled.Seconds(), s.Deployment, "pulled")
		ch <- gauge(l.start, s.Loaded.Seconds(), s.Deployment, "loaded")
	}
}

func (l *levels) collectHeld(ch chan<- prometheus.Metric, known names, all map[string]bool) {
	for deployment, held := range all {
		if !known.deployments[deployment] {
			continue
		}
		is := 0.0
		if held {
			is = 1
		}
		ch <- gauge(l.held, is, deployment)
	}
}
