package config

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// AzureML is one deployment of a managed online endpoint. Its instances are behind
// one address; Weir names the deployment in each request, so the endpoint's own
// traffic split does not matter.
type AzureML struct {
	// Resource group of the workspace. Without it: azure.resource_group of the file.
	ResourceGroup string `yaml:"resource_group" format:"name" example:"models-swedencentral"`
	// The workspace.
	Workspace string `yaml:"workspace" need:"true" format:"name" example:"inference"`
	// The endpoint. Its address, and its key or token, are read from Azure.
	Endpoint string `yaml:"endpoint" need:"true" format:"name" example:"llama-70b"`
	// The deployment at it.
	Deployment string `yaml:"deployment" need:"true" format:"name" example:"blue"`
	// GPUs per instance: for runs_on, and for a price by VM size.
	GPUs int `yaml:"gpus" default:"0" min:"0" max:"1024"`
	// Hardware of one instance. With it `weir check` tells whether the model fits, and `weir simulate` how fast it is.
	RunsOn *RunsOn `yaml:"runs_on"`
	// API of the container.
	Protocol string `yaml:"protocol" default:"openai" enum:"openai|anthropic"`
	// The container's name for the model. Without it: the model's own name.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-70B-Instruct"`
	// Lets Weir delete the deployment at zero instances and make it again from definition. Azure has no zero: without it there is always one instance.
	AllowDelete bool `yaml:"allow_delete" default:"false"`
	// File with the deployment as Azure Resource Manager shows it, from which it is made again: az rest --method get --url .../deployments/blue?api-version=2024-04-01.
	Definition string `yaml:"definition" format:"path" example:"/etc/weir/blue.json"`
	// How long an instance may take to serve before its start counts as failed.
	StartTimeout time.Duration `yaml:"start_timeout" default:"1h" min:"1m" max:"6h"`
	// Time for requests in flight when instances are removed.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"2m" min:"1s" max:"1h"`
}

// What Azure does, if a deployment says nothing else.
const (
	mlRequests  = 1                 // at once at an instance (max_concurrent_requests_per_instance)
	mlTimeout   = 180 * time.Second // the longest request_timeout_ms
	mlColdStart = 15 * time.Minute  // users report 12 to 18 min
	mlInstances = 50
)

// azureML checks one deployment and fills in what Azure fixes.
func (v *validator) azureML(m *Model, d *Deployment, path string) {
	a, at := d.AzureML, path+".azure_ml"
	if a.Model == "" {
		a.Model = m.Name
	}
	if v.c.Azure == nil && !v.badUnder("azure") {
		v.blame(at, "is in no subscription", "add azure: {subscription: ...} at the top of the file")
	} else if a.ResourceGroup == "" && !v.faulty[at+".resource_group"] && !v.badUnder("azure") {
		if a.ResourceGroup = v.c.Azure.ResourceGroup; a.ResourceGroup == "" {
			v.blame(at, "names no resource group", "add resource_group: here, or once as azure.resource_group at the top of the file")
		}
	}
	if a.AllowDelete && a.Definition == "" && !v.faulty[at+".definition"] {
		v.blame(at+".allow_delete", "is true, and definition does not say how the deployment is made again", "give the file that az rest --method get shows of it")
	}
	if !a.AllowDelete && a.Definition != "" && !v.faulty[at+".allow_delete"] {
		v.blame(at+".definition", "has no effect without allow_delete: true", "remove it, or allow that the deployment is deleted at zero")
	}
	if d.Capacity.MaxRequests == 0 && !v.faulty[path+".capacity.max_requests"] {
		d.Capacity.MaxRequests = mlRequests
	}
	v.mlTimes(d, path)
	v.mlScaling(d, path)
}

// mlTimes: no answer is longer than Azure lets it be.
func (v *validator) mlTimes(d *Deployment, path string) {
	for _, t := range []struct {
		key string
		at  *time.Duration
	}{{"total", &d.Timeouts.Total}, {"header", &d.Timeouts.Header}} {
		if *t.at <= mlTimeout || v.faulty[path+".timeouts."+t.key] {
			continue
		}
		if _, given := v.at[path+".timeouts."+t.key]; given {
			v.warn(path+".timeouts."+t.key, fmt.Sprintf("%s is more than %s, after which Azure ends every request", short(*t.at), short(mlTimeout)), "send longer answers to another deployment, or bound them (max_tokens)")
		}
		*t.at = mlTimeout
	}
}

// mlScaling fills in the cold start and refuses a zero that Azure does not have.
func (v *validator) mlScaling(d *Deployment, path string) {
	at := path + ".scaling"
	if d.Scaling == nil {
		d.Scaling = &Scaling{}
		setDefaults(reflect.ValueOf(d.Scaling).Elem())
	}
	s := d.Scaling
	if _, given := v.at[at+".cold_start"]; !given {
		s.ColdStart = mlColdStart
	}
	if s.Min == 0 && !d.AzureML.AllowDelete && !v.faulty[at+".min"] {
		v.blame(at+".min", "is 0, and Azure has no zero", "give min: 1, or allow_delete: true with a definition: then the deployment is deleted and made again")
	}
	if s.Max > mlInstances && !v.faulty[at+".max"] {
		v.blame(at+".max", fmt.Sprintf("%d is more than the %d instances of a deployment", s.Max, mlInstances), "give at most %d, and another deployment for the rest", mlInstances)
	}
}

// instances checks that no deployment of Azure serves two of the file. Azure does
// not tell names apart by their case.
func (v *validator) instances() {
	targets := taken{}
	for i := range v.c.Models {
		for n := range v.c.Models[i].Deployments {
			a := v.c.Models[i].Deployments[n].AzureML
			path := fmt.Sprintf("models[%d].deployments[%d].azure_ml", i, n)
			if a == nil || a.ResourceGroup == "" || v.badUnder(path) {
				continue
			}
			v.claim(targets, strings.ToLower(a.ResourceGroup+"/"+a.Workspace+"/"+a.Endpoint+"/"+a.Deployment), path+".deployment", "deployment at Azure")
		}
	}
}
