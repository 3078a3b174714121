package wire

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"weir/config"
	"weir/fleet/azureopenai"
	"weir/price"
	"weir/quota"
	"weir/quota/live"
)

// azureHosts end the hosts of Azure OpenAI resources, in all clouds.
var azureHosts = []string{".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com", ".openai.azure.us", ".openai.azure.cn", ".cognitiveservices.azure.us", ".cognitiveservices.azure.cn"}

// OpenAIRef is the object of a deployment in the subscription of the file; false: the
// file does not say where it is.
func OpenAIRef(c *config.Config, d *config.Deployment) (azureopenai.Ref, bool) {
	a := d.AzureOpenAI
	if a == nil || c.Azure == nil {
		return azureopenai.Ref{}, false
	}
	r := azureopenai.Ref{Group: a.ResourceGroup, Resource: a.Resource, Deployment: a.Deployment}
	if r.Group == "" {
		r.Group = c.Azure.ResourceGroup
	}
	if u, err := url.Parse(a.Endpoint); r.Resource == "" && err == nil && slices.ContainsFunc(azureHosts, func(end string) bool { return strings.HasSuffix(u.Hostname(), end) }) {
		r.Resource, _, _ = strings.Cut(u.Hostname(), ".")
	}
	return r, r.Group != "" && r.Resource != ""
}

// Machines are the machines that the most replicas of a deployment need: their
// number, size and region; false: the file names none.
func Machines(d *config.Deployment, prices *price.Catalogue) (n int, size string, at quota.At, ok bool) {
	p := Scaling(d).Price
	if p == nil || p.VM == "" || p.Region == "" || d.Kubernetes == nil && d.AzureML == nil {
		return 0, "", at, false
	}
	if ml := d.AzureML; ml != nil { // an instance is a machine
		return Scaling(d).Most(), p.VM, quota.At{Location: p.Region, Managed: true, Workspace: ml.Workspace}, true
	}
	per := 1 // replicas on one machine
	if vm, err := prices.VM(p.VM); err == nil && vm.GPUs > 0 {
		if o, _ := ownOf(d); o.GPUs > 0 {
			per = max(1, vm.GPUs/o.GPUs)
		}
	}
	return (Scaling(d).Most() + per - 1) / per, p.VM, quota.At{Location: p.Region}, true
}

func groupOf(c *config.Config) string {
	if c.Azure == nil {
		return ""
	}
	return c.Azure.ResourceGroup
}

// Quotas are the quotas that the deployments of a configuration count against.
func Quotas(c *config.Config, prices *price.Catalogue) live.Want {
	w := live.Want{Services: []quota.Service{quota.Compute}}
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[k]
			if r, ok := OpenAIRef(c, d); ok {
				w.Accounts = append(w.Accounts, live.Resource{Group: r.Group, Name: r.Resource})
			}
			if d.ACI != nil {
				w.Containers = append(w.Containers, d.ACI.Location)
			}
			switch _, _, at, ok := Machines(d, prices); {
			case ok && at.Managed:
				w.Workspaces = append(w.Workspaces, live.Resource{Group: cmp.Or(d.AzureML.ResourceGroup, groupOf(c)), Name: at.Workspace})
			case ok:
				w.Locations = append(w.Locations, at.Location)
			}
		}
	}
	return w
}

// UnitsOf is the size of a deployment outside of its schedules: PTUs, or thousands of
// tokens a minute; 0: the file does not say.
func UnitsOf(a *config.AzureOpenAI) int {
	if a.PTU > 0 {
		return a.PTU
	}
	return a.TokensPerMinute / 1000
}

// MostUnits is UnitsOf, or that of a schedule if it is more.
func MostUnits(d *config.Deployment) int {
	most := UnitsOf(d.AzureOpenAI)
	for i := range d.AzureOpenAI.Schedules {
		most = max(most, d.AzureOpenAI.Schedules[i].Units)
	}
	return most
}
