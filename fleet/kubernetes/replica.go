package kubernetes

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"weir"
	"weir/fleet"
)

// annotations of pods.
const (
	drainMark    = "weir/draining" // since when, RFC 3339: no gateway sends it new requests
	addressMark  = "weir/address"  // host:port at which it is reached
	deletionCost = "controller.kubernetes.io/pod-deletion-cost"
)

// goesFirst is the deletion cost of the first pod that drained, the lowest there is;
// those after it have the next ones, below costsEnd.
const (
	goesFirst = -1 << 31
	costsEnd  = goesFirst + 1<<20
)

// stand is where a pod stands: its state, and why it is no further.
type stand struct {
	state weir.ReplicaState
	why   string // a word of package fleet
	text  string
}

// broken are the reasons for which waiting will not start a container.
var broken = map[string]struct{ why, text string }{
	"ErrImagePull":               {fleet.WhyImage, "its image cannot be pulled"},
	"ImagePullBackOff":           {fleet.WhyImage, "its image cannot be pulled"},
	"ErrImageNeverPull":          {fleet.WhyImage, "its image is not on the node and may not be pulled"},
	"InvalidImageName":           {fleet.WhyImage, "its image has no valid name"},
	"ImageInspectError":          {fleet.WhyImage, "its image cannot be read on the node"},
	"RegistryUnavailable":        {fleet.WhyImage, "the registry of its image does not answer"},
	"SignatureValidationFailed":  {fleet.WhyImage, "the signature of its image is not valid"},
	"CrashLoopBackOff":           {fleet.WhyCrash, "it crashes when it starts"},
	"RunContainerError":          {fleet.WhySetup, "it cannot be run"},
	"CreateContainerError":       {fleet.WhySetup, "it cannot be created"},
	"CreateContainerConfigError": {fleet.WhySetup, "its configuration is missing"},
	"PreCreateHookError":         {fleet.WhySetup, "it cannot be created"},
	"PreStartHookError":          {fleet.WhySetup, "it cannot be run"},
	"PostStartHookError":         {fleet.WhySetup, "its hook after the start fails"},
}

// look says where the pod stands, whether or not it drains. patience is how long
// it may start; news is what was last heard of a node for it.
func look(p *corev1.Pod, news news, patience time.Duration, now time.Time) stand {
	switch {
	case p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded:
		return ended(p)
	case p.DeletionTimestamp != nil:
		return stand{state: weir.Draining, text: "its pod is being deleted"}
	}
	if s, is := crashed(p); is {
		return s
	}
	if ready := condition(p, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionTrue {
		return stand{state: weir.Ready}
	}
	s := waits(p, news)
	if took := now.Sub(p.CreationTimestamp.Time); took > patience {
		s.state, s.text = weir.Failed, fmt.Sprintf("not ready after %v: %s", patience, s.text)
		if s.why == fleet.WhyPulling || s.why == fleet.WhyLoading {
			s.why = fleet.WhySlowStart
		}
	}
	return s
}

// ended says why a pod has ended.
func ended(p *corev1.Pod) stand {
	s := stand{weir.Failed, fleet.WhyEnded, strings.TrimSpace(p.Status.Reason + " " + p.Status.Message)}
	if p.Status.Reason == "Evicted" || condition(p, corev1.DisruptionTarget) != nil {
		s.why = fleet.WhyEvicted
	}
	if s.text == "" {
		if t := lastEnd(p); t != nil {
			s.why, s.text = termination(t)
		}
	}
	if s.text == "" {
		s.text = "its containers have ended"
	}
	return s
}

// crashed says why waiting will not start a container of the pod.
func crashed(p *corev1.Pod) (stand, bool) {
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		w := c.State.Waiting
		if w == nil {
			continue
		}
		is, ok := broken[w.Reason]
		if !ok {
			continue
		}
		s := stand{weir.Failed, is.why, fmt.Sprintf("%s: %s (container %s)", w.Reason, is.text, c.Name)}
		if t := c.LastTerminationState.Terminated; t != nil && is.why == fleet.WhyCrash {
			why, text := termination(t)
			if s.text += ": " + text; why == fleet.WhyMemory {
				s.why = why
			}
		} else if w.Message != "" {
			s.text += ": " + w.Message
		}
		return s, true
	}
	return stand{}, false
}

func termination(t *corev1.ContainerStateTerminated) (why, text string) {
	if t.Reason == "OOMKilled" {
		return fleet.WhyMemory, "OOMKilled: it used more memory than its limit"
	}
	if t.ExitCode == 0 {
		why = fleet.WhyEnded
	} else {
		why = fleet.WhyCrash
	}
	return why, strings.TrimSpace(fmt.Sprintf("%s, exit code %d %s", t.Reason, t.ExitCode, t.Message))
}

// lastEnd is how a container of the pod last ended; nil: none has.
func lastEnd(p *corev1.Pod) *corev1.ContainerStateTerminated {
	for _, c := range p.Status.ContainerStatuses {
		for _, t := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
			if t != nil {
				return t
			}
		}
	}
	return nil
}

// waits says what a starting pod waits for.
func waits(p *corev1.Pod, news news) stand {
	s := stand{state: weir.Starting}
	if c := condition(p, corev1.PodScheduled); c == nil || c.Status != corev1.ConditionTrue {
		return withoutNode(c, news)
	}
	for _, c := range slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses) {
		if w := c.State.Waiting; w != nil && w.Reason != "" {
			s.why, s.text = fleet.WhyPulling, strings.TrimSpace("on "+p.Spec.NodeName+": "+w.Reason+" "+w.Message)
			return s
		}
	}
	s.why, s.text = fleet.WhyLoading, "on "+p.Spec.NodeName+": runs and is not ready"
	if len(p.Status.ContainerStatuses) == 0 {
		s.why, s.text = fleet.WhyPulling, "on "+p.Spec.NodeName+": its containers do not run yet"
	}
	if t := lastEnd(p); t != nil {
		_, text := termination(t)
		s.text += ", ended before: " + text
	}
	return s
}

// withoutNode says why a pod has no node yet; c is its condition, perhaps nil.
func withoutNode(c *corev1.PodCondition, news news) stand {
	s := stand{weir.Starting, fleet.WhyScheduling, "waits for a node"}
	switch {
	case news.why != "":
		s.why, s.text = news.why, "waits for a node: "+news.text
	case c == nil || c.Reason == "":
	default:
		s.text = strings.TrimSuffix(fmt.Sprintf("waits for a node: %s: %s", c.Reason, c.Message), ": ")
		switch c.Reason {
		case corev1.PodReasonUnschedulable:
			s.why = fleet.WhyUnschedulable
		case corev1.PodReasonSchedulingGated:
			s.why = fleet.WhyGated
		}
	}
	return s
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
