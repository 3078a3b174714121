package kubernetes

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

const gpus = corev1.ResourceName("nvidia.com/gpu")

func of(n string) corev1.ResourceList { return corev1.ResourceList{gpus: resource.MustParse(n)} }

func machine(name string, n string, change ...func(*corev1.Node)) *corev1.Node {
	m := &corev1.Node{}
	m.Name, m.Labels = name, map[string]string{"pool": "gpu"}
	m.Status.Allocatable = of(n)
	m.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	m.Spec.Taints = []corev1.Taint{{Key: "sku", Value: "gpu", Effect: corev1.TaintEffectNoSchedule}}
	for _, c := range change {
		c(m)
	}
	return m
}

func TestTheRoomOnNodes(t *testing.T) {
	sh := shape{pods: 1, asks: of("2"), nodes: map[string]string{"pool": "gpu"}, bears: []corev1.Toleration{{Key: "sku", Operator: corev1.TolerationOpExists}}}
	f := func(sh shape, held []taking, nodesMax, want int, ms ...*corev1.Node) {
		t.Helper()
		s := newNodes()
		all := make([]any, len(ms))
		for i, m := range ms {
			all[i] = m
		}
		if err := s.Replace(all, ""); err != nil {
			t.Fatal(err)
		}
		if have, why := s.room(sh, held, nil, nodesMax); have != want {
			t.Errorf("room %d (%s), want %d", have, why, want)
		}
	}
	f(sh, nil, 0, 4, machine("a", "4"), machine("b", "5"))
	f(sh, nil, 5, 10, machine("a", "4"), machine("b", "4")) // three more may come, like those
	f(sh, nil, 3, 3)                                        // none yet: one each is sure
	f(sh, nil, 1, 4, machine("a", "4"), machine("b", "4"))
	f(sh, []taking{{"a", false, of("3")}}, 0, 2, machine("a", "4"), machine("b", "4")) // another deployment's
	f(sh, []taking{{"a", true, of("2")}}, 0, 4, machine("a", "4"), machine("b", "4"))  // its own count in
	cordoned := func(m *corev1.Node) { m.Spec.Unschedulable = true }
	f(sh, []taking{{"a", true, of("2")}}, 0, 3, machine("a", "4", cordoned), machine("b", "4")) // what runs there stays
	f(sh, nil, 3, 4, machine("a", "4", cordoned), machine("b", "4"))                            // one may come: the cordoned one is of the three
	f(sh, nil, 3, 2, machine("a", "4", cordoned, func(m *corev1.Node) {
		m.Spec.Taints = append(m.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule})
	}), machine("b", "2"))
	f(sh, nil, 2, 4, machine("a", "4", cordoned, func(m *corev1.Node) { m.Labels = nil }), machine("b", "4")) // another pool's
	f(sh, nil, 0, 2, machine("a", "4"), machine("b", "4", func(m *corev1.Node) { m.Labels = nil }))
	f(sh, nil, 0, 2, machine("a", "4"), machine("b", "4", func(m *corev1.Node) { m.Spec.Taints[0].Key = "other" }))
	f(sh, nil, 0, 2, machine("a", "4"), machine("b", "4", func(m *corev1.Node) { m.Status.Conditions[0].Status = corev1.ConditionFalse }))
	group := sh
	group.pods = 2
	f(group, nil, 0, 2, machine("a", "4"), machine("b", "4")) // two pods are one replica
	f(shape{pods: 1, asks: corev1.ResourceList{"cpu": resource.MustParse("1")}}, nil, 0, -1, machine("a", "4"))
	if have, _ := newNodes().room(sh, nil, nil, 0); have != -1 {
		t.Errorf("room %d while the nodes are not known, want -1", have)
	}
}

// TestEveryKindOfDeviceIsCounted: the names are those the vendors' device plugins
// give.
func TestEveryKindOfDeviceIsCounted(t *testing.T) {
	for _, name := range []corev1.ResourceName{"nvidia.com/gpu", "nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared",
		"amd.com/gpu", "habana.ai/gaudi", "google.com/tpu", "gpu.intel.com/i915"} {
		l := corev1.ResourceList{name: resource.MustParse("3"), "cpu": resource.MustParse("96")}
		s := newNodes()
		if err := s.Add(machine("a", "0", func(n *corev1.Node) { n.Status.Allocatable, n.Spec.Taints = l, nil })); err != nil {
			t.Fatal(err)
		}
		s.listed = true
		sh := shape{pods: 1, asks: corev1.ResourceList{name: resource.MustParse("1"), "cpu": resource.MustParse("90")}}
		if have, why := s.room(sh, nil, nil, 0); have != 3 || !strings.Contains(why, "1 "+string(name)+" each") {
			t.Errorf("%s: room %d (%s), want 3", name, have, why)
		}
		s.others["a"] = listing{asks: corev1.ResourceList{name: resource.MustParse("2")}}
		if have, why := s.room(sh, nil, nil, 0); have != 1 || !strings.Contains(why, "other pods hold the room of 2") {
			t.Errorf("%s: room %d (%s), want 1 beside the others", name, have, why)
		}
	}
}

