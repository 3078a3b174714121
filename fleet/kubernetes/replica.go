package kubernetes

import (
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"weir"
)

// annotations of pods.
const (
	drainMark    = "weir/draining" // since when, RFC 3339: no gateway sends it new requests
	deletionCost = "controller.kubernetes.io/pod-deletion-cost"
)

// goesFirst is the deletion cost of a drained pod: the lowest there is.
const goesFirst = "-2147483648"

// broken are the reasons for which waiting will not start a container.
var broken = map[string]string{
	"ErrImagePull":               "its image cannot be pulled",
	"ImagePullBackOff":           "its image cannot be pulled",
	"ErrImageNeverPull":          "its image is not on the node and may not be pulled",
	"InvalidImageName":           "its image has no valid name",
	"CrashLoopBackOff":           "it crashes when it starts",
	"RunContainerError":          "it cannot be run",
	"CreateContainerError":       "it cannot be created",
	"CreateContainerConfigError": "its configuration is missing",
}

// look is the pod's state and the reason, whether or not it drains. patience is
// how long it may start.
func look(p *corev1.Pod, patience time.Duration, now time.Time) (weir.ReplicaState, string) {
	switch {
	case p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
		return weir.Failed, ended(p)
	case p.DeletionTimestamp != nil:
		return weir.Draining, "its pod is being deleted"
	}
	if why := crashed(p); why != "" {
		return weir.Failed, why
	}
	if ready := condition(p, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionTrue {
		return weir.Ready, ""
	}
	if took := now.Sub(p.CreationTimestamp.Time); took > patience {
		return weir.Failed, fmt.Sprintf("not ready after %v: %s", patience, waits(p))
	}
	return weir.Starting, waits(p)
}

// ended says why a pod has ended.
func ended(p *corev1.Pod) string {
	text := strings.TrimSpace(p.Status.Reason + " " + p.Status.Message)
	if text == "" {
		text = lastWords(p)
	}
	if text == "" {
		text = "its containers have ended"
	}
	return text
}

// crashed says why waiting will not start a container of the pod, or "".
func crashed(p *corev1.Pod) string {
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		w := c.State.Waiting
		if w == nil {
			continue
		}
		why, ok := broken[w.Reason]
		if !ok {
			continue
		}
		text := fmt.Sprintf("%s: %s (container %s)", w.Reason, why, c.Name)
		if t := c.LastTerminationState.Terminated; t != nil {
			text += ": " + termination(t)
		} else if w.Message != "" {
			text += ": " + w.Message
		}
		return text
	}
	return ""
}

func termination(t *corev1.ContainerStateTerminated) string {
	if t.Reason == "OOMKilled" {
		return "OOMKilled: it used more memory than its limit"
	}
	return strings.TrimSpace(fmt.Sprintf("%s, exit code %d %s", t.Reason, t.ExitCode, t.Message))
}

// lastWords is how a container of the pod last ended, or "".
func lastWords(p *corev1.Pod) string {
	for _, c := range p.Status.ContainerStatuses {
		for _, t := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
			if t != nil {
				return termination(t)
			}
		}
	}
	return ""
}

// waits says what a starting pod waits for.
func waits(p *corev1.Pod) string {
	if c := condition(p, corev1.PodScheduled); c == nil || c.Status != corev1.ConditionTrue {
		if c == nil || c.Reason == "" {
			return "waits for a node"
		}
		return strings.TrimSuffix(fmt.Sprintf("waits for a node: %s: %s", c.Reason, c.Message), ": ")
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && w.Reason != "" {
			return strings.TrimSpace("on " + p.Spec.NodeName + ": " + w.Reason + " " + w.Message)
		}
	}
	text := "on " + p.Spec.NodeName + ": runs and is not ready"
	if last := lastWords(p); last != "" {
		text += ", ended before: " + last
	}
	return text
}

func condition(p *corev1.Pod, kind corev1.PodConditionType) *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == kind {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// unscheduled says that no node takes the pod, since when, and why; false for a
// pod created a moment ago.
func unscheduled(p *corev1.Pod) (since time.Time, why string, ok bool) {
	c := condition(p, corev1.PodScheduled)
	if p.Spec.NodeName != "" || c == nil || c.Status != corev1.ConditionFalse || c.Reason != corev1.PodReasonUnschedulable {
		return time.Time{}, "", false
	}
	return c.LastTransitionTime.Time, c.Message, true
}

// address is the pod's base URL, "" until it has one.
func (d *Deployment) address(p *corev1.Pod, replace func(namespace, pod, address string) string) string {
	port := d.Port
	if port == 0 && len(p.Spec.Containers) > 0 && len(p.Spec.Containers[0].Ports) > 0 {
		port = int(p.Spec.Containers[0].Ports[0].ContainerPort)
	}
	if p.Status.PodIP == "" || port == 0 {
		return ""
	}
	at := net.JoinHostPort(p.Status.PodIP, strconv.Itoa(port))
	if replace != nil {
		at = replace(p.Namespace, p.Name, at)
	}
	return d.Scheme + "://" + at
}

// identity names the pod for ever: a StatefulSet uses its pods' names again.
func (d *Deployment) identity(p *corev1.Pod) string {
	if !d.inOrder() {
		return p.Name
	}
	short, _, _ := strings.Cut(string(p.UID), "-")
	return p.Name + "-" + short
}

// ordinal is the number at the end of the pod's name, or its group's number.
func ordinal(p *corev1.Pod) int {
	text := p.Labels["leaderworkerset.sigs.k8s.io/group-index"]
	if text == "" {
		text = p.Name[strings.LastIndexByte(p.Name, '-')+1:]
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// restarts is how often the pod's containers were restarted.
func restarts(p *corev1.Pod) int {
	n := 0
	for _, c := range p.Status.ContainerStatuses {
		n += int(c.RestartCount)
	}
	return n
}
