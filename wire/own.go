package wire

import (
	"time"

	"weir/config"
)

// own is what deployments have in common whose replicas Weir scales, wherever
// they run.
type own struct {
	Protocol, Model string
	APIKey          config.Secret
	Metrics         string
	GPUs            int
	RunsOn          *config.RunsOn
	Drain           time.Duration
	Command         []string // that starts one on this machine; nil: none
}

// ownOf is that of a deployment; false: its servers are external.
func ownOf(d *config.Deployment) (own, bool) {
	switch {
	case d.Process != nil:
		p := d.Process
		return own{p.Protocol, p.Model, p.APIKey, p.Metrics, p.GPUs, p.RunsOn, p.DrainTimeout, p.Command}, true
	case d.Kubernetes != nil:
		k := d.Kubernetes
		return own{k.Protocol, k.Model, k.APIKey, k.Metrics, k.GPUs, k.RunsOn, k.DrainTimeout, nil}, true
	case d.AzureML != nil:
		a := d.AzureML
		return own{Protocol: a.Protocol, Model: a.Model, GPUs: a.GPUs, RunsOn: a.RunsOn, Drain: a.DrainTimeout}, true
	case d.ACI != nil:
		a := d.ACI
		return own{Protocol: a.Protocol, Model: a.Model, APIKey: a.APIKey, Metrics: a.Metrics, Drain: a.DrainTimeout}, true
	}
	return own{}, false
}