func TestWhatAPodRequests(t *testing.T) {
	with := func(n string, policy ...corev1.ContainerRestartPolicy) corev1.Container {
		c := corev1.Container{Resources: corev1.ResourceRequirements{Limits: of(n)}}
		for _, p := range policy {
			c.RestartPolicy = &p
		}
		return c
	}
	f := func(want int64, p corev1.PodSpec) {
		t.Helper()
		if have := requests(&p)[gpus]; have.Value() != want {
			t.Errorf("%v GPUs, want %d", &have, want)
		}
	}
	f(3, corev1.PodSpec{Containers: []corev1.Container{with("1"), with("2")}})
	f(3, corev1.PodSpec{Containers: []corev1.Container{with("1")}, InitContainers: []corev1.Container{with("3")}})
	f(2, corev1.PodSpec{Containers: []corev1.Container{with("1")}, InitContainers: []corev1.Container{with("1", corev1.ContainerRestartPolicyAlways)}})
	f(4, corev1.PodSpec{Containers: []corev1.Container{with("1")}, InitContainers: []corev1.Container{with("1", corev1.ContainerRestartPolicyAlways), with("3")}})
	f(0, corev1.PodSpec{})
}

func TestARequiredAffinityChoosesNodes(t *testing.T) {
	n := machine("a", "8")
	n.Labels = map[string]string{"sku": "h100", "gpus": "8"}
	req := func(key string, op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: key, Operator: op, Values: values}
	}
	term := func(rs ...corev1.NodeSelectorRequirement) corev1.NodeSelectorTerm {
		return corev1.NodeSelectorTerm{MatchExpressions: rs}
	}
	f := func(want bool, terms ...corev1.NodeSelectorTerm) {
		t.Helper()
		if have := meets(n, terms); have != want {
			t.Errorf("%v: %v, want %v", terms, have, want)
		}
	}
	f(true)
	f(false, term()) // a term without requirements is met by none
	f(true, term(req("sku", "In", "a100", "h100")))
	f(false, term(req("sku", "NotIn", "h100")))
	f(true, term(req("zone", "NotIn", "1"))) // as the scheduler has it: the label is not there
	f(true, term(req("sku", "Exists"), req("zone", "DoesNotExist")))
	f(true, term(req("gpus", "Gt", "7"), req("gpus", "Lt", "9")))
	f(false, term(req("gpus", "Gt", "8")))
	f(true, term(req("zone", "Exists")), term(req("sku", "Exists"))) // one of them is enough
	f(false, term(req("sku", "Exists"), req("zone", "Exists")))
	f(true, corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{req("metadata.name", "In", "a")}})
	f(false, corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{req("metadata.name", "In", "b")}})
	f(false, term(req("sku", "Near", "h100"))) // an operator of a later time
}

func TestPodsOfOthersAreListedWithinBounds(t *testing.T) {
	s := newNodes()
	sh := shape{pods: 1, asks: of("1")}
	for i := range nodesMost + 40 {
		n := machine(fmt.Sprintf("n%03d", i), "8")
		n.Spec.Taints = nil
		if err := s.Add(n); err != nil {
			t.Fatal(err)
		}
	}
	lists := 0
	for now := t0; ; now = now.Add(time.Second) {
		names := s.stale(sh, time.Hour, now)
		if len(names) == 0 {
			break
		}
		if lists += len(names); len(names) > listsMost || lists > nodesMost {
			t.Fatalf("%d at a time, %d in all: want at most %d and %d", len(names), lists, listsMost, nodesMost)
		}
		for _, name := range names {
			s.others[name] = listing{at: now}
		}
	}
	if lists != nodesMost {
		t.Errorf("%d nodes are listed, want %d", lists, nodesMost)
	}
	if names := s.stale(sh, time.Hour, t0.Add(2*time.Hour)); len(names) != listsMost || names[0] != "n000" {
		t.Errorf("%v, want those longest unknown again", names)
	}
	s.denied = t0
	if names := s.stale(sh, 0, t0.Add(deniedFor-1)); names != nil {
		t.Errorf("%v are asked for, want none: it is not allowed", names)
	}
}

