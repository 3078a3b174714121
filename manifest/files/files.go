// Package files makes manifests of what files describe: the workloads of a
// weir.yaml, and models that share GPUs. It decides nothing.
package files

import (
	"cmp"
	"errors"
	"fmt"

	"weir/config"
	"weir/fit"
	"weir/fit/files"
	"weir/manifest"
	"weir/price"
	"weir/wire"
)

// Options are what neither file says.
type Options struct {
	Deployment string // of weir.yaml; "": all that run on Kubernetes
	VM         string // size of the nodes; "": scaling.price.vm
	Pool       string // AKS node pool
	Spot       bool
	Image      string
	Weights    string // CLAIM or CLAIM/PATH of a volume
}

// Workloads are the objects of a weir.yaml's deployments on Kubernetes.
func Workloads(c *config.Config, prices *price.Catalogue, o Options) (all manifest.Objects, err error) {
	var faults []error
	loads := ""
	for i := range c.Models {
		for n := range c.Models[i].Deployments {
			d := &c.Models[i].Deployments[n]
			if d.Kubernetes == nil || o.Deployment != "" && o.Deployment != d.Name {
				continue
			}
			one, model, err := workload(d, prices, o)
			if err = errors.Join(err, manifest.OneModel(o.Weights, loads, model)); err != nil {
				faults = append(faults, fmt.Errorf("deployment %s: %w", d.Name, err))
			}
			loads = cmp.Or(model, loads)
			all = append(all, one...)
		}
	}
	if len(all)+len(faults) == 0 {
		what := "no deployment of the file has a kubernetes: block"
		if o.Deployment != "" {
			what = fmt.Sprintf("no deployment %q of the file has a kubernetes: block", o.Deployment)
		}
		return nil, fmt.Errorf("%w: %s, which names the workload to make", manifest.ErrNone, what)
	}
	return all, errors.Join(faults...)
}

// workload is one deployment's, and the model it loads.
func workload(d *config.Deployment, prices *price.Catalogue, o Options) (_ manifest.Objects, model string, _ error) {
	k := d.Kubernetes
	if k.RunsOn == nil {
		return nil, "", fmt.Errorf("%w: kubernetes.runs_on is missing: say on which GPU a replica runs, as runs_on: {gpu: H100-80GB}", manifest.ErrNone)
	}
	m, s, err := wire.FitSetup(d, prices)
	if err != nil {
		return nil, "", err
	}
	if s.TP > 0 && k.GPUs > s.TP && k.GPUs%s.TP == 0 {
		s.PP = k.GPUs / s.TP
	}
	s.MaxSeqs = d.Capacity.MaxRequests
	server := manifest.Server{
		Name: k.Name, Namespace: k.Namespace, Kind: k.Kind, Serves: k.Model, Model: m, Setup: s,
		VM: o.VM, Pool: o.Pool, Spot: o.Spot, Image: o.Image, Weights: o.Weights, Port: k.Port, Start: k.StartTimeout, Drain: k.DrainTimeout,
	}
	if server.VM == "" && d.Scaling != nil && d.Scaling.Price != nil {
		server.VM = d.Scaling.Price.VM
	}
	if err := onNode(&server, prices); err != nil {
		return nil, m.Name, err
	}
	objects, err := manifest.New(server, fit.Sold(prices)...)
	if errors.Is(err, manifest.ErrKind) {
		err = fmt.Errorf("%w; a group is kind: LeaderWorkerSet with api_version: leaderworkerset.x-k8s.io/v1, or give nodes with more GPUs by --vm", err)
	}
	return objects, m.Name, err
}

// onNode checks that nodes of the size have the GPU, and how many.
func onNode(s *manifest.Server, prices *price.Catalogue) error {
	if s.VM == "" {
		return nil
	}
	vm, err := prices.VM(s.VM)
	if err != nil {
		return err
	}
	have, err := prices.GPU(vm.GPU)
	if err != nil {
		return err
	}
	if have.Name != s.Setup.GPU.Name {
		return fmt.Errorf("%w: nodes of size %s have %s, and the replica runs on %s: give another size or another GPU", manifest.ErrNone, vm.Name, have.Name, s.Setup.GPU.Name)
	}
	s.VM, s.PerNode, s.Setup.GPU = vm.Name, vm.GPUs, s.Setup.GPU.Part(vm.Share())
	return nil
}

// Packed are the objects of models that share GPUs by MIG, from the file that
// `weir fit --pack` reads; head says which slices each GPU must have.
func Packed(name string, src []byte, gpu fit.GPU, headroom float64, prices *price.Catalogue, o Options) (all manifest.Objects, head []string, err error) {
	items, err := files.Pack(name, src, prices)
	if err != nil {
		return nil, nil, err
	}
	from := manifest.Server{VM: o.VM, Pool: o.Pool, Spot: o.Spot, Image: o.Image, Weights: o.Weights}
	from.Setup.GPU = gpu
	if err := onNode(&from, prices); err != nil {
		return nil, nil, err
	}
	return manifest.Packed(gpu, items, headroom, from)
}
