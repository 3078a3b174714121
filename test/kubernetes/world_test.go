package kubernetes_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"

	"weir"
	"weir/fleet/kubernetes"
)

// world is one test's part of the cluster: a namespace with nodes of its own,
// and Weir with the rights of its service account.
type world struct {
	*testing.T
	plane     *plane
	namespace string
	admin     *dynamic.DynamicClient
	config    string // kubeconfig of Weir's service account
	policy    string // of a StatefulSet: how its pods come; OrderedReady if empty
	grace     int    // of the pods, in seconds; 1 if zero

	mu   sync.Mutex
	held map[string]int // requests in flight by replica
}

var worlds atomic.Int64

const gpu = "nvidia.com/gpu"

// newWorld makes a namespace with one node of that many GPUs.
func newWorld(t *testing.T, gpus int) *world {
	t.Helper()
	return newWorldOn(t, cluster, gpus)
}

// newWorldOn is newWorld on a control plane of the test's own.
func newWorldOn(t *testing.T, p *plane, gpus int) *world {
	t.Helper()
	w := &world{T: t, plane: p, namespace: fmt.Sprintf("models-%d", worlds.Add(1)), admin: p.client(t, adminToken), held: map[string]int{}}
	w.create("v1", "namespaces", "", w.file("kind: Namespace\nmetadata: {name: "+w.namespace+"}"))
	w.node("a", gpus)
	w.rights()
	return w
}

func (p *plane) client(t *testing.T, token string) *dynamic.DynamicClient {
	t.Helper()
	c, err := dynamic.NewForConfig(&rest.Config{Host: "https://" + p.api, BearerToken: token, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{Insecure: true}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// resources of kinds the tests create.
var resources = map[string]string{
	"Namespace": "namespaces", "Node": "nodes", "ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles",
	"ClusterRoleBinding": "clusterrolebindings", "Role": "roles", "RoleBinding": "rolebindings", "Deployment": "deployments",
	"StatefulSet": "statefulsets", "HorizontalPodAutoscaler": "horizontalpodautoscalers", "ResourceQuota": "resourcequotas", "Pod": "pods", "LimitRange": "limitranges",
	"CustomResourceDefinition": "customresourcedefinitions", "ProvisioningRequest": "provisioningrequests",
	"ScaledObject": "scaledobjects", "APIService": "apiservices", "DeviceClass": "deviceclasses", "ResourceSlice": "resourceslices", "ResourceClaimTemplate": "resourceclaimtemplates",
	"ConfigMap": "configmaps", "PersistentVolumeClaim": "persistentvolumeclaims", "Service": "services", "NetworkPolicy": "networkpolicies",
	"LeaderWorkerSet":              "leaderworkersets",
	"MutatingWebhookConfiguration": "mutatingwebhookconfigurations", "ValidatingWebhookConfiguration": "validatingwebhookconfigurations",
}

func (w *world) resource(version, plural, namespace string) dynamic.ResourceInterface {
	gv, err := schema.ParseGroupVersion(version)
	if err != nil {
		w.Fatal(err)
	}
	r := w.admin.Resource(gv.WithResource(plural))
	if namespace == "" {
		return r
	}
	return r.Namespace(namespace)
}

func (w *world) file(text string) *unstructured.Unstructured {
	w.Helper()
	var o map[string]any
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		w.Fatalf("%v in:\n%s", err, text)
	}
	return &unstructured.Unstructured{Object: o}
}

// create creates an object and removes it when the test ends; one that is there
// already is left as it is.
func (w *world) create(version, plural, namespace string, o *unstructured.Unstructured) {
	w.Helper()
	o.SetAPIVersion(version)
	r := w.resource(version, plural, namespace)
	_, err := r.Create(soon(w.T), o, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return
	}
	if err != nil {
		w.Fatalf("create %s %s: %v", plural, o.GetName(), err)
	}
}

// apply creates every object of a YAML text, those of namespace models in the
// test's own.
func (w *world) apply(text string) {
	w.Helper()
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		var o map[string]any
		err := d.Decode(&o)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			w.Fatal(err)
		}
		u := &unstructured.Unstructured{Object: o}
		if u.GetNamespace() == "models" {
			u.SetNamespace(w.namespace)
		}
		plural := resources[u.GetKind()]
		if plural == "" {
			w.Fatalf("the tests know no resource of kind %q", u.GetKind())
		}
		w.create(u.GetAPIVersion(), plural, u.GetNamespace(), u)
	}
}

// node adds a node for the namespace's pods alone.
func (w *world) node(name string, gpus int) {
	w.Helper()
	w.nodeOf(name, gpu, gpus)
}