func TestTheRoomInAQuota(t *testing.T) {
	sh := shape{pods: 1, asks: of("2")}
	quota := func(name string, hard, used string) corev1.ResourceQuota {
		return corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "q"}, Status: corev1.ResourceQuotaStatus{
			Hard: corev1.ResourceList{corev1.ResourceName(name): resource.MustParse(hard)},
			Used: corev1.ResourceList{corev1.ResourceName(name): resource.MustParse(used)}}}
	}
	f := func(want int, words string, qs ...corev1.ResourceQuota) {
		t.Helper()
		have, why := quotaRoom(qs, sh, 3)
		if have != want || !strings.Contains(why, words) {
			t.Errorf("room %d %q, want %d with %q", have, why, want, words)
		}
	}
	f(-1, "")
	f(-1, "", quota("requests.cpu", "1", "1"))
	f(4, "quota q: requests.nvidia.com/gpu is 9, of which 6 are used", quota("requests.nvidia.com/gpu", "9", "6"))
	f(3, "requests.nvidia.com/gpu is 6", quota("requests.nvidia.com/gpu", "6", "7"))
	f(5, "pods is 5", quota("pods", "5", "3"), quota("requests.nvidia.com/gpu", "90", "6"))
	scoped := quota("pods", "1", "1")
	scoped.Spec.Scopes = []corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}
	f(-1, "", scoped)
}

func TestWhoElseWrites(t *testing.T) {
	d := Deployment{Name: "m"}
	if err := d.fill(); err == nil || !strings.Contains(err.Error(), "namespace is empty") {
		t.Errorf("error %v", err)
	}
	entry := func(manager string, op metav1.ManagedFieldsOperationType, sub string, ago time.Duration, fields string) metav1.ManagedFieldsEntry {
		when := metav1.NewTime(t0.Add(-ago))
		f := &metav1.FieldsV1{}
		if err := f.UnmarshalJSON([]byte(fields)); err != nil {
			t.Fatal(err)
		}
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: op, Subresource: sub, Time: &when, FieldsV1: f}
	}
	const replicas = `{"f:spec":{"f:replicas":{}}}`
	f := func(e metav1.ManagedFieldsEntry, want string) {
		t.Helper()
		have := applied([]metav1.ManagedFieldsEntry{e}, d, t0)
		if want == "" && have != "" || !strings.Contains(have, want) {
			t.Errorf("%q, want %q", have, want)
		}
	}
	f(entry("argocd", "Apply", "", time.Hour, replicas), "argocd applies a manifest")
	f(entry("argocd", "Apply", "", time.Hour, `{"f:spec":{"f:template":{}}}`), "")
	f(entry("wva", "Update", "scale", time.Minute, replicas), "wva wrote the scale")
	f(entry("wva", "Update", "scale", time.Hour, replicas), "")         // long gone
	f(entry("kubectl", "Update", "scale", time.Minute, replicas), "")   // a person, once
	f(entry("kubectl-create", "Update", "", time.Minute, replicas), "") // somebody has to create it
	f(entry(Manager, "Update", "scale", time.Second, replicas), "")
	if have := lastWriter([]metav1.ManagedFieldsEntry{
		entry("kubectl-create", "Update", "", time.Hour, replicas), entry("keda", "Update", "scale", time.Minute, replicas),
		entry("other", "Update", "", time.Second, `{"f:status":{}}`)}); have != "keda (scale)" {
		t.Errorf("last writer %q", have)
	}
}

// The workers of a LeaderWorkerSet are its own, though its scale selects the leaders
// alone: counted as others', they would take the room of the replicas they are part of.
func TestAWorkerIsOfItsOwnWorkload(t *testing.T) {
	const name, index = "leaderworkerset.sigs.k8s.io/name", "leaderworkerset.sigs.k8s.io/worker-index"
	f := &Fleet{by: map[string]*workload{}}
	w := newWorkload(f, Deployment{Name: "d", Kind: "LeaderWorkerSet", Namespace: "models", Object: "m"})
	w.selects = labels.SelectorFromSet(labels.Set{name: "m", index: "0"})
	f.by["d"] = w
	owns := f.owns()
	for _, c := range []struct {
		namespace, set, index string
		want                  bool
	}{{"models", "m", "0", true}, {"models", "m", "1", true}, {"models", "other", "1", false}, {"elsewhere", "m", "1", false}} {
		p := &corev1.Pod{}
		p.Namespace, p.Labels = c.namespace, map[string]string{name: c.set, index: c.index}
		if have := owns(p); have != c.want {
			t.Errorf("%+v: own %v", c, have)
		}
	}
}
