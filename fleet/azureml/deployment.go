package azureml

import (
	"errors"
	"fmt"
	"time"
)

// at is an endpoint, where one operation at a time may run.
type at struct{ ResourceGroup, Workspace, Endpoint string }

// Deployment is one deployment of a managed online endpoint.
type Deployment struct {
	Name                               string // Weir's own name for it
	ResourceGroup, Workspace, Endpoint string
	Deployment                         string // its name at the endpoint

	// AllowDelete: at zero the deployment is deleted, and made again from Definition.
	// Without it there is always one instance.
	AllowDelete bool
	Definition  string // file with the deployment as Azure Resource Manager shows it

	MaxRequests   int           // in flight at one instance, as Weir will send them; 0: not known
	MaxReplicas   int           // instances; 0: as many as Azure allows
	StartTimeout  time.Duration // after it a start counts as failed, although Azure goes on; 0: 1 h
	DrainDeadline time.Duration // for requests in flight where instances go; 0: 2 min

	at at
}

// mostInstances of a deployment (Microsoft, "Manage and increase quotas for
// resources with Azure Machine Learning", 2026-01-27).
const mostInstances = 50

// filled are the deployments with their defaults. The error names all faults.
func filled(all []Deployment) ([]Deployment, error) {
	var faults []error
	names, targets := map[string]bool{}, map[at]map[string]bool{}
	out := make([]Deployment, 0, len(all))
	for _, d := range all {
		d.at = at{d.ResourceGroup, d.Workspace, d.Endpoint}
		switch {
		case d.Name == "" || d.ResourceGroup == "" || d.Workspace == "" || d.Endpoint == "" || d.Deployment == "":
			faults = append(faults, d.fault("Name, ResourceGroup, Workspace, Endpoint or Deployment is missing"))
		case names[d.Name]:
			faults = append(faults, d.fault("is there twice"))
		case targets[d.at][d.Deployment]:
			faults = append(faults, d.fault("%s is another deployment's too", d.target()))
		case d.AllowDelete && d.Definition == "":
			faults = append(faults, d.fault("may be deleted, and Definition does not say how it is made again"))
		}
		names[d.Name] = true
		if targets[d.at] == nil {
			targets[d.at] = map[string]bool{}
		}
		targets[d.at][d.Deployment] = true
		if d.StartTimeout == 0 {
			d.StartTimeout = time.Hour
		}
		if d.DrainDeadline == 0 {
			d.DrainDeadline = 2 * time.Minute
		}
		out = append(out, d)
	}
	return out, errors.Join(faults...)
}

// most is how many instances there may be.
func (d *Deployment) most() int {
	if d.MaxReplicas == 0 {
		return mostInstances
	}
	return min(d.MaxReplicas, mostInstances)
}

// target names the deployment for people.
func (d *Deployment) target() string {
	return fmt.Sprintf("%s/%s/%s", d.Workspace, d.Endpoint, d.Deployment)
}

func (d *Deployment) fault(format string, a ...any) error {
	return fmt.Errorf("azure_ml deployment %q: "+format, append([]any{d.Name}, a...)...)
}