// nodeOf is node with devices of another name.
func (w *world) nodeOf(name, device string, n int) {
	w.Helper()
	full := w.namespace + "-" + name
	w.apply(fmt.Sprintf(`
apiVersion: v1
kind: Node
metadata: {name: %s, labels: {pool: %s, kubernetes.io/hostname: %s}, annotations: {kwok.x-k8s.io/node: fake}}
spec: {taints: [{key: sku, value: gpu, effect: NoSchedule}]}
status:
  capacity: {cpu: "96", memory: 900Gi, pods: "110", %s: "%d"}
  allocatable: {cpu: "96", memory: 900Gi, pods: "110", %s: "%d"}
`, full, w.namespace, full, device, n, device, n))
	w.Cleanup(func() {
		_ = w.resource("v1", "nodes", "").Delete(context.Background(), full, metav1.DeleteOptions{})
	})
}

// rights gives Weir's service account what deploy/kubernetes/rbac.yaml says, in
// this namespace, and writes its kubeconfig. The Lease of each world has the name of
// its namespace, and the right to it a Role of its own.
func (w *world) rights() {
	w.Helper()
	text, err := os.ReadFile("../../deploy/kubernetes/rbac.yaml")
	if err != nil {
		w.Fatal(err)
	}
	lease := strings.NewReplacer("name: weir-lease\n", "name: weir-lease-"+w.namespace+"\n", `resourceNames: ["weir"]`, "resourceNames: ["+w.namespace+"]")
	w.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: weir}\n---\n" + lease.Replace(string(text)))
	kubeconfig, _ := w.account()
	w.config = filepath.Join(w.TempDir(), "kubeconfig")
	if err := os.WriteFile(w.config, []byte(kubeconfig), 0o600); err != nil {
		w.Fatal(err)
	}
}

// account is a kubeconfig with a token of Weir's service account, and the token's
// name in the audit log.
func (w *world) account() (kubeconfig, credential string) {
	w.Helper()
	token := w.token()
	return w.plane.kubeconfig(token), "JTI=" + jti(w.T, token)
}

func (w *world) token() string {
	w.Helper()
	ask := w.file("apiVersion: authentication.k8s.io/v1\nkind: TokenRequest\nmetadata: {name: weir}\nspec: {expirationSeconds: 3600}")
	got, err := w.resource("v1", "serviceaccounts", "weir").Create(soon(w.T), ask, metav1.CreateOptions{}, "token")
	if err != nil {
		w.Fatal(err)
	}
	token, _, err := unstructured.NestedString(got.Object, "status", "token")
	if err != nil || token == "" {
		w.Fatalf("no token: %v", err)
	}
	return token
}

// jti is the id in a token.
func jti(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	var claims struct{ JTI string }
	if len(parts) != 3 {
		t.Fatalf("not a token: %d parts", len(parts))
	}
	if text, err := base64.RawURLEncoding.DecodeString(parts[1]); err != nil || json.Unmarshal(text, &claims) != nil || claims.JTI == "" {
		t.Fatalf("a token without an id: %v", err)
	}
	return claims.JTI
}

// workload creates a Deployment or StatefulSet m without replicas, whose pods
// want one GPU each, or a LeaderWorkerSet. more goes into the pods' metadata.
func (w *world) workload(kind, more string) {
	w.Helper()
	if kind == "LeaderWorkerSet" {
		w.apply(fmt.Sprintf(groupsOfTwo, w.namespace, gpu))
		return
	}
	w.workloadNamed("m", kind)
	if more != "" {
		w.patch("apps/v1", strings.ToLower(kind)+"s", "m", `{"spec":{"template":{"metadata":`+more+`}}}`)
	}
}

// workloadNamed creates a Deployment or StatefulSet of another name.
func (w *world) workloadNamed(name, kind string) {
	w.Helper()
	extra := ""
	if kind == "StatefulSet" {
		extra = "serviceName: m\n  podManagementPolicy: " + cmp.Or(w.policy, "OrderedReady")
	}
	w.apply(fmt.Sprintf(`
apiVersion: apps/v1
kind: %s
metadata: {name: %s, namespace: models}
spec:
  replicas: 0
  %s
  selector: {matchLabels: {app: %s}}
  template:
    metadata:
      labels: {app: %s}
    spec:
      nodeSelector: {pool: %s}
      tolerations: [{key: sku, operator: Exists}]
      terminationGracePeriodSeconds: %d
      containers:
      - name: engine
        image: engine:1
        ports: [{containerPort: 8000}]
        resources: {limits: {%s: 1}}
`, kind, name, extra, name, name, w.namespace, cmp.Or(w.grace, 1), gpu))
}

func (w *world) patch(version, plural, name, body string, sub ...string) {
	w.Helper()
	if _, err := w.resource(version, plural, w.namespace).Patch(soon(w.T), name, types.MergePatchType, []byte(body),
		metav1.PatchOptions{FieldManager: "test"}, sub...); err != nil {
		w.Fatalf("patch %s %s: %v", plural, name, err)
	}
}

