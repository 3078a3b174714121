package kubernetes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir"
	"weir/fleet"
)

// short checks that an error of Scale is a shortage with this word and message.
func short(t *testing.T, err error, why, text string) {
	t.Helper()
	var s *fleet.Shortage
	if !errors.As(err, &s) || !errors.Is(err, fleet.ErrNoCapacity) || s.Why != why || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want a shortage: %s with %q", err, why, text)
	}
}

// other creates a pod of another program on the world's nodes.
func (w *world) other(name, resources string) {
	w.Helper()
	w.apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: models}
spec:
  nodeSelector: {pool: %s}
  tolerations: [{key: sku, operator: Exists}]
  containers: [{name: c, image: other, resources: {limits: {%s}}}]
`, name, w.namespace, resources))
	w.until("the other pod runs", func() (bool, string) {
		p, err := w.resource("v1", "pods", w.namespace).Get(soon(w.T), name, metav1.GetOptions{})
		return err == nil && strings.Contains(fmt.Sprint(p.Object["status"]), "Running"), fmt.Sprint(p, err)
	})
}

// TestGPUsThatOthersHoldAreNotAskedFor: no pod is created that finds none.
func TestGPUsThatOthersHoldAreNotAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	w.other("other-0", gpu+": 1")
	w.other("other-1", gpu+": 1")
	f, _ := w.start(w.options("Deployment"), 2) // 4 until the pods of others are counted
	short(t, f.Scale(soon(t), "m", 4, nil), fleet.WhyUnschedulable, "1 nodes take it, with room for 2 of its pods (1 "+gpu+" each); other pods hold the room of 2")
	w.ready(f, 2)
	if n := w.replicas("deployments"); n != 2 {
		t.Errorf("the number is %d, want 2: no more pods than can come", n)
	}
	if most, why, text := f.Bound("m"); most != 2 || why != fleet.WhyUnschedulable || f.Room("m") != 2 {
		t.Errorf("room for %d: %s: %s; want 2", most, why, text)
	}
	now := int64(0)
	if err := w.resource("v1", "pods", w.namespace).Delete(soon(t), "other-0", metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
		t.Fatal(err)
	}
	w.until("the other has gone, and there is room for one more", func() (bool, string) {
		err := f.Scale(soon(t), "m", 3, nil)
		rs, _ := f.Status(t.Context(), "m")
		return err == nil && count(rs, weir.Ready) == 3, fmt.Sprint(err, list(rs))
	})
}

// TestWhatNoNodeTakesIsGivenUp: the nodes seem to have room, and do not. Weir
// leaves CPU to the scheduler.
func TestWhatNoNodeTakesIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	w.other("other", "cpu: 94")
	w.patch("apps/v1", "deployments", "m",
		`{"spec":{"template":{"spec":{"containers":[{"name":"engine","image":"engine:1","ports":[{"containerPort":8000}],"resources":{"limits":{"`+gpu+`":1,"cpu":1}}}]}}}}`)
	o := w.options("Deployment")
	f, _ := w.start(o, 4)
	w.scale(f, 4)
	w.until("two of the four are given up", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		return err == nil && len(rs) == 2 && count(rs, weir.Ready) == 2 && w.replicas("deployments") == 2, list(rs)
	})
	short(t, f.Scale(soon(t), "m", 4, nil), fleet.WhyUnschedulable, "1 Insufficient cpu")
	if n := w.replicas("deployments"); n != 2 {
		t.Errorf("the number is %d, want 2: no more pods than can come", n)
	}
	o.Deployments[0].MaxReplicas = 32
	if err := f.Configure(o.Deployments); err != nil {
		t.Fatal(err)
	}
	w.until("the workload of the reload is known", func() (bool, string) {
		_, err := f.Status(t.Context(), "m")
		return err == nil, fmt.Sprint(err)
	})
	short(t, f.Scale(soon(t), "m", 4, nil), fleet.WhyUnschedulable, "1 Insufficient cpu")
	if n := w.replicas("deployments"); n != 2 {
		t.Errorf("after a reload of the most replicas the number is %d, want 2: the shortage is still known", n)
	}
	w.node("b", 2)
	w.until("a node comes, and they do", func() (bool, string) {
		err := f.Scale(soon(t), "m", 4, nil)
		rs, _ := f.Status(t.Context(), "m")
		return err == nil && count(rs, weir.Ready) == 4, fmt.Sprint(err, list(rs))
	})
}

// TestWhereAnotherScalesTheBoundsAreKnownToo: Weir writes nothing there, and
// decides on no more than can come.
func TestWhereAnotherScalesTheBoundsAreKnownToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", "")
	w.other("other", gpu+": 1, cpu: 94")
	w.patch("apps/v1", "deployments", "m",
		`{"spec":{"template":{"spec":{"containers":[{"name":"engine","image":"engine:1","ports":[{"containerPort":8000}],"resources":{"limits":{"`+gpu+`":1,"cpu":1}}}]}}}}`)
	o := w.options("Deployment")
	o.Deployments[0].ScaledElsewhere = true
	f, _ := w.start(o, 3) // without the other's
	w.patch("apps/v1", "deployments", "m", `{"spec":{"replicas":3}}`)
	w.until("one of the three has not come", func() (bool, string) {
		most, why, text := f.Bound("m")
		return most == 2 && why == fleet.WhyUnschedulable && strings.Contains(text, "Insufficient cpu"), fmt.Sprint(most, why, text)
	})
	if n := w.replicas("deployments"); n != 3 {
		t.Errorf("the number is %d, want the other's 3", n)
	}
}

// event writes an event about a pod, as its component does.
func (w *world) event(pod, component, kind, reason, message string) {
	w.Helper()
	p, err := w.resource("v1", "pods", w.namespace).Get(soon(w.T), pod, metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	now := time.Now().UTC().Format(time.RFC3339)
	w.create("v1", "events", w.namespace, w.file(fmt.Sprintf(`
