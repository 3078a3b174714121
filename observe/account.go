package observe

import "github.com/prometheus/client_golang/prometheus"

// Account is the subscription of a cloud provider: its quotas, and the capacity of
// deployments that Weir reads or changes there.
type Account struct {
	Quotas   []AccountQuota
	Capacity []AccountCapacity
}

// AccountQuota is one quota. Limit is negative where there is none.
type AccountQuota struct {
	Service, Location, Workspace, Name string
	Used, Limit                        int64
}

// AccountCapacity is the size of one deployment, in the provider's units.
type AccountCapacity struct {
	Deployment              string
	Units, Wanted, Proposed int64 // Proposed waits for a person; 0: none does
}

// MaxQuotas bounds the quotas that are metrics; those beyond it are in /admin/quota.
const MaxQuotas = 500

type accountDescs struct{ used, limit, units, wanted, proposed *prometheus.Desc }

func newAccountDescs() accountDescs {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	of := []string{"service", "location", "workspace", "name"}
	return accountDescs{
		used:     desc("weir_azure_quota_used", "What the subscription uses of a quota, in the quota's own unit. Only those in use or with a limit.", of...),
		limit:    desc("weir_azure_quota_limit", "The limit of a quota of the subscription, in the quota's own unit.", of...),
		units:    desc("weir_azure_capacity_units", "Size of an Azure OpenAI deployment as Azure has it: PTUs, or thousands of tokens a minute.", "deployment"),
		wanted:   desc("weir_azure_capacity_wanted_units", "Size wanted now, within its bounds.", "deployment"),
		proposed: desc("weir_azure_capacity_proposed_units", "Size that waits for a person's approval; absent: none does.", "deployment"),
	}
}

func (d *accountDescs) collect(ch chan<- prometheus.Metric, known names, a Account) {
	n := 0
	for _, q := range a.Quotas {
		if q.Used == 0 && q.Limit <= 0 {
			continue
		}
		if n++; n > MaxQuotas {
			break
		}
		of := []string{q.Service, q.Location, q.Workspace, q.Name}
		ch <- gauge(d.used, float64(q.Used), of...)
		if q.Limit >= 0 {
			ch <- gauge(d.limit, float64(q.Limit), of...)
		}
	}
	for _, c := range a.Capacity {
		if !known.deployments[c.Deployment] {
			continue
		}
		ch <- gauge(d.units, float64(c.Units), c.Deployment)
		ch <- gauge(d.wanted, float64(c.Wanted), c.Deployment)
		if c.Proposed > 0 {
			ch <- gauge(d.proposed, float64(c.Proposed), c.Deployment)
		}
	}
}
