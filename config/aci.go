package config

import (
	"fmt"
	"reflect"
	"time"
)

// ACI are container groups of Azure Container Instances, which Weir makes and deletes:
// one server on CPUs in each.
type ACI struct {
	// Resource group of the container groups. Without it: azure.resource_group of the file.
	ResourceGroup string `yaml:"resource_group" format:"name" example:"workers-swedencentral"`
	// Region.
	Location string `yaml:"location" need:"true" format:"name" example:"swedencentral"`
	// Tells this Weir's groups from those of another Weir that serves a deployment of the same name in the same resource group.
	Owner string `yaml:"owner" default:"weir" format:"name"`
	// Image of the server.
	Image string `yaml:"image" need:"true" format:"image" example:"contoso.azurecr.io/embedder:1.4"`
	// Where the image comes from, if not everyone may have it.
	Registry *Registry `yaml:"registry"`
	// ID of a user-assigned identity for the groups.
	Identity string `yaml:"identity" format:"armid" example:"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/models/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller"`
	// Program and arguments. Without it: the image's own.
	Command []string `yaml:"command"`
	// Environment variables.
	Environment map[string]string `yaml:"environment"`
	// Environment variables that Azure never shows again.
	SecretEnvironment []SecretVariable `yaml:"secret_environment"`
	// CPU cores of one group.
	CPU int `yaml:"cpu" default:"1" min:"1" max:"31"`
	// Memory of one group. Azure counts tenths of a GB.
	Memory Size `yaml:"memory" default:"2GB" min:"100MB" max:"240GB"`
	// Port of the server.
	Port int `yaml:"port" default:"8000" min:"1" max:"65535"`
	// private: an address in subnet. public: one on the internet, where anyone can reach it and requests are not encrypted.
	Address string `yaml:"address" default:"private" enum:"private|public"`
	// ID of the subnet, which is delegated to Microsoft.ContainerInstance/containerGroups and which Weir can reach.
	Subnet string `yaml:"subnet" format:"armid" example:"/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/hub/subnets/workers"`
	// API of the server.
	Protocol string `yaml:"protocol" default:"openai" enum:"openai|anthropic"`
	// The server's name for the model. Without it: the model's own name.
	Model string `yaml:"model" format:"name" example:"BAAI/bge-m3"`
	// API key of the server. The server itself gets it by secret_environment.
	APIKey Secret `yaml:"api_key"`
	// Path that returns 200 when the server is ready.
	Health string `yaml:"health" default:"/health" format:"urlpath"`
	// Path of the engine's own metrics (vLLM style), read for queue, KV use and GPU utilisation. "" for none.
	Metrics string `yaml:"metrics" default:"/metrics" format:"urlpath"`
	// How long a group may take to become ready before it is given up, deleted and replaced.
	StartTimeout time.Duration `yaml:"start_timeout" default:"10m" min:"1s" max:"2h"`
	// Time for requests in flight when a group is removed.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"2m" min:"1s" max:"24h"`
}

// Registry is where an image comes from and who pulls it: a user, or without one the
// identity of the group.
type Registry struct {
	// Host of the registry.
	Server string `yaml:"server" need:"true" format:"name" example:"contoso.azurecr.io"`
	// User. Without it the identity of the group pulls, which needs the right to (AcrPull).
	Username string `yaml:"username" format:"name" example:"puller"`
	// Its password.
	Password Secret `yaml:"password"`
}

// SecretVariable is an environment variable with a secret value.
type SecretVariable struct {
	// Name of the variable.
	Name string `yaml:"name" need:"true" format:"variable" example:"API_KEY"`
	// Its value.
	Value Secret `yaml:"value" need:"true"`
}

// What Azure does, if a deployment says nothing else.
const (
	groupColdStart = time.Minute // without a figure of Microsoft's: until Weir has seen some
	groupsMost     = 100         // of a subscription in a region, unless it was raised
)

// containerGroups checks one deployment and fills in what Azure fixes.
func (v *validator) containerGroups(m *Model, d *Deployment, path string) {
	a, at := d.ACI, path+".aci"
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
	switch {
	case a.Address == "private" && a.Subnet == "" && !v.faulty[at+".subnet"]:
		v.blame(at, "has no address that Weir can reach", "add subnet:, or address: public, where anyone can reach it and requests are not encrypted")
	case a.Address == "public" && a.Subnet != "":
		v.blame(at+".subnet", "has no effect with address: public", "remove one of the two")
	case a.Address == "public" && !a.APIKey.Set():
		v.warn(at+".address", "is public, and no key protects the server", "add api_key:, and give it to the server with secret_environment")
	}
	if a.Health == "" && !v.faulty[at+".health"] {
		v.blame(at+".health", "is empty, and nothing else says that a server is ready", "give a path, such as /health")
	}
	v.puller(a, at)
	v.groupEnvironment(a, at)
	v.groupScaling(d, path)
}

// puller checks who pulls the image.
func (v *validator) puller(a *ACI, at string) {
	r := a.Registry
	if r == nil || v.badUnder(at+".registry") {
		return
	}
	switch {
	case r.Username == "" && r.Password.Set():
		v.blame(at+".registry.password", "is nobody's", "add username:")
	case r.Username != "" && !r.Password.Set():
		v.blame(at+".registry.username", "has no password", "add password: env:NAME")
	case r.Username == "" && a.Identity == "":
		v.blame(at+".registry", "does not say who pulls the image", "add username: and password:, or the identity: of the groups")
	}
}

func (v *validator) groupEnvironment(a *ACI, at string) {
	for name := range a.Environment {
		if !plainEnv(name) {
			v.blame(join(at+".environment", name), fmt.Sprintf("%q is not a valid environment variable name", name), "letters, digits and _ are allowed")
		}
	}
	seen := taken{}
	for i, s := range a.SecretEnvironment {
		p := fmt.Sprintf("%s.secret_environment[%d].name", at, i)
		if _, both := a.Environment[s.Name]; both {
			v.blame(p, fmt.Sprintf("%q is in environment too", s.Name), "remove one of the two")
		}
		v.claim(seen, s.Name, p, "variable")
	}
}

// groupScaling fills in the cold start and refuses a price by machine size.
func (v *validator) groupScaling(d *Deployment, path string) {
	at := path + ".scaling"
	if d.Scaling == nil {
		d.Scaling = &Scaling{}
		setDefaults(reflect.ValueOf(d.Scaling).Elem())
	}
	s := d.Scaling
	if _, given := v.at[at+".cold_start"]; !given {
		s.ColdStart = groupColdStart
	}
	if s.Price != nil && s.Price.VM != "" {
		v.blame(at+".price.vm", "is no size of container groups, which Azure bills by core and GB", "give price.hour, or the prices of a core and a GB in a price file (container_instances)")
	}
	if s.Max > groupsMost {
		v.warn(at+".max", fmt.Sprintf("%d is more than the %d groups that a subscription has in a region", s.Max, groupsMost), "have the quota raised, or give less")
	}
}
