package kubernetes_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"weir/fleet"
	"weir/fleet/kubernetes"
)

// TestALeaderWorkerSetKeepsTheContract: a replica is a leader with a worker, made by
// the project's own controller, with its webhooks and its definition of the kind.
func TestALeaderWorkerSetKeepsTheContract(t *testing.T) {
	t.Parallel()
	startLeaderWorkerSets(t)
	t.Run("devices by claim", groupsThatClaim)
	contract(t, "LeaderWorkerSet")
}

// groupsThatClaim: the claims of a group's workers are its own and no other
// program's, and for another workload they are taken.
func groupsThatClaim(t *testing.T) {
	w := newWorld(t, 0)
	w.driver(5, 0)
	w.workload("LeaderWorkerSet", "")
	w.claimTemplate("{deviceClassName: gpu.nvidia.com}")
	w.patch("leaderworkerset.x-k8s.io/v1", "leaderworkersets", "m", fmt.Sprintf(`{"spec":{"leaderWorkerTemplate":{"workerTemplate":{"spec":{"nodeSelector":{"pool":%q},
		"tolerations":[{"key":"sku","operator":"Exists"}],"terminationGracePeriodSeconds":1,%s}}}}}`, w.namespace, claiming))
	w.workloadNamed("single", "Deployment")
	w.patch("apps/v1", "deployments", "single", `{"spec":{"template":{"spec":{`+claiming+`}}}}`)
	o := w.options("LeaderWorkerSet")
	o.Deployments = append(o.Deployments, kubernetes.Deployment{Name: "single", Namespace: w.namespace})
	f, _ := w.start(o, 2)
	w.scale(f, 2)
	w.ready(f, 2)
	short(t, f.Scale(soon(t), "m", 3, nil), fleet.WhyUnschedulable, "1 nodes take it, with room for 5 of its pods (1 of class gpu.nvidia.com each)")
	if n := f.Room("m"); n != 2 {
		t.Errorf("there is room for %d, want the 2 there are", n)
	}
	w.until("the other workload is known", func() (bool, string) { _, err := f.Status(t.Context(), "single"); return err == nil, fmt.Sprint(err) })
	short(t, f.Scale(soon(t), "single", 2, nil), fleet.WhyUnschedulable, "other pods hold the room of 4")
}

// groupsOfTwo is a LeaderWorkerSet m: each replica has two pods with a GPU each.
const groupsOfTwo = `
apiVersion: leaderworkerset.x-k8s.io/v1
kind: LeaderWorkerSet
metadata: {name: m, namespace: models}
spec:
  replicas: 0
  rolloutStrategy: {type: RollingUpdate, rollingUpdateConfiguration: {maxUnavailable: 1}}
  leaderWorkerTemplate:
    size: 2
    restartPolicy: RecreateGroupOnPodRestart
    workerTemplate:
      spec:
        nodeSelector: {pool: %s}
        tolerations: [{key: sku, operator: Exists}]
        terminationGracePeriodSeconds: 1
        containers:
        - name: engine
          image: engine:1
          ports: [{containerPort: 8000}]
          resources: {limits: {%s: 1}}
`

// startLeaderWorkerSets installs the kind and runs its controller.
func startLeaderWorkerSets(t *testing.T) {
	t.Helper()
	w := newWorld(t, 0)
	from := filepath.Join(cluster.bin, "lws")
	for _, file := range []string{"leaderworkerset.x-k8s.io_leaderworkersets", "disaggregatedset.x-k8s.io_disaggregatedsets"} { // the controller insists on both
		w.install(filepath.Join(from, file+".yaml"), nil)
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	authority := certificate(t, dir)
	config := fmt.Sprintf(`
apiVersion: config.lws.x-k8s.io/v1alpha1
kind: Configuration
leaderElection: {leaderElect: false}
internalCertManagement: {enable: false}
metrics: {bindAddress: "0"}
health: {healthProbeBindAddress: "0"}
webhook: {host: 127.0.0.1, port: %s, certDir: %q}
`, port, dir)
	if err := os.WriteFile(filepath.Join(dir, "config"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cluster.launch("lws/controller", "--config", filepath.Join(dir, "config"), "--kubeconfig", cluster.at("admin")); err != nil {
		t.Fatal(err)
	}
	w.install(filepath.Join(from, "manifests.yaml"), func(o map[string]any) { reach(o, address, authority) })
	w.until("the controller's webhooks answer", func() (bool, string) {
		_, err := w.resource("leaderworkerset.x-k8s.io/v1", "leaderworkersets", w.namespace).Create(soon(t),
			w.file(strings.ReplaceAll(fmt.Sprintf(groupsOfTwo, "x", gpu), "namespace: models", "namespace: "+w.namespace)), metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		return err == nil, fmt.Sprint(err)
	})
}

// install creates the objects of a file, each changed first.
func (w *world) install(file string, change func(map[string]any)) {
	w.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		w.Fatal(err)
	}
	for d := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096); ; {
		var o map[string]any
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			w.Fatalf("%s: %v", file, err)
		}
		if change != nil {
			change(o)
		}
		u := &unstructured.Unstructured{Object: o}
		w.create(u.GetAPIVersion(), resources[u.GetKind()], "", u)
	}
}

// reach has the API server call webhooks at an address of this machine, where they
// name a Service: there is no network of Services here. The rest of a webhook is as
// the project has it, and as it has it in a cluster, only its own pods are asked about.
func reach(o map[string]any, address, authority string) {
	hooks, _, _ := unstructured.NestedSlice(o, "webhooks")
	for _, x := range hooks {
		hook, ok := x.(map[string]any)
		if !ok {
			continue
		}
		path, _, _ := unstructured.NestedString(hook, "clientConfig", "service", "path")
		hook["clientConfig"] = map[string]any{"url": "https://" + address + path, "caBundle": authority}
		if strings.HasSuffix(path, "-pod") {
			hook["objectSelector"] = map[string]any{"matchExpressions": []any{map[string]any{"key": "leaderworkerset.sigs.k8s.io/name", "operator": "Exists"}}}
		}
	}
	o["webhooks"] = hooks
}

// certificate writes a key and its certificate for 127.0.0.1, and returns the
// certificate as the API server wants it.
func certificate(t *testing.T, dir string) (authority string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	for name, b := range map[string][]byte{"tls.crt": text, "tls.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return base64.StdEncoding.EncodeToString(text)
}
