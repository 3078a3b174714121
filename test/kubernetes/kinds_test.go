package kubernetes_test

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"weir"
)

// serverKind is a kind of the test's own with a scale subresource, and Weir's right
// to it, as the guide says for a kind that the chart does not know.
const serverKind = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: servers.serving.example.org}
spec:
  group: serving.example.org
  scope: Namespaced
  names: {kind: Server, listKind: ServerList, plural: servers, singular: server}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, properties: {replicas: {type: integer}}}
          status: {type: object, properties: {replicas: {type: integer}, selector: {type: string}}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: weir-servers, namespace: models}
rules:
- {apiGroups: [serving.example.org], resources: [servers], verbs: [get, list, watch]}
- {apiGroups: [serving.example.org], resources: [servers/scale], verbs: [get, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: weir-servers, namespace: models}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: weir-servers}
subjects: [{kind: ServiceAccount, name: weir, namespace: weir}]
`

// TestAnyKindWithAScaleIsScaled: one that Weir has never heard of, with a controller
// (the test) that makes and deletes its pods as the number and the deletion cost say.
func TestAnyKindWithAScaleIsScaled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.apply(serverKind)
	servers := w.resource("serving.example.org/v1", "servers", w.namespace)
	w.until("the kind is served", func() (bool, string) {
		_, err := servers.List(soon(t), metav1.ListOptions{})
		return err == nil, fmt.Sprint(err)
	})
	if _, err := servers.Create(soon(t), w.file("apiVersion: serving.example.org/v1\nkind: Server\nmetadata: {name: m}\nspec: {replicas: 0}"), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	w.patch("serving.example.org/v1", "servers", "m", `{"status":{"replicas":0,"selector":"app=m"}}`, "status")
	number := func(n int64) {
		t.Helper()
		w.until(fmt.Sprintf("its number is %d", n), func() (bool, string) {
			o, err := servers.Get(soon(t), "m", metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			have, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
			return have == n, fmt.Sprint(have)
		})
	}
	o := w.options("Deployment")
	o.Deployments[0].APIVersion, o.Deployments[0].Kind = "serving.example.org/v1", "Server"
	f, _ := w.start(o, 2)
	w.scale(f, 2)
	number(2)
	for _, name := range []string{"first", "second"} {
		w.apply(fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: models, labels: {app: m}}
spec:
  nodeSelector: {pool: %s}
  tolerations: [{key: sku, operator: Exists}]
  containers: [{name: engine, image: "engine:1", ports: [{containerPort: 8000}]}]
`, name, w.namespace))
	}
	w.ready(f, 2)
	if err := f.Scale(soon(t), "m", 1, []string{"first"}); err != nil {
		t.Fatal(err)
	}
	number(1)
	pods := w.resource("v1", "pods", w.namespace)
	for name, want := range map[string]bool{"first": true, "second": false} {
		p, err := pods.Get(soon(t), name, metav1.GetOptions{})
		if _, has := p.GetAnnotations()["controller.kubernetes.io/pod-deletion-cost"]; err != nil || has != want {
			t.Errorf("pod %s has a deletion cost: %v, want %v (%v)", name, has, want, err)
		}
	}
	if err := pods.Delete(soon(t), "first", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	if rs := w.ready(f, 1); rs[0].ID != "second" {
		t.Errorf("%s is left, want the second", rs[0].ID)
	}
}

// TestADrainEndsAtItsLimit: a replica that is never idle goes all the same, and not
// before.
func TestADrainEndsAtItsLimit(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	w.workload("Deployment", "")
	o := w.options("Deployment")
	const limit = 3 * time.Second
	o.Deployments[0].DrainDeadline = limit
	f, _ := w.start(o, 2)
	w.scale(f, 2)
	rs := w.ready(f, 2)
	w.hold(rs[0].ID, true)
	began := time.Now()
	if err := f.Scale(soon(t), "m", 1, []string{rs[0].ID}); err != nil {
		t.Fatal(err)
	}
	if now, err := f.Status(t.Context(), "m"); err != nil || count(now, weir.Draining) != 1 {
		t.Fatalf("%v%s", err, list(now))
	}
	left := w.ready(f, 1)
	if took := time.Since(began); took < limit || left[0].ID == rs[0].ID {
		t.Errorf("%s is left after %v, want the other after %v", left[0].ID, took, limit)
	}
}
