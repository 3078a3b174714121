package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"weir"
	"weir/fleet"
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
	f := func(p *corev1.Pod, want weir.ReplicaState, why, text string) {
		t.Helper()
		have := look(p, news{}, 20*time.Minute, t0.Add(5*time.Minute))
		if have.state != want || have.why != why || !strings.Contains(have.text, text) {
			t.Errorf("%v, want %v, %q with %q", have, want, why, text)
		}
	}
	f(on(), weir.Starting, "scheduling", "waits for a node")
	f(on(cond(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/1 nodes are available: 1 Insufficient nvidia.com/gpu.", 1)),
		weir.Starting, "unschedulable", "Unschedulable: 0/1 nodes are available: 1 Insufficient nvidia.com/gpu.")
	f(on(cond(corev1.PodScheduled, corev1.ConditionFalse, "SchedulingGated", "", 1)), weir.Starting, "gated", "SchedulingGated")
	f(on(node, scheduled(1), waiting("ContainerCreating", "")), weir.Starting, "pulling", "on gpu-0: ContainerCreating")
	f(on(node, scheduled(1), runs(9)), weir.Starting, "loading", "on gpu-0: runs and is not ready")
	f(on(node, scheduled(1), runs(9), ready(20)), weir.Ready, "", "")
	f(on(node, scheduled(1), waiting("ImagePullBackOff", "engine:1 not found")), weir.Failed, "image", "its image cannot be pulled (container engine): engine:1 not found")
	f(on(node, scheduled(1), waiting("CrashLoopBackOff", "back-off 40s"), func(p *corev1.Pod) {
		p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: "OOMKilled", ExitCode: 137}
	}), weir.Failed, "out_of_memory", "OOMKilled: it used more memory than its limit")
	f(on(node, scheduled(1), runs(9), ready(20), func(p *corev1.Pod) { d := at(30); p.DeletionTimestamp = &d }), weir.Draining, "", "being deleted")
	f(on(func(p *corev1.Pod) { p.Status.Phase, p.Status.Reason = corev1.PodFailed, "Evicted" }), weir.Failed, "evicted", "Evicted")
	f(on(func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }), weir.Failed, "ended", "have ended")
	f(on(node, scheduled(1)), weir.Starting, "pulling", "on gpu-0: its containers do not run yet")
	f(on(node, scheduled(1), waiting("ErrImagePull", "429 Too Many Requests")), weir.Failed, "image", "429 Too Many Requests")
	f(on(node, scheduled(1), waiting("InvalidImageName", "")), weir.Failed, "image", "no valid name")
	f(on(node, scheduled(1), waiting("CreateContainerConfigError", `secret "hf-token" not found`)), weir.Failed, "setup", `secret "hf-token" not found`)
	ended := func(reason string, code int32) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.ContainerStatuses[0].LastTerminationState.Terminated = &corev1.ContainerStateTerminated{Reason: reason, ExitCode: code}
		}
	}
	f(on(node, scheduled(1), waiting("CrashLoopBackOff", ""), ended("Error", 3)), weir.Failed, "crash", "Error, exit code 3")
	f(on(node, scheduled(1), waiting("CrashLoopBackOff", ""), ended("Completed", 0)), weir.Failed, "crash", "Completed, exit code 0")
	f(on(node, scheduled(1), waiting("ImagePullBackOff", "no such tag"), ended("Error", 1)), weir.Failed, "image", "no such tag")
	f(on(node, scheduled(1), runs(9), ended("Error", 1)), weir.Starting, "loading", "ended before: Error, exit code 1")
	f(on(cond(corev1.DisruptionTarget, corev1.ConditionTrue, "DeletionByTaintManager", "", 9), func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }),
		weir.Failed, "evicted", "have ended")
}

