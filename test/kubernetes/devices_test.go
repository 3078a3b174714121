package kubernetes_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"weir"
	"weir/fleet"
	"weir/fleet/kubernetes"
)

// driver puts into the cluster what NVIDIA's DRA driver does: its device classes,
// and a slice with the devices of node a.
func (w *world) driver(gpus, migs int) {
	w.Helper()
	devices := ""
	for i := range gpus {
		devices += fmt.Sprintf("\n  - {name: gpu-%d, attributes: {type: {string: gpu}, productName: {string: NVIDIA H100 80GB HBM3}}, capacity: {memory: {value: 81559Mi}}}", i)
	}
	for i := range migs {
		devices += fmt.Sprintf("\n  - {name: mig-%d, attributes: {type: {string: mig}, profile: {string: 1g.10gb}}, capacity: {memory: {value: 9728Mi}}}", i)
	}
	node := w.namespace + "-a"
	w.apply(fmt.Sprintf(`
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: gpu.nvidia.com}
spec: {selectors: [{cel: {expression: "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'"}}]}
---
apiVersion: resource.k8s.io/v1
kind: DeviceClass
metadata: {name: mig.nvidia.com}
spec: {extendedResourceName: example.com/mig, selectors: [{cel: {expression: "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'mig'"}}]}
---
apiVersion: resource.k8s.io/v1
kind: ResourceSlice
metadata: {name: %s}
spec:
  driver: gpu.nvidia.com
  nodeName: %s
  pool: {name: %s, generation: 1, resourceSliceCount: 1}
  devices:%s
`, node, node, node, devices))
	w.Cleanup(func() {
		_ = w.resource("resource.k8s.io/v1", "resourceslices", "").Delete(context.Background(), node, metav1.DeleteOptions{})
	})
}

// claims makes the workload's pods claim a device each, by a request.
func (w *world) claims(request string) {
	w.Helper()
	w.claimTemplate(request)
	w.patch("apps/v1", "deployments", "m", `{"spec":{"template":{"spec":{`+claiming+`}}}}`)
}

// claiming is the part of a pod that claims a device by the template.
const claiming = `"resourceClaims":[{"name":"gpu","resourceClaimTemplateName":"one"}],
	"containers":[{"name":"engine","image":"engine:1","ports":[{"containerPort":8000}],"resources":{"claims":[{"name":"gpu"}]}}]`

func (w *world) claimTemplate(request string) {
	w.Helper()
	w.apply(fmt.Sprintf(`
apiVersion: resource.k8s.io/v1
kind: ResourceClaimTemplate
metadata: {name: one, namespace: models}
spec: {spec: {devices: {requests: [{name: gpu, exactly: %s}]}}}
`, request))
}

// TestDevicesByClaimAreCounted: the slices say how many there are, the claims of
// other pods how many are taken.
func TestDevicesByClaimAreCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.driver(3, 2)
	w.workload("Deployment", "")
	w.claims("{deviceClassName: gpu.nvidia.com}")
	w.apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: models}
spec:
  nodeSelector: {pool: %s}
  tolerations: [{key: sku, operator: Exists}]
  resourceClaims: [{name: gpu, resourceClaimTemplateName: one}]
  containers: [{name: c, image: other, resources: {claims: [{name: gpu}]}}]
