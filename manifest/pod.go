package manifest

import (
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

const leaderWorkerSet = "LeaderWorkerSet"

// workload is the object whose number Weir writes.
func (s *Server) workload(e program, nodes int) (yaml.MapSlice, error) {
	if (s.Kind == leaderWorkerSet) != (nodes > 1) {
		what, kind := "node", "Deployment or StatefulSet"
		if nodes > 1 {
			what, kind = "nodes", leaderWorkerSet
		}
		return nil, fmt.Errorf("%w: a replica of %d GPUs spans %d %s of %d: its kind is %s, not %s", ErrKind, s.gpus(), nodes, what, s.gpus()/nodes, kind, s.Kind)
	}
	meta := of("name", s.Name, "namespace", orNil(s.Namespace), "labels", s.labels())
	selector := of("matchLabels", s.labels())
	switch s.Kind {
	case leaderWorkerSet:
		return of("apiVersion", "leaderworkerset.x-k8s.io/v1", "kind", leaderWorkerSet, "metadata", meta, "spec", of(
			"leaderWorkerTemplate", of("size", nodes, "restartPolicy", "RecreateGroupOnPodRestart",
				"leaderTemplate", s.pod(e, e.command, nodes, true), "workerTemplate", s.pod(e, e.worker, nodes, false)))), nil
	case "StatefulSet":
		return of("apiVersion", "apps/v1", "kind", s.Kind, "metadata", meta, "spec", of("selector", selector, "serviceName", s.Name,
			"podManagementPolicy", "Parallel", "template", s.pod(e, e.command, 1, true))), nil
	case "Deployment":
		// A new version starts beside the old one only where there are GPUs left:
		// one replica less for a while, and no pod that waits for a GPU the old hold.
		return of("apiVersion", "apps/v1", "kind", s.Kind, "metadata", meta, "spec", of("selector", selector,
			"progressDeadlineSeconds", seconds(s.Start)+nodeStarts, "strategy", of("rollingUpdate", of("maxSurge", 0, "maxUnavailable", 1)), "template", s.pod(e, e.command, 1, true))), nil
	}
	return nil, fmt.Errorf("%w: no manifest for kind %s: have Deployment, StatefulSet, LeaderWorkerSet", ErrNone, s.Kind)
}

func (s *Server) labels() yaml.MapSlice { return of("app.kubernetes.io/name", label(s.Name)) }

// pod is one pod of a replica. Only the first of a group serves requests; the others
// end when it has none left, since without them it answers none.
func (s *Server) pod(e program, command []string, nodes int, serves bool) yaml.MapSlice {
	engine := of("name", "engine", "image", e.image, "command", command[:1], "args", command[1:], "env", s.env())
	if serves {
		engine = append(engine, s.serving(e)...)
	} else if e.metrics != nil {
		engine = append(engine, of("lifecycle", of("preStop", s.drains(e, atLeader)))...)
	}
	mounts := []yaml.MapSlice{of("name", "shm", "mountPath", "/dev/shm"), of("name", "weights", "mountPath", weightsAt, "readOnly", orNil(s.Weights != ""))}
	engine = append(engine, of(
		"resources", of("requests", of("cpu", "2", "memory", "8Gi"), "limits", of(s.device(), s.gpus()/nodes)),
		"securityContext", of("allowPrivilegeEscalation", false, "capabilities", of("drop", []string{"ALL"})),
		"volumeMounts", mounts)...)
	weights := of("name", "weights", "emptyDir", of())
	if s.Weights != "" {
		claim, _, _ := strings.Cut(s.Weights, "/")
		weights = of("name", "weights", "persistentVolumeClaim", of("claimName", claim, "readOnly", true))
	}
	return of(
		"metadata", of("labels", s.labels(), "annotations", of(
			"cluster-autoscaler.kubernetes.io/safe-to-evict", "false", "karpenter.sh/do-not-disrupt", "true")),
		"spec", of(
			"automountServiceAccountToken", false, "enableServiceLinks", false,
			"terminationGracePeriodSeconds", seconds(s.Drain)+graceAfter,
			"securityContext", of("seccompProfile", of("type", "RuntimeDefault")),
			"nodeSelector", orNil(s.selector()), "tolerations", s.tolerations(),
			"containers", []yaml.MapSlice{engine},
			"volumes", []yaml.MapSlice{
				of("name", "shm", "emptyDir", of("medium", "Memory", "sizeLimit", fmt.Sprintf("%dGi", 2*s.gpus()/nodes))), weights}))
}

// graceAfter is the time an engine has to end after its last request, in seconds.
const graceAfter = 30

// nodeStarts is the time a node may take to come before a pod starts on it, in
// seconds. A Deployment counts as failed after Kubernetes' default of ten minutes,
// which many a model takes to load.
const nodeStarts = 600

// probePeriod is how often a pod that starts is asked, in seconds.
const probePeriod = 10

// serving is the part of the container that takes requests: its port, its
// probes, its end.
func (s *Server) serving(e program) yaml.MapSlice {
	health := of("path", "/health", "port", "http")
	stop := of("sleep", of("seconds", 5))
	if e.metrics != nil {
		stop = s.drains(e, here)
	}
	return of(
		"ports", []yaml.MapSlice{of("name", "http", "containerPort", s.Port)},
		"startupProbe", of("httpGet", health, "periodSeconds", probePeriod, "failureThreshold", max(1, (seconds(s.Start)+probePeriod-1)/probePeriod)),
		"readinessProbe", of("httpGet", health, "periodSeconds", 5, "timeoutSeconds", 5),
		"livenessProbe", of("httpGet", health, "periodSeconds", probePeriod, "timeoutSeconds", probePeriod, "failureThreshold", 6),
		"lifecycle", of("preStop", stop))
}

// drains waits for the last request of the engine that has its metrics there.
func (s *Server) drains(e program, at string) yaml.MapSlice {
	return of("exec", of("command", []string{"python3", "-c", drained(at, s.Port, e.metrics)}))
}

// env: engines keep what they load from the Hub below HF_HOME.
func (s *Server) env() []yaml.MapSlice {
	if s.Weights != "" {
		return []yaml.MapSlice{of("name", "HF_HUB_OFFLINE", "value", "1")}
	}
	return []yaml.MapSlice{of("name", "HF_HOME", "value", weightsAt),
		of("name", "HF_TOKEN", "valueFrom", of("secretKeyRef", of("name", "hf-token", "key", "token", "optional", true)))}
}

// amd: the catalogue's names of AMD's accelerators start so.
func (s *Server) amd() bool { return strings.HasPrefix(s.Setup.GPU.Name, "MI") }

// device is the resource by which a pod asks for its GPUs: NVIDIA's device plugin
// calls a slice by its profile when a node has several (strategy mixed).
func (s *Server) device() string {
	switch {
	case s.Slice != "":
		return "nvidia.com/mig-" + s.Slice
	case s.amd():
		return "amd.com/gpu"
	}
	return "nvidia.com/gpu"
}

// selector names the nodes: by the size of the VM, which every node has as a
// label, also before the pool has any, and by the pool.
func (s *Server) selector() yaml.MapSlice {
	return of("node.kubernetes.io/instance-type", orNil(s.VM), "kubernetes.azure.com/agentpool", orNil(s.Pool))
}

// tolerations are for the taints that pools with GPUs get: Microsoft's guide sets
// the first, NVIDIA's operator the second, AKS the third on spot VMs.
func (s *Server) tolerations() []yaml.MapSlice {
	out := []yaml.MapSlice{
		of("key", "sku", "operator", "Equal", "value", "gpu", "effect", "NoSchedule"),
		of("key", strings.SplitN(s.device(), "/", 2)[0]+"/gpu", "operator", "Exists", "effect", "NoSchedule"),
	}
	if s.Spot {
		out = append(out, of("key", "kubernetes.azure.com/scalesetpriority", "operator", "Equal", "value", "spot", "effect", "NoSchedule"))
	}
	return out
}

// service is an address for people and other programs. Weir sends to the pods.
func (s *Server) service() yaml.MapSlice {
	selector := s.labels()
	if s.Kind == leaderWorkerSet {
		selector = of("leaderworkerset.sigs.k8s.io/name", s.Name, "leaderworkerset.sigs.k8s.io/worker-index", "0")
	}
	var headless any
	if s.Kind == "StatefulSet" {
		headless = "None"
	}
	return of("apiVersion", "v1", "kind", "Service", "metadata", of("name", s.Name, "namespace", orNil(s.Namespace), "labels", s.labels()),
		"spec", of("clusterIP", headless, "selector", selector, "ports", []yaml.MapSlice{of("name", "http", "port", s.Port, "targetPort", "http")}))
}

func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// orNil is nil for a zero value, so that of leaves its key out.
func orNil[T any](x T) any {
	switch v := any(x).(type) {
	case string:
		if v == "" {
			return nil
		}
	case bool:
		if !v {
			return nil
		}
	case yaml.MapSlice:
		if len(v) == 0 {
			return nil
		}
	}
	return x
}