kind: Event
metadata: {generateName: %s., namespace: %s}
involvedObject: {apiVersion: v1, kind: Pod, name: %s, namespace: %s, uid: %s}
source: {component: %s}
type: %s
reason: %s
message: %s
count: 1
firstTimestamp: %q
lastTimestamp: %q
`, pod, w.namespace, pod, w.namespace, p.GetUID(), component, kind, reason, quote(message), now, now)))
}

// TestWhatIsSaidOfANodeToCome: a deployment on a pool that grows asks for a pod
// that no node takes; what the cluster's autoscaler says of it decides. The
// messages are written as in cluster-autoscaler
// processors/status/eventing_scale_up_processor.go and karpenter
// pkg/controllers/provisioning/scheduling/events.go (also AKS's node
// auto-provisioning).
func TestWhatIsSaidOfANodeToCome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ component, kind, reason, message, why string }{
		{"cluster-autoscaler", "Normal", "TriggeredScaleUp", "pod triggered scale-up: [{aks-gpunp-98036146-vmss 0->1 (max: 2)}]", fleet.WhyNodeComing},
		{"karpenter", "Normal", "Nominated", "Pod should schedule on: nodeclaim/gpu-7xkzs", fleet.WhyNodeComing},
		{"cluster-autoscaler", "Normal", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached", fleet.WhyNoNode},
		{"cluster-autoscaler", "Normal", "NotTriggerScaleUp", "pod didn't trigger scale-up: 1 in backoff after failed scale-up", fleet.WhyNoNode},
		{"karpenter", "Warning", "FailedScheduling", "Failed to schedule pod, all available instance types exceed limits for nodepool: \"gpu\"", fleet.WhyNoNode},
		{"default-scheduler", "Warning", "FailedScheduling", "0/1 nodes are available: 1 node(s) had untolerated taint(s).", fleet.WhyUnschedulable},
	} {
		t.Run(c.component+" "+c.reason, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 0)
			w.workload("Deployment", "")
			o := w.options("Deployment")
			o.Deployments[0].NodesMax = 2                      // one more may come
			o.Deployments[0].PendingTimeout = 12 * time.Second // longer than until the news is asked for
			f, _ := w.start(o, 1)
			w.scale(f, 1)
			var id string
			w.until("its pod finds no node", func() (bool, string) {
				rs, err := f.Status(t.Context(), "m")
				ok := err == nil && len(rs) == 1 && rs[0].Why != fleet.WhyScheduling
				if ok {
					id = rs[0].ID
				}
				return ok, list(rs)
			})
			w.event(id, c.component, c.kind, c.reason, c.message)
			w.until("the replica says "+c.why, func() (bool, string) {
				rs, err := f.Status(t.Context(), "m")
				return err == nil && len(rs) == 1 && rs[0].State == weir.Starting && rs[0].Why == c.why &&
					(c.why == fleet.WhyUnschedulable || strings.Contains(rs[0].Detail, c.reason+": "+c.message)), list(rs)
			})
			if c.why == fleet.WhyNodeComing {
				w.node("b", 1)
				w.ready(f, 1)
				return
			}
			w.ready(f, 0) // given up
			text := c.reason + ": " + c.message
			if c.why == fleet.WhyUnschedulable {
				text = "nodes are available" // the scheduler's own condition
			}
			short(t, f.Scale(soon(t), "m", 1, nil), c.why, text)
		})
	}
}

// TestWhatStandsInTheWayHasItsWord: what kubelets write into a pod's status
// (pkg/kubelet/images/types.go, pkg/kubelet/kuberuntime/kuberuntime_container.go).
func TestWhatStandsInTheWayHasItsWord(t *testing.T) {
	t.Parallel()
	waiting := func(reason, message, last string) string {
		return fmt.Sprintf(`{"name":"engine","image":"engine:1","imageID":"","ready":false,"restartCount":1,"state":{"waiting":{"reason":%s,"message":%s}}%s}`,
			quote(reason), quote(message), last)
	}
	ended := func(reason string, code int) string {
		return fmt.Sprintf(`,"lastState":{"terminated":{"reason":%s,"exitCode":%d}}`, quote(reason), code)
	}
	w := newWorld(t, 4)
	w.workload("Deployment", `{"labels":{"start":"by-hand"}}`)
	f, _ := w.start(w.options("Deployment"), 4)
	w.scale(f, 1)
	w.until("it has a node", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		return err == nil && len(rs) == 1 && rs[0].Why == fleet.WhyPulling, list(rs)
	})
	rs, _ := f.Status(t.Context(), "m")
	for _, c := range []struct {
		status, why, text string
		state             weir.ReplicaState
	}{
		{waiting("ContainerCreating", "", ""), fleet.WhyPulling, "ContainerCreating", weir.Starting},
		{waiting("ErrImagePull", "pull access denied, repository does not exist", ""), fleet.WhyImage, "pull access denied", weir.Failed},
		{waiting("ImagePullBackOff", `Back-off pulling image "engine:1"`, ""), fleet.WhyImage, "Back-off pulling", weir.Failed},
		{waiting("CreateContainerConfigError", `secret "hf-token" not found`, ""), fleet.WhySetup, "hf-token", weir.Failed},
		{waiting("CrashLoopBackOff", "back-off 40s restarting failed container", ended("Error", 1)), fleet.WhyCrash, "exit code 1", weir.Failed},
		{waiting("CrashLoopBackOff", "back-off 40s restarting failed container", ended("OOMKilled", 137)), fleet.WhyMemory, "more memory than its limit", weir.Failed},
		{`{"name":"engine","image":"engine:1","imageID":"","ready":false,"restartCount":0,"state":{"running":{"startedAt":"2026-11-30T12:00:00Z"}}}`, fleet.WhyLoading, "runs and is not ready", weir.Starting},
	} {
		w.patch("v1", "pods", rs[0].ID, `{"status":{"containerStatuses":[`+c.status+`]}}`, "status")
		w.until(c.why, func() (bool, string) {
			now, err := f.Status(t.Context(), "m")
			return err == nil && len(now) == 1 && now[0].State == c.state && now[0].Why == c.why && strings.Contains(now[0].Detail, c.text), list(now)
		})
	}
}

// TestWhatTheAPIServerDeniesIsGivenUpWithItsReason: a quota Weir cannot count
// (for some pods only), and the reasons of others who may refuse a pod.
func TestWhatTheAPIServerDeniesIsGivenUpWithItsReason(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ object, why, text string }{
		"quota": {`
