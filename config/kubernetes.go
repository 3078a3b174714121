package config

import (
	"fmt"
	"regexp"
	"time"
)

// Cluster is the access to a Kubernetes cluster, for the deployments that name
// a workload of it.
type Cluster struct {
	// Kubeconfig file. Without it: the KUBECONFIG variable, else ~/.kube/config, else the service account of the pod that Weir runs in.
	Kubeconfig string `yaml:"kubeconfig" format:"path" example:"/etc/weir/kubeconfig"`
	// Context of that file. Without it: its current one.
	Context string `yaml:"context" format:"name" example:"aks-models"`
	// Namespace of the workloads that name none, and of the Lease. Without it each workload names its own, and the Lease is in the namespace that Weir runs in (outside of a cluster: that of the context).
	Namespace string `yaml:"namespace" format:"object" example:"models"`
	// Name of the Lease by which gateways without a common store (store.postgres) agree on the one that scales. That one counts its own requests alone.
	Lease string `yaml:"lease" default:"weir" format:"object"`
}

// Kubernetes is a workload of a cluster, whose pods are the replicas. Weir
// changes its number, or tells KEDA the number; it creates and deletes no pod.
type Kubernetes struct {
	// API group and version of the workload's kind.
	APIVersion string `yaml:"api_version" default:"apps/v1" format:"groupversion"`
	// Kind of the workload: Deployment, StatefulSet, LeaderWorkerSet, or another with a scale subresource.
	Kind string `yaml:"kind" default:"Deployment" format:"kind"`
	// Namespace of the workload. Without it: kubernetes.namespace of the file.
	Namespace string `yaml:"namespace" format:"object" example:"models"`
	// Name of the workload.
	Name string `yaml:"name" need:"true" format:"object" example:"llama-70b"`
	// What changes the number: weir; keda, which asks Weir for it (see keda at the top of the file); hpa, a HorizontalPodAutoscaler that follows the metric weir_replicas_wanted. Beside keda and hpa Weir writes nothing.
	ScaledBy string `yaml:"scaled_by" default:"weir" enum:"weir|keda|hpa"`
	// Port of the servers. Without it: the first port that the pod's first container names.
	Port int `yaml:"port" min:"1" max:"65535" example:"8000"`
	// Where a pod is reached. pod: at its own address, for a Weir inside of the cluster's network. host: at its node's address and the hostPort of that port. annotation: at the host:port in the pod's annotation weir/address, for pods behind a port-forward, a proxy or a Service of their own; a pod without it takes no requests.
	Address string `yaml:"address" default:"pod" enum:"pod|host|annotation"`
	// Scheme of the servers.
	Scheme string `yaml:"scheme" default:"http" enum:"http|https"`
	// GPUs per replica, as its pods request them: for runs_on, and for a price by VM size.
	GPUs int `yaml:"gpus" default:"0" min:"0" max:"1024"`
	// Hardware of one replica. With it `weir check` tells whether the model fits, and `weir simulate` how fast it is.
	RunsOn *RunsOn `yaml:"runs_on"`
	// API of the servers.
	Protocol string `yaml:"protocol" default:"openai" enum:"openai|anthropic"`
	// The servers' name for the model. Without it: the model's own name.
	Model string `yaml:"model" format:"name" example:"meta-llama/Llama-3.1-70B-Instruct"`
	// API key of the servers.
	APIKey Secret `yaml:"api_key"`
	// Path of the engine's own metrics (vLLM style), read for queue, KV use and GPU utilisation. "" for none.
	Metrics string `yaml:"metrics" default:"/metrics" format:"urlpath"`
	// Most nodes the pool may grow to by itself (cluster autoscaler, Karpenter). Without it: the nodes there are.
	MaxNodes int `yaml:"max_nodes" min:"1" max:"15000" example:"8"`
	// How long a pod may find no node, or not be created, before Weir takes its number back and tries again later. A pod for which a node is on its way has start_timeout.
	PendingTimeout time.Duration `yaml:"pending_timeout" default:"2m" min:"1s" max:"1h"`
	// How long a pod may take to become ready before it counts as failed.
	StartTimeout time.Duration `yaml:"start_timeout" default:"20m" min:"1s" max:"2h"`
	// Time for requests in flight when a replica is removed.
	DrainTimeout time.Duration `yaml:"drain_timeout" default:"2m" min:"1s" max:"24h"`
}

// target names the workload for people.
func (k *Kubernetes) target() string {
	return fmt.Sprintf("%s %s/%s", k.Kind, k.Namespace, k.Name)
}

