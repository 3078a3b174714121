package wire

import (
	"maps"
	"slices"
	"sync"

	"weir"
	"weir/config"
	"weir/fleet"
	"weir/fleet/aci"
	"weir/node"
	"weir/price"
)

// ACI names the place of replicas that are container groups of Azure Container
// Instances.
const ACI = "aci"

// groups is the place of replicas that are container groups. Every gateway has it
// open and sees them; the leader scales.
type groups struct {
	mu   sync.Mutex
	open *aci.Fleet // nil before it is opened
}

func (k *groups) place(c *config.Config) node.Place {
	return node.Place{Name: ACI, Open: func(h node.Host) (fleet.Place, error) {
		o, err := GroupOptions(c)
		if err != nil {
			return nil, err
		}
		o.Busy, o.Leads, o.Log = h.Busy, h.Leads, h.Log
		f, err := aci.New(o)
		if err != nil {
			return nil, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.open = f
		return f, nil
	}}
}

func (k *groups) change(c *config.Config) fleet.Change {
	want, err := GroupOptions(c)
	return fleet.Change{
		Check: func() error {
			if err != nil {
				return err
			}
			return aci.Valid(want)
		},
		Apply: func() error {
			k.mu.Lock()
			defer k.mu.Unlock()
			return k.open.Configure(want.Deployments)
		},
	}
}

// GroupOptions are the container groups of a configuration and the access to their
// subscription, for a Weir on its own.
func GroupOptions(c *config.Config) (o aci.Options, err error) {
	for _, d := range placed(c, ACI) {
		o.Deployments = append(o.Deployments, groupDeployment(d))
	}
	if len(o.Deployments) > 0 {
		o.Account, err = AzureAccount(c)
	}
	return o, err
}

func groupDeployment(d *config.Deployment) aci.Deployment {
	a := d.ACI
	g := aci.Deployment{
		Name: d.Name, ResourceGroup: a.ResourceGroup, Owner: a.Owner,
		Template: aci.Template{
			Location: a.Location, Image: a.Image, CPU: float64(a.CPU), MemoryGB: float64(a.Memory) / 1e9, Command: a.Command,
			Port: a.Port, HealthPath: a.Health, Subnet: a.Subnet, Identity: a.Identity,
		},
		MaxReplicas: Scaling(d).Most(), StartTimeout: a.StartTimeout, DrainDeadline: a.DrainTimeout,
	}
	for _, name := range slices.Sorted(maps.Keys(a.Environment)) {
		g.Environment = append(g.Environment, aci.Variable{Name: name, Value: a.Environment[name]})
	}
	for _, s := range a.SecretEnvironment {
		g.Secrets = append(g.Secrets, aci.Variable{Name: s.Name, Value: s.Value.Reveal()})
	}
	if r := a.Registry; r != nil {
		g.Registry = aci.Registry{Server: r.Server, Username: r.Username, Password: r.Password.Reveal(), ByIdentity: r.Username == ""}
	}
	return g
}

// groupPrice is the hourly price of a container group while it runs: its cores and
// its memory; 0 where the catalogue does not know both.
func groupPrice(d *config.Deployment, prices *price.Catalogue) weir.Money {
	a := d.ACI
	if a == nil {
		return 0
	}
	entry, err := prices.ContainerInstance("aci", a.Location)
	if err != nil {
		return 0
	}
	core, noCore := entry.VCPUHour.Get()
	gb, noGB := entry.GBHour.Get()
	if noCore != nil || noGB != nil {
		return 0
	}
	return core*weir.Money(a.CPU) + (gb*weir.Money(a.Memory)+1e9-1)/1e9
}