apiVersion: v1
kind: ResourceQuota
metadata: {name: team, namespace: models}
spec: {hard: {pods: 1}, scopes: [NotTerminating]}
`, fleet.WhyQuota, "exceeded quota: team, requested: pods=1, used: pods=1, limited: pods=1"},
		"denied": {`
apiVersion: v1
kind: LimitRange
metadata: {name: small, namespace: models}
spec: {limits: [{type: Pod, max: {` + gpu + `: 0}}]}
`, fleet.WhyDenied, "maximum " + gpu + " usage per Pod is 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 4)
			w.workload("Deployment", "")
			w.apply(c.object)
			have := 0
			if c.why == fleet.WhyQuota {
				have = 1
				w.until("the quota counts", func() (bool, string) {
					o, err := w.resource("v1", "resourcequotas", w.namespace).Get(soon(t), "team", metav1.GetOptions{})
					return err == nil && strings.Contains(fmt.Sprint(o.Object["status"]), "used"), fmt.Sprint(o)
				})
			}
			f, _ := w.start(w.options("Deployment"), 4)
			w.scale(f, 3)
			w.ready(f, have)
			w.until("the number is lowered", func() (bool, string) {
				n := w.replicas("deployments")
				return n == int64(have), fmt.Sprint(n)
			})
			short(t, f.Scale(soon(t), "m", 3, nil), c.why, c.text)
		})
	}
}

// TestWithoutItsProvisioningRequestNoPodIsAskedFor. The definition here has the
// parts of the cluster autoscaler's that the test uses
// (apis/config/crd/autoscaling.x-k8s.io_provisioningrequests.yaml); nothing here
// provisions, so the test writes the conditions.
func TestWithoutItsProvisioningRequestNoPodIsAskedFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.apply(`
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: provisioningrequests.autoscaling.x-k8s.io
  annotations: {api-approved.kubernetes.io: "https://github.com/kubernetes/autoscaler/pull/5848"}