// KEDA is where KEDA asks Weir, its external scaler, for numbers of replicas.
type KEDA struct {
	// Listen address for KEDA's operator, gRPC.
	Listen string `yaml:"listen" need:"true" format:"listen" example:":9090"`
	// Certificate and key. Without it: unencrypted; KEDA sends and gets names and numbers only.
	TLS *TLS `yaml:"tls"`
}

// A name of an object (RFC 1123), of a kind, and of a group and version.
const (
	objectPattern       = `^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`
	kindPattern         = `^[A-Z][A-Za-z0-9]{0,62}$`
	groupVersionPattern = `^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?v[0-9]+((alpha|beta)[0-9]+)?$`
)

var (
	objectRule       = regexp.MustCompile(objectPattern)
	kindRule         = regexp.MustCompile(kindPattern)
	groupVersionRule = regexp.MustCompile(groupVersionPattern)
)

func checkObject(text string) (string, string) {
	if objectRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a name of Kubernetes", "it has 1 to 253 lower-case letters, digits, - and dots, and starts and ends with a letter or digit"
}

func checkKind(text string) (string, string) {
	if kindRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a kind", "write it as in a manifest, such as Deployment, StatefulSet or LeaderWorkerSet"
}

func checkGroupVersion(text string) (string, string) {
	if groupVersionRule.MatchString(text) {
		return "", ""
	}
	return quote(text) + " is not a group and version", "write it as apiVersion in a manifest, such as apps/v1 or leaderworkerset.x-k8s.io/v1"
}

// kubernetes checks one deployment's workload and fills in its namespace.
func (v *validator) kubernetes(m *Model, k *Kubernetes, path string) {
	if k.Model == "" {
		k.Model = m.Name
	}
	if k.Namespace == "" && !v.faulty[path+".namespace"] && !v.badUnder("kubernetes") {
		if v.c.Kubernetes != nil {
			k.Namespace = v.c.Kubernetes.Namespace
		}
		if k.Namespace == "" {
			v.blame(path, "names no namespace", "add namespace: here, or once for all workloads as kubernetes.namespace at the top of the file")
		}
	}
	if k.PendingTimeout > k.StartTimeout && !v.faulty[path+".start_timeout"] {
		if _, given := v.at[path+".pending_timeout"]; given {
			v.blame(path+".pending_timeout", fmt.Sprintf("%s is more than start_timeout, which is %s", short(k.PendingTimeout), short(k.StartTimeout)), "give pending_timeout at most start_timeout")
		}
		k.PendingTimeout = k.StartTimeout
	}
	if k.ScaledBy == "keda" && v.c.KEDA == nil && !v.badUnder("keda") {
		v.blame(path+".scaled_by", "is keda, but KEDA has no address to ask at", "add keda: {listen: \":9090\"} at the top of the file, and name that address in the ScaledObject")
	}
}

// workloads checks that no workload serves two deployments, and that the
// file-wide blocks are of use.
func (v *validator) workloads() {
	targets, any, asked := taken{}, false, false
	for i := range v.c.Models {
		for n := range v.c.Models[i].Deployments {
			k := v.c.Models[i].Deployments[n].Kubernetes
			if k == nil {
				continue
			}
			any, asked = true, asked || k.ScaledBy == "keda"
			path := fmt.Sprintf("models[%d].deployments[%d].kubernetes", i, n)
			if k.Namespace != "" && k.Name != "" && !v.badUnder(path) {
				v.claim(targets, k.APIVersion+" "+k.target(), path+".name", "workload")
			}
		}
	}
	if v.c.Kubernetes != nil && !any && !v.badUnder("models") {
		v.warn("kubernetes", "has no effect: no deployment names a workload", "give a deployment a kubernetes: block, or remove this one")
	}
	if v.c.KEDA != nil && !asked && !v.badUnder("models") {
		v.warn("keda", "has no effect: no deployment is scaled by KEDA", "give a deployment kubernetes.scaled_by: keda, or remove this block")
	}
	v.keda()
}

// keda checks that KEDA's address is free.
func (v *validator) keda() {
	if v.c.KEDA == nil || v.badUnder("keda") {
		return
	}
	for _, other := range []struct{ key, addr string }{{"server.listen", v.c.Server.Listen}, {"admin.listen", v.c.Admin.Listen}} {
		if collide(v.c.KEDA.Listen, other.addr) {
			v.blame("keda.listen", fmt.Sprintf("%q is also the address of %s", v.c.KEDA.Listen, other.key), "give it another port")
		}
	}
}
