package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
)

// shape is the resources one replica requests.
type shape struct {
	pods      int                       // in one replica; more than one in a LeaderWorkerSet
	first     int                       // lowest number of a pod, if they are numbered
	asks      corev1.ResourceList       // of one pod
	nodes     map[string]string         // labels its node must have
	terms     []corev1.NodeSelectorTerm // one of which its node must meet; none: any node does
	bears     []corev1.Toleration
	claims    []string // templates of the claims each pod has for itself
	provision string   // the ProvisioningRequest whose nodes its pods use
}

// shapeOf reads a workload's pod template, where its path is known; else zero.
func shapeOf(o map[string]any) shape {
	s := shape{pods: 1}
	if n, ok, _ := unstructured.NestedInt64(o, "spec", "ordinals", "start"); ok {
		s.first = int(n)
	}
	raw, ok, _ := unstructured.NestedMap(o, "spec", "template")
	if !ok {
		if raw, ok, _ = unstructured.NestedMap(o, "spec", "leaderWorkerTemplate", "workerTemplate"); !ok {
			return s
		}
		if n, ok, _ := unstructured.NestedInt64(o, "spec", "leaderWorkerTemplate", "size"); ok && n > 0 {
			s.pods = int(n)
		}
	}
	var t corev1.PodTemplateSpec
	if runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &t) != nil {
		return s
	}
	s.provision = provisionOf(&t)
	for _, c := range t.Spec.ResourceClaims {
		if c.ResourceClaimTemplateName != nil {
			s.claims = append(s.claims, *c.ResourceClaimTemplateName)
		}
	}
	s.nodes, s.bears, s.asks = t.Spec.NodeSelector, t.Spec.Tolerations, requests(&t.Spec)
	if a := t.Spec.Affinity; a != nil && a.NodeAffinity != nil && a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution != nil {
		s.terms = a.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	}
	return s
}

// requests is what a pod requests, as the scheduler counts: its containers and
// those beside them for all its life together, or the largest init container.
func requests(p *corev1.PodSpec) corev1.ResourceList {
	sum, peak := corev1.ResourceList{}, corev1.ResourceList{}
	for i := range p.InitContainers {
		c := &p.InitContainers[i]
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			add(sum, request(c))
			continue
		}
		with := sum.DeepCopy()
		add(with, request(c))
		raise(peak, with)
	}
	for i := range p.Containers {
		add(sum, request(&p.Containers[i]))
	}
	raise(sum, peak)
	return sum
}

// request is what a container requests: a limit without a request is also the
// request.
func request(c *corev1.Container) corev1.ResourceList {
	of := maps.Clone(c.Resources.Limits)
	if of == nil {
		of = corev1.ResourceList{}
	}
	maps.Copy(of, c.Resources.Requests)
	return of
}

func add(to, what corev1.ResourceList) {
	for name, q := range what {
		sum := to[name]
		sum.Add(q)
		to[name] = sum
	}
}

// raise makes every amount at least what it is in least.
func raise(of, least corev1.ResourceList) {
	for name, q := range least {
		if have := of[name]; have.Cmp(q) < 0 {
			of[name] = q
		}
	}
}

// devicesIn are the resources of which a node has a few: GPUs and other
// accelerators, slices of them, shares in time. All have a vendor's domain before
// a slash; CPU, memory and huge pages have none.
func devicesIn(l corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	for name, q := range l {
		if strings.Contains(string(name), "/") && !q.IsZero() {
			out[name] = q
		}
	}
	return out
}

// devices are the names of the devices a pod requests.
func (s shape) devices() []corev1.ResourceName {
	return slices.Sorted(maps.Keys(devicesIn(s.asks)))
}

// less is the shape without devices that come from elsewhere.
func (s shape) less(offers corev1.ResourceList) shape {
	if len(offers) == 0 {
		return s
	}
	asks := maps.Clone(s.asks)
	maps.DeleteFunc(asks, func(name corev1.ResourceName, _ resource.Quantity) bool {
		_, offered := offers[name]
		return offered
	})
	s.asks = asks
	return s
}

// takes says whether an empty node would take a pod of this shape.
func (s shape) takes(n *corev1.Node) bool {
	if n.Spec.Unschedulable || !s.suits(n) {
		return false
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// suits says whether a pod of this shape may be on the node, were it ready and not
// cordoned.
func (s shape) suits(n *corev1.Node) bool {
	for key, value := range s.nodes {
		if n.Labels[key] != value {
			return false
		}
	}
	if !meets(n, s.terms) {
		return false
	}
	for i := range n.Spec.Taints {
		taint := &n.Spec.Taints[i]
		cordon := n.Spec.Unschedulable && taint.Key == corev1.TaintNodeUnschedulable
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !cordon && !slices.ContainsFunc(s.bears, func(t corev1.Toleration) bool {
			return t.ToleratesTaint(klog.Logger{}, taint, false)
		}) {
			return false
		}
	}
	return true
}

// fit is how many pods of this shape the free resources hold; -1: no device
// bounds them.
func (s shape) fit(free corev1.ResourceList) int {
	most := -1
	for _, name := range s.devices() {
		have, asks := free[name], s.asks[name]
		if n := int(max(0, have.Value()) / max(1, asks.Value())); most < 0 || n < most {
			most = n
		}
	}
	return most
}

// String lists the devices a replica requests.
func (s shape) String() string {
	var parts []string
	for _, name := range s.devices() {
		q := s.asks[name]
		parts = append(parts, fmt.Sprintf("%s %s each", q.String(), name))
	}
	return strings.Join(parts, ", ")
}