spec:
  group: autoscaling.x-k8s.io
  scope: Namespaced
  names: {kind: ProvisioningRequest, listKind: ProvisioningRequestList, plural: provisioningrequests, singular: provisioningrequest}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
`)
	w.until("the kind is served", func() (bool, string) {
		_, err := w.resource("autoscaling.x-k8s.io/v1", "provisioningrequests", w.namespace).List(soon(t), metav1.ListOptions{})
		return err == nil, fmt.Sprint(err)
	})
	w.apply(`
apiVersion: autoscaling.x-k8s.io/v1
kind: ProvisioningRequest
metadata: {name: gpus, namespace: models}
spec: {provisioningClassName: check-capacity.autoscaling.x-k8s.io, podSets: [{podTemplateRef: {name: engine}, count: 2}]}
`)
	w.workload("Deployment", `{"annotations":{"autoscaling.x-k8s.io/consume-provisioning-request":"gpus"}}`)
	f, _ := w.start(w.options("Deployment"), 4)
	short(t, f.Scale(soon(t), "m", 2, nil), fleet.WhyProvisioning, "ProvisioningRequest gpus has no answer yet")
	answer := func(kind, reason string) {
		w.patch("autoscaling.x-k8s.io/v1", "provisioningrequests", "gpus", fmt.Sprintf(`{"status":{"conditions":[{"type":%q,"status":"True","reason":%q,
			"message":"as it is","lastTransitionTime":"2026-11-30T12:00:00Z"}]}}`, kind, reason), "status")
	}
	answer("Failed", "CapacityIsNotFound")
	short(t, f.Scale(soon(t), "m", 2, nil), fleet.WhyNoNode, "ProvisioningRequest gpus: Failed CapacityIsNotFound: as it is")
	if n := w.replicas("deployments"); n != 0 {
		t.Errorf("the number is %d, want 0", n)
	}
	answer("Provisioned", "CapacityIsFound")
	w.scale(f, 2)
	w.ready(f, 2)
}

// TestAStartIsLearnedInItsPhases: the times are those in the pod's conditions and
// container; the kubelet's events about the image say nothing of a node.
func TestAStartIsLearnedInItsPhases(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.workload("Deployment", `{"labels":{"start":"by-hand"}}`)
	o := w.options("Deployment")
	o.Deployments[0].PendingTimeout = time.Hour // the scheduler may know of the node later than Weir
	f, _ := w.start(o, 4)
	if _, ok := f.ColdStart("m"); ok {
		t.Error("a start is known before the first")
	}
	w.scale(f, 1)
	var id string
	w.until("its pod has a node", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		if err == nil && len(rs) == 1 {
			id = rs[0].ID
		}
		return err == nil && len(rs) == 1 && rs[0].Why == fleet.WhyPulling, list(rs)
	})
	p, err := w.resource("v1", "pods", w.namespace).Get(soon(t), id, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	created := p.GetCreationTimestamp().Time
	after := func(seconds int) string {
		return created.Add(time.Duration(seconds) * time.Second).UTC().Format(time.RFC3339)
	}
	w.event(id, "kubelet", "Normal", "Pulling", `Pulling image "engine:1"`)
	// Conditions are merged by their type: the scheduler's stays, with a time of our own.
	w.merge("pods", id, fmt.Sprintf(`{"status":{"phase":"Running","podIP":"10.9.8.7","podIPs":[{"ip":"10.9.8.7"}],"conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":%q}],
		"containerStatuses":[{"name":"engine","image":"engine:1","imageID":"","ready":false,"restartCount":0,"state":{"running":{"startedAt":%q}}}]}}`,
		after(60), after(150)))
	w.event(id, "kubelet", "Normal", "Pulled", `Successfully pulled image "engine:1" in 1m28.4s (1m28.4s including waiting). Image size: 9876543210 bytes.`)
	w.until("it loads", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		return err == nil && len(rs) == 1 && rs[0].Why == fleet.WhyLoading, list(rs)
	})
	w.merge("pods", id, fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"True","lastTransitionTime":%q}]}}`, after(400)))
	w.ready(f, 1)
	want := fleet.ColdStart{Scheduled: 60 * time.Second, Pulled: 90 * time.Second, Loaded: 250 * time.Second, Seen: 1}
	if have, ok := f.ColdStart("m"); !ok || have != want || have.Total() != 400*time.Second {
		t.Errorf("learned %+v, want %+v", have, want)
	}
	w.scale(f, 2) // the next one is expected by what was learned
	w.until("the next one is expected", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		if err != nil || len(rs) != 2 || rs[1].Why != fleet.WhyPulling {
			return false, list(rs)
		}
		left := rs[1].ReadyAt.Sub(rs[1].Asked) // it has a node, at once
		return left >= 340*time.Second && left < 400*time.Second, left.String()
	})
}