`, w.namespace))
	w.until("the other pod runs", func() (bool, string) {
		p, err := w.resource("v1", "pods", w.namespace).Get(soon(t), "other", metav1.GetOptions{})
		return err == nil && strings.Contains(fmt.Sprint(p.Object["status"]), "Running"), fmt.Sprint(p, err)
	})
	f, _ := w.start(w.options("Deployment"), 64) // nothing has been asked for yet, so nothing is known to bound it
	short(t, f.Scale(soon(t), "m", 4, nil), fleet.WhyUnschedulable,
		"1 nodes take it, with room for 2 of its pods (1 of class gpu.nvidia.com each); other pods hold the room of 1")
	w.ready(f, 2)
	if n := w.replicas("deployments"); n != 2 || f.Room("m") != 2 {
		t.Errorf("the number is %d and there is room for %d, want 2: no more pods than can come", n, f.Room("m"))
	}
}

// TestDevicesOfAClassUnderANodesName: pods ask as they do of a device plugin, and
// the devices come from a class.
func TestDevicesOfAClassUnderANodesName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.driver(0, 2)
	w.workload("Deployment", "")
	w.patch("apps/v1", "deployments", "m", `{"spec":{"template":{"spec":{"containers":[{"name":"engine","image":"engine:1","ports":[{"containerPort":8000}],
		"resources":{"limits":{"example.com/mig":1}}}]}}}}`)
	f, _ := w.start(w.options("Deployment"), 0) // no node has such a device by itself
	short(t, f.Scale(soon(t), "m", 3, nil), fleet.WhyUnschedulable, "1 nodes take it, with room for 2 of its pods (1 of class mig.nvidia.com each)")
	w.ready(f, 2)
}

// TestCheckSaysThatClaimsAreNotCounted: an account with the least rights may scale
// the workload, and not read what devices there are.
func TestCheckSaysThatClaimsAreNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.workload("Deployment", "")
	w.claims("{deviceClassName: gpu.nvidia.com}")
	w.apply(`
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: bare, namespace: models}
rules:
- {apiGroups: [apps], resources: [deployments], verbs: [get, list, watch]}
- {apiGroups: [apps], resources: [deployments/scale], verbs: [get, update]}
- {apiGroups: [""], resources: [pods], verbs: [list, watch, patch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: bare, namespace: models}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: bare}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: bare}]
`)
	said := func(config string) string {
		o := w.options("Deployment")
		o.Kubeconfig = config
		found, err := kubernetes.Examine(soon(t), o)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, f := range found {
			if !f.Doubt {
				t.Errorf("refused: %v", f.Err)
			}
			text += f.Err.Error() + "\n"
		}
		return text
	}
	const want = "Weir may not list deviceclasses.resource.k8s.io, list resourceslices.resource.k8s.io, list resourceclaims.resource.k8s.io and get resourceclaimtemplates.resource.k8s.io in "
	bare := filepath.Join(t.TempDir(), "bare")
	text := strings.Replace(cluster.kubeconfig(adminToken), "user: {token:", "user: {as: bare, token:", 1)
	if err := os.WriteFile(bare, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if have := said(bare); !strings.Contains(have, want+w.namespace) {
		t.Errorf("said %s\nlacks %s", have, want)
	}
	if have := said(w.config); strings.Contains(have, "may not") {
		t.Errorf("with all rights: %s", have)
	}
}

// TestADeviceThatSuitsNoClaim: a selector Weir does not read is left to the
// scheduler, whose reason is given.
func TestADeviceThatSuitsNoClaim(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.driver(1, 0)
	w.workload("Deployment", "")
	w.claims(`{deviceClassName: gpu.nvidia.com, selectors: [{cel: {expression: "device.attributes['gpu.nvidia.com'].productName.contains('H200')"}}]}`)
	f, _ := w.start(w.options("Deployment"), 64)
	w.scale(f, 1)
	w.until("the replica says why", func() (bool, string) {
		rs, err := f.Status(t.Context(), "m")
		return err == nil && len(rs) == 1 && rs[0].State == weir.Starting && rs[0].Why == fleet.WhyUnschedulable &&
			strings.Contains(rs[0].Detail, "cannot allocate all claims"), list(rs)
	})
	w.ready(f, 0)
	short(t, f.Scale(soon(t), "m", 1, nil), fleet.WhyUnschedulable, "cannot allocate all claims")
}

// TestSlicesAndSharesOfAGPUAreCounted: by the names that NVIDIA's device plugin gives
// MIG slices and shares in time.
func TestSlicesAndSharesOfAGPUAreCounted(t *testing.T) {
	t.Parallel()
	for _, device := range []string{"nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared"} {
		t.Run(device, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 0)
			w.nodeOf("b", device, 3)
			w.workload("Deployment", "")
			w.patch("apps/v1", "deployments", "m", `{"spec":{"template":{"spec":{"containers":[{"name":"engine","image":"engine:1","ports":[{"containerPort":8000}],
				"resources":{"limits":{"`+device+`":1}}}]}}}}`)
			f, _ := w.start(w.options("Deployment"), 3)
			short(t, f.Scale(soon(t), "m", 5, nil), fleet.WhyUnschedulable, "room for 3 of its pods (1 "+device+" each)")
			w.ready(f, 3)
		})
	}
}

// TestARequiredAffinityDecidesWhichNodesCount, as it does for the scheduler.
func TestARequiredAffinityDecidesWhichNodesCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 4)
	w.node("b", 2)
	w.workload("Deployment", "")
	w.patch("apps/v1", "deployments", "m", `{"spec":{"template":{"spec":{"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":
		{"nodeSelectorTerms":[{"matchExpressions":[{"key":"kubernetes.io/hostname","operator":"NotIn","values":["`+w.namespace+`-a"]}]}]}}}}}}}`)
	f, _ := w.start(w.options("Deployment"), 2)
	short(t, f.Scale(soon(t), "m", 6, nil), fleet.WhyUnschedulable, "1 nodes take it, with room for 2 of its pods")
	for _, r := range w.ready(f, 2) {
		if p, err := w.resource("v1", "pods", w.namespace).Get(soon(t), r.ID, metav1.GetOptions{}); err != nil ||
			!strings.Contains(fmt.Sprint(p.Object["spec"]), "nodeName:"+w.namespace+"-b") {
			t.Errorf("%s is on another node: %v", r.ID, err)
		}
	}
}
