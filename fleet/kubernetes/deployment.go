package kubernetes

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Deployment names a workload and says how its pods are reached and drained.
// Zero durations and counts mean the defaults named beside them.
type Deployment struct {
	Name string // Weir's own name for it

	APIVersion string // default apps/v1
	Kind       string // default Deployment
	Namespace  string
	Object     string // its name in the cluster; default Name

	Scheme string // of the pods' addresses; default http
	Port   int    // the pods listen on; 0: the first port of their first container
	At     At     // where a pod is reached; default its own address

	// ScaledElsewhere: another program writes the number, and gets Weir's by
	// other means (KEDA, an HPA). Weir writes nothing to the workload or its pods.
	ScaledElsewhere bool

	// NodesMax is how many nodes the pool may grow to by itself (cluster
	// autoscaler, Karpenter, node auto-provisioning). 0: the nodes there are.
	NodesMax int

	// PendingTimeout is how long a pod may find no node, or not be created,
	// before Weir gives it up and lowers the number again; default 2 min. A pod
	// with a node on its way has StartTimeout.
	PendingTimeout time.Duration
	StartTimeout   time.Duration // from asked for to ready, else it counts as failed; default 20 min

	DrainDeadline time.Duration // a draining replica goes after this at the latest; default 2 min
	// DrainQuiet is how long a draining replica must have been idle before it
	// goes: a gateway may learn of the drain a moment late. Default 2 s.
	DrainQuiet time.Duration

	MaxReplicas int // default 64
}

// At is where a pod is reached.
type At string

const (
	AtPod        At = "pod"        // at its own address
	AtHost       At = "host"       // at its node's address and its hostPort
	AtAnnotation At = "annotation" // at the host:port in its annotation weir/address
)

func (o *Options) fill() error {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.HoldFor == 0 {
		o.HoldFor = 10 * time.Minute
	}
	if o.HoldFor < 0 {
		return fmt.Errorf("kubernetes: hold for %v: want it above zero", o.HoldFor)
	}
	var faults []error
	names, targets := map[string]bool{}, map[string]string{}
	out := make([]Deployment, len(o.Deployments))
	for i, d := range o.Deployments {
		if err := d.fill(); err != nil {
			faults = append(faults, err)
		}
		if names[d.Name] {
			faults = append(faults, fmt.Errorf("kubernetes: deployment %q is named twice", d.Name))
		}
		if other, ok := targets[d.target()]; ok {
			faults = append(faults, fmt.Errorf("kubernetes: deployments %q and %q are both %s: one workload serves one deployment", other, d.Name, d.target()))
		}
		names[d.Name], targets[d.target()], out[i] = true, d.Name, d
	}
	o.Deployments = out
	return errors.Join(faults...)
}

// target names the workload for people: apps/v1 Deployment models/llama.
func (d *Deployment) target() string {
	return fmt.Sprintf("%s %s %s/%s", d.APIVersion, d.Kind, d.Namespace, d.Object)
}

func (d *Deployment) fill() error {
	for _, v := range []struct{ have, def *string }{
		{&d.APIVersion, new("apps/v1")}, {&d.Kind, new("Deployment")}, {&d.Object, &d.Name}, {&d.Scheme, new("http")},
	} {
		if *v.have == "" {
			*v.have = *v.def
		}
	}
	d.At = cmp.Or(d.At, AtPod)
	switch {
	case d.At != AtPod && d.At != AtHost && d.At != AtAnnotation:
		return d.fault("pods at %q: want %s, %s or %s", d.At, AtPod, AtHost, AtAnnotation)
	case d.Name == "":
		return errors.New("kubernetes: a deployment has no name")
	case d.Namespace == "":
		return d.fault("namespace is empty: name the one that %s %s is in", d.Kind, d.Object)
	case d.Scheme != "http" && d.Scheme != "https":
		return d.fault("scheme %q: want http or https", d.Scheme)
	case d.Port < 0 || d.Port > 65535:
		return d.fault("port %d: want 1 to 65535, or 0 for the first that the container names", d.Port)
	case d.NodesMax < 0 || d.MaxReplicas < 0:
		return d.fault("nodes at most %d, replicas at most %d: want neither below zero", d.NodesMax, d.MaxReplicas)
	}
	if d.MaxReplicas == 0 {
		d.MaxReplicas = 64
	}
	for _, v := range []struct {
		name string
		have *time.Duration
		def  time.Duration
	}{
		{"pending timeout", &d.PendingTimeout, 2 * time.Minute},
		{"start timeout", &d.StartTimeout, 20 * time.Minute},
		{"drain deadline", &d.DrainDeadline, 2 * time.Minute},
		{"drain quiet", &d.DrainQuiet, 2 * time.Second},
	} {
		if *v.have == 0 {
			*v.have = v.def
		}
		if *v.have < 0 {
			return d.fault("%s is %v: want it above zero", v.name, *v.have)
		}
	}
	return nil
}

// fault is an error about this deployment.
func (d *Deployment) fault(format string, args ...any) error {
	return fmt.Errorf("kubernetes deployment %q: "+format, append([]any{d.Name}, args...)...)
}

// inOrder says whether its controller always removes the pods of the highest
// number first.
func (d *Deployment) inOrder() bool { return d.Kind == "StatefulSet" || d.Kind == "LeaderWorkerSet" }
