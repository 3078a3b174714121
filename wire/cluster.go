package wire

import (
	"context"
	"errors"
	"sync"
	"time"

	"weir/config"
	"weir/fleet"
	"weir/fleet/kubernetes"
	"weir/node"
)

// Kubernetes names the place of replicas that are pods of a cluster.
const Kubernetes = "kubernetes"

// clusterWait is how long a start or a reload waits for the cluster's answers.
// One that does not answer by then is not refused: it may come back.
const clusterWait = 15 * time.Second

// cluster is the place of replicas that are pods. Every gateway has it open and
// sees the pods; the leader among them scales.
type cluster struct {
	mu   sync.Mutex
	host node.Host
	open *kubernetes.Fleet // nil before it is opened
	have []kubernetes.Deployment
}

func (k *cluster) place(c *config.Config) node.Place {
	o := ClusterOptions(c)
	return node.Place{Name: Kubernetes, Open: func(h node.Host) (fleet.Place, error) {
		o.Busy, o.Leads, o.Log = h.Busy, h.Leads, h.Log
		f, err := kubernetes.New(o)
		if err != nil {
			return nil, err
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		k.open, k.host, k.have = f, h, o.Deployments
		return f, nil
	}}
}

// change changes the deployments. Those that are new or different are looked up
// in the cluster first; where an old one has become impossible, Weir holds and
// says so, and a reload for another reason goes through.
func (k *cluster) change(c *config.Config) fleet.Change {
	want := ClusterOptions(c)
	return fleet.Change{
		Check: func() error {
			if err := kubernetes.Valid(want); err != nil {
				return err
			}
			fresh := want
			fresh.Deployments = k.fresh(want.Deployments)
			ctx, cancel := context.WithTimeout(context.Background(), clusterWait)
			defer cancel()
			if err := kubernetes.Check(ctx, fresh); !errors.Is(err, kubernetes.ErrAway) {
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
func (k *cluster) fresh(want []kubernetes.Deployment) (ds []kubernetes.Deployment) {
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

// ClusterOptions are the workloads of a configuration and the access to their
// cluster, for a Weir on its own.
func ClusterOptions(c *config.Config) kubernetes.Options {
	o := kubernetes.Options{Lease: leaseName}
	if at := c.Kubernetes; at != nil {
		o.Kubeconfig, o.Context, o.Lease, o.LeaseNamespace = at.Kubeconfig, at.Context, at.Lease, at.Namespace
	}
	for _, d := range placed(c, Kubernetes) {
		w := d.Kubernetes
		o.Deployments = append(o.Deployments, kubernetes.Deployment{
			Name: d.Name, APIVersion: w.APIVersion, Kind: w.Kind, Namespace: w.Namespace, Object: w.Name,
			Scheme: w.Scheme, Port: w.Port, At: kubernetes.At(w.Address), ScaledElsewhere: w.ScaledBy != "weir",
			NodesMax: w.MaxNodes, PendingTimeout: w.PendingTimeout, StartTimeout: w.StartTimeout,
			DrainDeadline: w.DrainTimeout, MaxReplicas: Scaling(d).Most(),
		})
	}
	if c.Store.Postgres.Set() {
		o.Lease = "" // the store has a leader
	}
	return o
}

// leaseName is the default of kubernetes.lease.
const leaseName = "weir"