// merge patches the status of an object of the core group as kubelets do: lists of
// conditions by their type.
func (w *world) merge(plural, name, body string) {
	w.Helper()
	if _, err := w.resource("v1", plural, w.namespace).Patch(soon(w.T), name, types.StrategicMergePatchType, []byte(body),
		metav1.PatchOptions{FieldManager: "test"}, "status"); err != nil {
		w.Fatalf("patch %s %s: %v", plural, name, err)
	}
}

// replicas is the number in the workload.
func (w *world) replicas(plural string) int64 {
	w.Helper()
	o, err := w.resource("apps/v1", plural, w.namespace).Get(soon(w.T), "m", metav1.GetOptions{})
	if err != nil {
		w.Fatal(err)
	}
	n, _, err := unstructured.NestedInt64(o.Object, "spec", "replicas")
	if err != nil {
		w.Fatal(err)
	}
	return n
}

// versions of kinds that are not apps/v1.
var versions = map[string]string{"LeaderWorkerSet": "leaderworkerset.x-k8s.io/v1"}

// options are Weir's, quick where a test would wait.
func (w *world) options(kind string) kubernetes.Options {
	return kubernetes.Options{
		Kubeconfig: w.config,
		Deployments: []kubernetes.Deployment{{Name: "m", APIVersion: versions[kind], Kind: kind, Namespace: w.namespace,
			DrainQuiet: 20 * time.Millisecond, PendingTimeout: time.Second, DrainDeadline: time.Minute}},
		Busy: w.busy,
		Log:  slog.New(slog.NewTextHandler(testWriter{w}, &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
}

// testWriter shows the log of a test that fails.
type testWriter struct{ w *world }

func (t testWriter) Write(line []byte) (int, error) {
	t.w.Logf("weir: %s", bytes.TrimSpace(line))
	return len(line), nil
}

// start runs Weir until the test ends, or the func it returns is called, and
// waits until it sees the workload and room for so many replicas or more.
func (w *world) start(o kubernetes.Options, room int) (*kubernetes.Fleet, func()) {
	w.Helper()
	f, err := kubernetes.New(o)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Errorf("run: %v", err)
		}
	})
	w.Cleanup(stop)
	w.until("the fleet sees the workload and its nodes", func() (bool, string) {
		_, err := f.Status(w.Context(), "m")
		return err == nil && f.Room("m") >= room, fmt.Sprint(err, ", room ", f.Room("m"))
	})
	return f, stop
}

// until waits until ok, or fails the test with what ok last said.
func (w *world) until(what string, ok func() (bool, string)) {
	w.Helper()
	said := ""
	for end := time.Now().Add(2 * time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		var done bool
		if done, said = ok(); done {
			return
		}
	}
	w.Fatalf("never came: %s; at the end: %s\nthe cluster has %s", what, said, w.dump())
}

// dump is what the API server has of the namespace's workloads and pods.
func (w *world) dump() string {
	out := ""
	for _, kind := range []struct{ version, plural string }{{"apps/v1", "deployments"}, {"apps/v1", "replicasets"}, {"apps/v1", "statefulsets"}, {"v1", "pods"}} {
		list, err := w.resource(kind.version, kind.plural, w.namespace).List(context.Background(), metav1.ListOptions{})
		if err != nil {
			return err.Error()
		}
		for _, o := range list.Items {
			text, err := json.Marshal(o.Object["status"])
			n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
			out += fmt.Sprintf("\n%s %s x%d deleted %v %v: %s %v", kind.plural, o.GetName(), n, o.GetDeletionTimestamp(), o.GetAnnotations(), text, err)
		}
	}
	return out
}

func (w *world) busy(_, replica string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held[replica]
}

func (w *world) hold(replica string, busy bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[replica] = 0
	if busy {
		w.held[replica] = 1
	}
}

// ready waits until exactly n replicas are ready and no other is left.
func (w *world) ready(f *kubernetes.Fleet, n int) []weir.Replica {
	w.Helper()
	var rs []weir.Replica
	w.until(fmt.Sprintf("%d ready and no other", n), func() (bool, string) {
		var err error
		rs, err = f.Status(w.Context(), "m")
		return err == nil && len(rs) == n && count(rs, weir.Ready) == n, list(rs)
	})
	return rs
}

func count(rs []weir.Replica, state weir.ReplicaState) int {
	n := 0
	for _, r := range rs {
		if r.State == state {
			n++
		}
	}
	return n
}

func list(rs []weir.Replica) string {
	out := ""
	for _, r := range rs {
		out += fmt.Sprintf("\n  %s %v %s %s", r.ID, r.State, r.Addr, r.Detail)
	}
	return out
}

func quote(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
