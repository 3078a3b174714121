package kubernetes

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir"
)

var t0 = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

func at(seconds int) metav1.Time { return metav1.NewTime(t0.Add(time.Duration(seconds) * time.Second)) }

// on makes a pod created at t0 and changes it.
func on(change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{}
	p.Name, p.UID, p.CreationTimestamp = "m-1", "1f2e-3d", at(0)
	p.Status.Phase = corev1.PodPending
	for _, c := range change {
		c(p)
	}
	return p
}

func cond(kind corev1.PodConditionType, status corev1.ConditionStatus, reason, message string, seconds int) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{
			Type: kind, Status: status, Reason: reason, Message: message, LastTransitionTime: at(seconds)})
	}
}

func node(p *corev1.Pod) { p.Spec.NodeName = "gpu-0" }

func scheduled(seconds int) func(*corev1.Pod) {
	return cond(corev1.PodScheduled, corev1.ConditionTrue, "", "", seconds)
}

func waiting(reason, message string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "engine",
			State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
	}
}

func runs(seconds int) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.Phase = corev1.PodRunning
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "engine",
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(seconds)}}}}
	}
}

func ready(seconds int) func(*corev1.Pod) {
	return cond(corev1.PodReady, corev1.ConditionTrue, "", "", seconds)
}

func TestWhereAPodStands(t *testing.T) {
	f := func(p *corev1.Pod, want weir.ReplicaState, detail string) {
		t.Helper()
		state, why := look(p, 20*time.Minute, t0.Add(5*time.Minute))
		if state != want || !strings.Contains(why, detail) {
			t.Errorf("%v %q, want %v with %q", state, why, want, detail)
		}
	}
	f(on(), weir.Starting, "waits for a node")
	f(on(cond(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", 1)),
		weir.Starting, "Unschedulable: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
	f(on(cond(corev1.PodScheduled, corev1.ConditionFalse, "SchedulingGated", "", 1)), weir.Starting, "SchedulingGated")
	f(on(node, scheduled(1), waiting("ContainerCreating", "")), weir.Starting, "on gpu-0: ContainerCreating")
	f(on(node, scheduled(1), runs(9)), weir.Starting, "on gpu-0: runs and is not ready")
	f(on(node, scheduled(1), runs(9), ready(20)), weir.Ready, "")
	f(on(node, scheduled(1), waiting("ImagePullBackOff", "engine:1 not found")), weir.Failed, "its image cannot be pulled (container engine): engine:1 not found")
	f(on(node, scheduled(1), waiting("CrashLoopBackOff", "back-off 40s"), func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}
	}), weir.Failed, "OOMKilled: it used more memory than its limit")
	f(on(node, scheduled(1), runs(9), ready(20), func(p *corev1.Pod) { d := at(30); p.DeletionTimestamp = &d }), weir.Draining, "being deleted")
	f(on(func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }), weir.Failed, "Evicted")
	f(on(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), weir.Failed, "have ended")
}

func TestAStartThatTakesTooLongHasFailed(t *testing.T) {
	p := on(node, scheduled(1), runs(9))
	if state, _ := look(p, time.Minute, t0.Add(time.Minute)); state != weir.Starting {
		t.Errorf("after exactly its time it is %v, want starting", state)
	}
	if state, why := look(p, time.Minute, t0.Add(time.Minute+1)); state != weir.Failed || !strings.Contains(why, "not ready after 1m0s") {
		t.Errorf("%v %q, want failed", state, why)
	}
}

func TestThePhasesOfAStart(t *testing.T) {
	p := on(node, scheduled(60), runs(150), ready(400))
	have, ok := started(p)
	if want := (ColdStart{60 * time.Second, 90 * time.Second, 250 * time.Second}); !ok || have != want {
		t.Errorf("%v, want %v", have, want)
	}
	p.Status.ContainerStatuses[0].RestartCount = 1
	if _, ok := started(p); ok {
		t.Error("a start of which a part was done again counts")
	}
	var s starts
	if s.expected(on()) != 0 {
		t.Error("an end is expected of what was never seen")
	}
	for i := range 2 * startsKept {
		s.add(ColdStart{time.Duration(i), 2, 3})
	}
	if len(s) != startsKept {
		t.Errorf("%d starts are kept, want %d", len(s), startsKept)
	}
	s = starts{have}
	for _, c := range []struct {
		p    *corev1.Pod
		want int
	}{{on(), 400}, {on(node, scheduled(10)), 350}, {on(node, scheduled(10), runs(20)), 270}} {
		if have := s.expected(c.p); have != weir.At(at(c.want).Time) {
			t.Errorf("expected after %v, want %d s", have.Sub(weir.At(t0)), c.want)
		}
	}
}

func TestAPodsAddressAndName(t *testing.T) {
	p := on(func(p *corev1.Pod) {
		p.Status.PodIP = "fd00::1"
		p.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{ContainerPort: 8000}}}}
	})
	d := Deployment{Scheme: "http"}
	if have := d.address(p, nil); have != "http://[fd00::1]:8000" {
		t.Errorf("address %q", have)
	}
	d.Port = 9000
	if have := d.address(p, func(_, pod, at string) string { return pod + "=" + at }); have != "http://m-1=[fd00::1]:9000" {
		t.Errorf("address %q", have)
	}
	p.Status.PodIP = ""
	if have := d.address(p, nil); have != "" {
		t.Errorf("address %q of a pod that has none", have)
	}
	d.Kind = "StatefulSet"
	if have := d.identity(p); have != "m-1-1f2e" {
		t.Errorf("identity %q: the name alone comes back", have)
	}
	if ordinal(p) != 1 {
		t.Errorf("ordinal %d, want 1", ordinal(p))
	}
}
