package wire

import (
	"context"
	"errors"
	"sync"
	"time"

	"weir/azure"
	"weir/config"
	"weir/fleet"
	"weir/fleet/azureml"
	"weir/node"
	"weir/upstream"
)

// AzureML names the place of replicas that are instances of managed online
// endpoints.
const AzureML = "azure_ml"

// azureWait is how long a start or a reload waits for Azure's answers. One that
// does not answer by then is not refused: it may come back.
const azureWait = 20 * time.Second

// endpoints is the place of replicas that are instances of managed online
// endpoints. Every gateway has it open and sees them; the leader scales.
type endpoints struct {
	quota func(deployment string, have int) (int, string, bool)

	mu   sync.Mutex
	open *azureml.Fleet // nil before it is opened
	have []azureml.Deployment
}

func (k *endpoints) place(c *config.Config) node.Place {
	return node.Place{Name: AzureML, Open: func(h node.Host) (fleet.Place, error) {
		o, err := MLOptions(c)
		if err != nil {
			return nil, err
		}
		o.Busy, o.Leads, o.Log, o.Quota = h.Busy, h.Leads, h.Log, k.quota
		f, err := azureml.New(o)
		if err != nil {
			return nil, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.open, k.have = f, o.Deployments
		return f, nil
	}}
}

// change changes the deployments. Those that are new or different are looked up at
// Azure first.
func (k *endpoints) change(c *config.Config) fleet.Change {
	want, err := MLOptions(c)
	return fleet.Change{
		Check: func() error {
			if err != nil {
				return err
			}
			if err := azureml.Valid(want); err != nil {
				return err
			}
			fresh := want
			fresh.Deployments = k.fresh(want.Deployments)
			ctx, cancel := context.WithTimeout(context.Background(), azureWait)
			defer cancel()
			if err := azureml.Check(ctx, fresh); !errors.Is(err, azureml.ErrAway) {
				return err
			}
			return nil
		},
		Apply: func() error {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.have = want.Deployments
			return k.open.Configure(want.Deployments)
		},
	}
}

// fresh are the deployments that are not served as they are wanted.
func (k *endpoints) fresh(want []azureml.Deployment) (ds []azureml.Deployment) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, d := range want {
		known := false
		for _, h := range k.have {
			known = known || h == d
		}
		if !known {
			ds = append(ds, d)
		}
	}
	return ds
}

// MLOptions are the managed online deployments of a configuration and the access
// to their subscription, for a Weir on its own.
func MLOptions(c *config.Config) (o azureml.Options, err error) {
	for _, d := range placed(c, AzureML) {
		o.Deployments = append(o.Deployments, mlDeployment(d))
	}
	if len(o.Deployments) > 0 {
		o.Account, err = AzureAccount(c)
	}
	return o, err
}

func mlDeployment(d *config.Deployment) azureml.Deployment {
	a := d.AzureML
	return azureml.Deployment{
		Name: d.Name, ResourceGroup: a.ResourceGroup, Workspace: a.Workspace, Endpoint: a.Endpoint, Deployment: a.Deployment,
		AllowDelete: a.AllowDelete, Definition: a.Definition, MaxRequests: d.Capacity.MaxRequests, MaxReplicas: Scaling(d).Most(),
		StartTimeout: a.StartTimeout, DrainDeadline: a.DrainTimeout,
	}
}

// pinned is the header by which a request goes to one deployment of an endpoint,
// whatever the endpoint's traffic split (Microsoft, "Online endpoints", 2024-09-23).
const pinned = "azureml-model-deployment"

// mlUpstream are the options for the address of an endpoint: its key of any kind,
// its deployment, its authority.
func mlUpstream(u *upstream.Options, a *azure.Account, d *config.Deployment) error {
	keys, err := azureml.Keys(a, mlDeployment(d))
	if err != nil {
		return err
	}
	u.Credential, u.Renew = upstream.Renewed(keys, "")
	u.TLS = a.TLS()
	u.Pin = upstream.Field{Name: pinned, Value: d.AzureML.Deployment}
	return nil
}