func TestNewsOfANodeTakesTheSchedulersPlace(t *testing.T) {
	p := on(cond(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/3 nodes are available", 1))
	have := look(p, news{reason: reason{"no_node", "NotTriggerScaleUp: 1 max node group size reached"}}, time.Minute, t0)
	if have.why != "no_node" || have.text != "waits for a node: NotTriggerScaleUp: 1 max node group size reached" {
		t.Errorf("%v", have)
	}
	node(p)
	p.Status.Conditions[0].Status = corev1.ConditionTrue
	if have := look(p, news{reason: reason{"no_node", "old"}}, time.Minute, t0); have.why != "pulling" {
		t.Errorf("%v with a node, want old news forgotten", have)
	}
}

func TestAStartThatTakesTooLongHasFailed(t *testing.T) {
	p := on(node, scheduled(1), runs(9))
	if have := look(p, news{}, time.Minute, t0.Add(time.Minute)); have.state != weir.Starting {
		t.Errorf("after exactly its time it is %v, want starting", have)
	}
	if have := look(p, news{}, time.Minute, t0.Add(time.Minute+1)); have.state != weir.Failed || have.why != "slow_start" ||
		!strings.Contains(have.text, "not ready after 1m0s") {
		t.Errorf("%v, want failed", have)
	}
	p = on(cond(corev1.PodScheduled, corev1.ConditionFalse, "Unschedulable", "0/1 nodes", 1))
	if have := look(p, news{}, time.Minute, t0.Add(time.Hour)); have.state != weir.Failed || have.why != "unschedulable" {
		t.Errorf("%v, want the scheduler's reason kept", have)
	}
}

func TestThePhasesOfAStart(t *testing.T) {
	p := on(node, scheduled(60), runs(150), ready(400))
	have, ok := started(p)
	if want := (fleet.ColdStart{Scheduled: 60 * time.Second, Pulled: 90 * time.Second, Loaded: 250 * time.Second}); !ok || have != want {
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
		s.add(fleet.ColdStart{Scheduled: time.Duration(i), Pulled: 2, Loaded: 3})
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

// TestReadinessLostAndRegainedIsNoColdStart: of a pod that was ready before this
// Weir began, the last time it became ready is all there is to see.
func TestReadinessLostAndRegainedIsNoColdStart(t *testing.T) {
	w := newWorkload(&Fleet{}, Deployment{StartTimeout: 20 * time.Minute})
	for uid, became := range map[types.UID]int{"a": 3 * 86400, "b": 400} {
		p := on(node, scheduled(60), runs(150), ready(became))
		p.UID = uid
		w.see(p, t0)
	}
	w.views(t0.Add(100 * time.Hour))
	if len(w.starts) != 1 || w.starts[0].Loaded != 250*time.Second {
		t.Errorf("learned from %v, want the start of 400 s alone", w.starts)
	}
}

// TestAReadyPodIsNewToADecisionAfterIt: a pod became ready at 400.9 s, of which the
// API server has 400, and the last decision was at 400.5 s.
func TestAReadyPodIsNewToADecisionAfterIt(t *testing.T) {
	w := newWorkload(&Fleet{}, Deployment{StartTimeout: 20 * time.Minute, Scheme: "http", Port: 8000})
	at := func(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }
	version := 0
	view := func(seconds float64, became int) weir.Replica {
		t.Helper()
		version++
		p := on(node, scheduled(60), runs(150), func(p *corev1.Pod) {
			p.UID, p.ResourceVersion, p.Status.PodIP = "a", fmt.Sprint(version), "10.0.0.1"
		})
		if became > 0 {
			ready(became)(p)
		}
		w.see(p, at(seconds))
		return w.views(at(seconds))[0]
	}
	view(400.5, 0)
	if r := view(400.9, 400); r.State != weir.Ready || r.ReadyAt != weir.At(at(400.9)) {
		t.Errorf("%v since %v, want ready since 400.9 s", r.State, r.ReadyAt.Sub(weir.At(t0)))
	}
	view(900, 0)
	if r := view(950, 949); r.State != weir.Ready || r.ReadyAt != weir.At(at(400.9)) {
		t.Errorf("readiness lost and regained is taken for a start that took %v", r.ReadyAt.Sub(r.Asked))
	}
	w = newWorkload(&Fleet{}, w.d)
	view(400.5, 0)
	if r := view(460, 400); r.ReadyAt != weir.At(at(400)) {
		t.Errorf("heard of a minute late, the start took %v, want 400 s", r.ReadyAt.Sub(r.Asked))
	}
}

func TestAPodsAddressAndName(t *testing.T) {
	p := on(func(p *corev1.Pod) {
		p.Status.PodIP = "fd00::1"
		p.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{ContainerPort: 8000}}}}
	})
	d := Deployment{Scheme: "http"}
	f := func(want string) {
		t.Helper()
		if have := d.address(p); have != want {
			t.Errorf("address %q, want %q", have, want)
		}
	}
	f("http://[fd00::1]:8000")
	d.Port = 9000
	f("http://[fd00::1]:9000")
	p.Status.PodIP = ""
	f("")
	d.At, d.Port = AtHost, 0
	f("")
	p.Status.HostIP = "10.0.0.4"
	f("") // no hostPort
	p.Spec.Containers[0].Ports[0].HostPort = 30080
	f("http://10.0.0.4:30080")
	d.At = AtAnnotation
	f("")
	for _, wrong := range []string{"", "127.0.0.1", ":9", "127.0.0.1:", "http://127.0.0.1:9"} {
		p.Annotations = map[string]string{addressMark: wrong}
		f("")
	}
	p.Annotations = map[string]string{addressMark: "127.0.0.1:18080"}
	f("http://127.0.0.1:18080")
	d.Kind = "StatefulSet"
	if have := d.identity(p); have != "m-1-1f2e" {
		t.Errorf("identity %q: the name alone comes back", have)
	}
	if ordinal(p) != 1 {
		t.Errorf("ordinal %d, want 1", ordinal(p))
	}
}
