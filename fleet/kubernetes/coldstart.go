package kubernetes

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"weir"
	"weir/fleet"
)

// startsKept is how many of the last starts are remembered.
const startsKept = 16

// starts are the last cold starts, from the times the API server has in the pods:
// whole seconds. Scheduled is from created to a node; pulled includes volumes and
// init containers.
type starts []fleet.ColdStart

func (s *starts) add(c fleet.ColdStart) {
	*s = append(*s, c)
	if len(*s) > startsKept {
		*s = slices.Delete(*s, 0, 1)
	}
}

func (s starts) median() (fleet.ColdStart, bool) {
	if len(s) == 0 {
		return fleet.ColdStart{}, false
	}
	of := func(phase func(fleet.ColdStart) time.Duration) time.Duration {
		all := make([]time.Duration, len(s))
		for i, c := range s {
			all[i] = phase(c)
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return fleet.ColdStart{
		Scheduled: of(func(c fleet.ColdStart) time.Duration { return c.Scheduled }),
		Pulled:    of(func(c fleet.ColdStart) time.Duration { return c.Pulled }),
		Loaded:    of(func(c fleet.ColdStart) time.Duration { return c.Loaded }),
		Seen:      len(s),
	}, true
}

// moments are those of a pod's start; zero until they come.
func moments(p *corev1.Pod) (created, scheduled, running, ready time.Time) {
	created = p.CreationTimestamp.Time
	if c := condition(p, corev1.PodScheduled); c != nil && c.Status == corev1.ConditionTrue {
		scheduled = c.LastTransitionTime.Time
	}
	for _, c := range p.Status.ContainerStatuses {
		if c.State.Running == nil {
			running = time.Time{}
			break
		}
		if c.State.Running.StartedAt.After(running) {
			running = c.State.Running.StartedAt.Time
		}
	}
	if c := condition(p, corev1.PodReady); c != nil && c.Status == corev1.ConditionTrue {
		ready = c.LastTransitionTime.Time
	}
	return created, scheduled, running, ready
}

// started is the cold start of a ready pod; false if the pod does not tell, or
// its containers were restarted.
func started(p *corev1.Pod) (fleet.ColdStart, bool) {
	created, scheduled, running, ready := moments(p)
	if scheduled.IsZero() || running.IsZero() || ready.IsZero() || restarts(p) > 0 {
		return fleet.ColdStart{}, false
	}
	return fleet.ColdStart{
		Scheduled: max(0, scheduled.Sub(created)), Pulled: max(0, running.Sub(scheduled)), Loaded: max(0, ready.Sub(running)),
	}, true
}

// expected is when a starting pod will be ready, given its phase; 0: unknown.
func (s starts) expected(p *corev1.Pod) weir.Instant {
	usual, ok := s.median()
	if !ok {
		return 0
	}
	created, scheduled, running, _ := moments(p)
	switch {
	case !running.IsZero():
		return weir.At(running.Add(usual.Loaded))
	case !scheduled.IsZero():
		return weir.At(scheduled.Add(usual.Pulled + usual.Loaded))
	}
	return weir.At(created.Add(usual.Total()))
}
