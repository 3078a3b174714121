package kubernetes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/klog/v2"
)

// shape is the resources one replica requests.
type shape struct {
	pods  int                 // in one replica; more than one in a LeaderWorkerSet
	first int                 // lowest number of a pod, if they are numbered
	asks  corev1.ResourceList // of one pod
	nodes map[string]string   // labels its node must have
	bears []corev1.Toleration
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
	s.nodes, s.bears, s.asks = t.Spec.NodeSelector, t.Spec.Tolerations, corev1.ResourceList{}
	for _, c := range t.Spec.Containers {
		of := maps.Clone(c.Resources.Limits) // a limit without a request is also the request
		if of == nil {
			of = corev1.ResourceList{}
		}
		maps.Copy(of, c.Resources.Requests)
		for name, q := range of {
			sum := s.asks[name]
			sum.Add(q)
			s.asks[name] = sum
		}
	}
	return s
}

// devices are the resources a node has a few of: GPUs, slices of them. Weir
// does not see what else uses a node's CPU and memory.
func (s shape) devices() []corev1.ResourceName {
	var names []corev1.ResourceName
	for name, q := range s.asks {
		if strings.Contains(string(name), "/") && !q.IsZero() {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// takes says whether an empty node would take a pod of this shape.
func (s shape) takes(n *corev1.Node) bool {
	if n.Spec.Unschedulable {
		return false
	}
	for key, value := range s.nodes {
		if n.Labels[key] != value {
			return false
		}
	}
	for i := range n.Spec.Taints {
		taint := &n.Spec.Taints[i]
		if taint.Effect != corev1.TaintEffectPreferNoSchedule && !slices.ContainsFunc(s.bears, func(t corev1.Toleration) bool {
			return t.ToleratesTaint(klog.Logger{}, taint, false)
		}) {
			return false
		}
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
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
