package wire

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"weir/config"
	"weir/fleet"
	"weir/fleet/process"
	"weir/node"
	"weir/price"
)

// This file says where the replicas of a deployment run. A new place is one more
// kind in newPlaces, and its name in PlaceOf.

// Process names the place of replicas that are processes of this machine.
const Process = "processes"

// PlaceOf names the place that runs a deployment's replicas; "": none, its
// servers are external.
func PlaceOf(d *config.Deployment) string {
	switch {
	case d.Process != nil:
		return Process
	case d.Kubernetes != nil:
		return Kubernetes
	case d.AzureML != nil:
		return AzureML
	case d.ACI != nil:
		return ACI
	}
	return ""
}

// Elastic says whether Weir starts and stops a deployment's replicas.
func Elastic(d *config.Deployment) bool { return PlaceOf(d) != "" }

// DrainTimeout is how long a draining replica may finish its requests; 0: Weir
// does not run it.
func DrainTimeout(d *config.Deployment) time.Duration {
	o, _ := ownOf(d)
	return o.Drain
}

// Program is the command that starts a replica on this machine; "": none.
func Program(d *config.Deployment) string {
	if d.Process != nil {
		return d.Process.Command[0]
	}
	return ""
}

// kind is one kind of place: how a configuration opens it, and how a reload
// changes it.
type kind interface {
	place(c *config.Config) node.Place
	change(c *config.Config) fleet.Change
}

type places []kind

func newPlaces(stateDir string, s *subscription) places {
	return places{&processes{stateDir: filepath.Join(stateDir, "replicas")}, &cluster{}, &endpoints{quota: s.instances}, &groups{}}
}

func (ps places) of(c *config.Config) (all []node.Place) {
	for _, k := range ps {
		all = append(all, k.place(c))
	}
	return all
}

func (ps places) changes(c *config.Config) (all []fleet.Change) {
	for _, k := range ps {
		all = append(all, k.change(c))
	}
	return all
}

// deployments are all deployments of a configuration, each with its place.
func deployments(c *config.Config, prices *price.Catalogue) (ds []node.Deployment, err error) {
	for i := range c.Models {
		m := &c.Models[i]
		for k := range m.Deployments {
			d := &m.Deployments[k]
			n := node.Deployment{Name: d.Name, Place: PlaceOf(d)}
			n.Metrics, n.Servers = metricsOf(d)
			if n.Place != "" {
				s := Scaling(d)
				n.Scaling = &node.Scaling{Zone: s.Location(), Quota: s.Quota, Asked: d.Kubernetes != nil && d.Kubernetes.ScaledBy == "keda"}
				if n.Scaling.Policy, err = Policy(m, d, prices); err != nil {
					return nil, fmt.Errorf("scaling of %s: %w", d.Name, err)
				}
			}
			ds = append(ds, n)
		}
	}
	return ds, nil
}

// metricsOf is the path of the metrics of a deployment's servers ("": none) and
// the addresses of its external servers.
func metricsOf(d *config.Deployment) (path string, servers []string) {
	if d.External != nil {
		return d.External.Metrics, d.External.URLs
	}
	o, _ := ownOf(d)
	return o.Metrics, nil
}

// processes is the place of replicas that are processes of this machine. One
// gateway on the machine has it at a time.
type processes struct {
	stateDir string

	mu      sync.Mutex
	options process.Options // as the configuration in force has them
	open    *process.Fleet  // nil: another gateway has it
}

func (p *processes) place(c *config.Config) node.Place {
	p.options = p.optionsOf(c)
	return node.Place{Name: Process, Alone: true, Open: func(h node.Host) (fleet.Place, error) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.options.Busy, p.options.Log = h.Busy, h.Log
		f, err := process.New(p.options)
		if err != nil {
			return nil, err
		}
		p.open = f
		return opened{f, p}, nil
	}}
}

func (p *processes) optionsOf(c *config.Config) process.Options {
	return process.Options{
		Deployments: processDeployments(c), StateDir: p.stateDir,
		GPUs: gpus(c), Ports: [2]int{c.Machine.FirstPort, c.Machine.LastPort}, Keep: c.Machine.Keep,
	}
}

// change changes the deployments; the rest of a machine's options is fixed.
func (p *processes) change(c *config.Config) fleet.Change {
	want := p.optionsOf(c)
	return fleet.Change{
		Check: func() error { return process.Check(want) },
		Apply: func() error {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.options.Deployments = want.Deployments
			if p.open == nil {
				return nil
			}
			return p.open.Configure(want.Deployments)
		},
	}
}

// opened is the place itself until it has run.
type opened struct {
	*process.Fleet
	kind *processes
}

func (o opened) Run(ctx context.Context) error {
	defer func() {
		o.kind.mu.Lock()
		defer o.kind.mu.Unlock()
		o.kind.open = nil
	}()
	return o.Fleet.Run(ctx)
}

// processDeployments are the deployments as package process runs them.
func processDeployments(c *config.Config) []process.Deployment {
	var ds []process.Deployment
	for _, d := range placed(c, Process) {
		p := d.Process
		var env []string
		for _, name := range slices.Sorted(maps.Keys(p.Env)) {
			env = append(env, name+"="+p.Env[name])
		}
		ds = append(ds, process.Deployment{
			Name: d.Name, Command: p.Command, Dir: p.Dir, Env: env, Without: c.SecretVariables(), Pass: p.PassEnv,
			GPUs: p.GPUs, HealthPath: p.Health,
			StartTimeout: p.StartTimeout, DrainDeadline: p.DrainTimeout, StopGrace: p.StopTimeout,
			RestartMin: p.Restart.Base, RestartMax: p.Restart.Max, MaxReplicas: Scaling(d).Most(),
		})
	}
	return ds
}

// placed are the deployments at one place.
func placed(c *config.Config, place string) (ds []*config.Deployment) {
	for i := range c.Models {
		for k := range c.Models[i].Deployments {
			if d := &c.Models[i].Deployments[k]; PlaceOf(d) == place {
				ds = append(ds, d)
			}
		}
	}
	return ds
}

// gpus are the GPUs replicas may get: those in the file, else
// CUDA_VISIBLE_DEVICES if set, else those the NVIDIA driver lists. Having none
// is no fault.
func gpus(c *config.Config) []string {
	if len(c.Machine.GPUs) > 0 {
		return c.Machine.GPUs
	}
	if v, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES"); ok {
		return strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
	}
	found, err := filepath.Glob("/proc/driver/nvidia/gpus/*")
	if err != nil {
		return nil
	}
	var ids []string
	for i := range found {
		ids = append(ids, fmt.Sprint(i))
	}
	return ids
}
