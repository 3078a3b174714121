package kubernetes_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"

	"weir/config"
)

const chart = "../../deploy/helm/weir"

// helmAt is where scripts/helm-deps leaves its things: beside the servers.
func helmAt(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(cluster.bin, "../../helm/bin", name)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: use make test-kubernetes, which builds it, or scripts/helm-deps", err)
	}
	return path
}

// helm runs the real Helm, with folders of its own.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(helmAt(t, "helm"), args...)
	dir := t.TempDir()
	cmd.Env = append(os.Environ(), "HELM_CACHE_HOME="+dir, "HELM_CONFIG_HOME="+dir, "HELM_DATA_HOME="+dir, "KUBECONFIG="+cluster.at("admin"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustHelm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := helm(t, args...)
	if err != nil {
		t.Fatalf("helm %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// charted are values for the chart, and the kinds of object that come of them.
func charted() map[string]struct {
	values []string
	kinds  string
} {
	example := func(name string, more ...string) []string {
		return append([]string{"-f", "../../deploy/helm/examples/" + name + ".yaml"}, more...)
	}
	return map[string]struct {
		values []string
		kinds  string
	}{
		"one gateway": {example("one-gateway"),
			"ClusterRole 1, ClusterRoleBinding 1, ConfigMap 1, Deployment 1, NetworkPolicy 1, PersistentVolumeClaim 1, Role 2, RoleBinding 2, Service 2, ServiceAccount 1"},
		"several gateways": {example("several-gateways"),
			"ClusterRole 1, ClusterRoleBinding 1, ConfigMap 1, Deployment 1, NetworkPolicy 1, PodDisruptionBudget 1, Role 1, RoleBinding 1, Service 2, ServiceAccount 1, ServiceMonitor 1"},
		"keda": {example("keda"),
			"ClusterRole 1, ClusterRoleBinding 1, ConfigMap 1, Deployment 1, NetworkPolicy 1, PersistentVolumeClaim 1, Role 2, RoleBinding 2, Service 3, ServiceAccount 1"},
		"all off": {example("one-gateway", "--set", "persistence.enabled=false,networkPolicy.enabled=false,serviceMonitor.enabled=false,scale.namespaces=null,podDisruptionBudget.enabled=false"),
			"ConfigMap 1, Deployment 1, Service 2, ServiceAccount 1"},
		"all on": {example("several-gateways", "--set", "serviceMonitor.labels.release=prometheus,imagePullSecrets[0].name=pull,secretFiles[0]=tls,priorityClassName=high,"+
			"image.digest=sha256:"+strings.Repeat("0", 64)+",service.type=LoadBalancer,nodeSelector.pool=system,tolerations[0].operator=Exists,"+
			`podLabels.azure\.workload\.identity/use=yes,serviceAccount.annotations.a=b,podAnnotations.c=d,networkPolicy.callers[0].podSelector.matchLabels.app=caller`,
			"--set", "scale.namespaces={models,more}", "--set-string", "resources.limits.cpu=2"),
			"ClusterRole 1, ClusterRoleBinding 1, ConfigMap 1, Deployment 1, NetworkPolicy 1, PodDisruptionBudget 1, Role 2, RoleBinding 2, Service 2, ServiceAccount 1, ServiceMonitor 1"},
	}
}

func TestTheAPIServerTakesTheChartWithEveryValue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.kinds()
	if out := mustHelm(t, "lint", "--strict", chart, "-f", "../../deploy/helm/examples/one-gateway.yaml"); !strings.Contains(out, "0 chart(s) failed") {
		t.Errorf("helm lint:\n%s", out)
	}
	for name, c := range charted() {
		if kinds := w.dryRun(name, mustHelm(t, append([]string{"template", "weir", chart, "-n", "weir"}, c.values...)...)); kinds != c.kinds {
			t.Errorf("%s: have %s\nwant %s", name, kinds, c.kinds)
		}
	}
}

// TestHelmInstallsUpgradesAndRemovesWeir: the pods come, with the rights and no
// others; new configuration means new pods; what is removed is gone.
func TestHelmInstallsUpgradesAndRemovesWeir(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	example, err := os.ReadFile("../../deploy/helm/examples/several-gateways.yaml")
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.ReplaceAll(string(example), "drain_timeout: 2m", "drain_timeout: 3m")
	file := filepath.Join(t.TempDir(), "changed.yaml")
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil || changed == string(example) {
		t.Fatalf("no change: %v", err)
	}
	values := []string{"-n", w.namespace, "--wait", "--timeout", "60s", "-f", "../../deploy/helm/examples/several-gateways.yaml", "--set",
		"serviceMonitor.enabled=false,nodeSelector.pool=" + w.namespace + ",tolerations[0].operator=Exists,resources.requests.cpu=100m", "--set", "scale.namespaces={" + w.namespace + "}"}
	out := mustHelm(t, append([]string{"install", "gate", chart}, values...)...)
	if want := "http://gate-weir." + w.namespace + ".svc/v1"; !strings.Contains(out, want) {
		t.Errorf("the notes do not name %s:\n%s", want, out)
	}
	first := w.podsOf("gate")
	if len(first) != 3 {
		t.Fatalf("%d pods, want 3\n%s", len(first), w.dump())
	}
	mustHelm(t, append([]string{"upgrade", "gate", chart}, append(values, "-f", file)...)...)
	for name := range w.podsOf("gate") {
		if first[name] {
			t.Errorf("pod %s has the configuration of before", name)
		}
	}
	mustHelm(t, "uninstall", "gate", "-n", w.namespace, "--wait", "--timeout", "60s")
	if left := w.podsOf("gate"); len(left) > 0 {
		t.Errorf("pods are left: %v", left)
	}
}

// podsOf are the pods of a release that are not on their way out.
func (w *world) podsOf(release string) map[string]bool {
	w.Helper()
	list, err := w.resource("v1", "pods", w.namespace).List(soon(w.T), metav1.ListOptions{LabelSelector: "app.kubernetes.io/instance=" + release})
	if err != nil {
		w.Fatal(err)
	}
	out := map[string]bool{}
	for _, p := range list.Items {
		if p.GetDeletionTimestamp() == nil {
			out[p.GetName()] = true
		}
	}
	return out
}

// dryRun shows every object of a YAML text to the API server, which lets no
// unknown field through, and creates none. Those of namespace models go to the
// test's own. It returns how many there were of each kind.
func (w *world) dryRun(name, text string) string {
	w.Helper()
	count := map[string]int{}
	for d := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		var o map[string]any
		if err := d.Decode(&o); errors.Is(err, io.EOF) {
			var kinds []string
			for _, kind := range slices.Sorted(maps.Keys(count)) {
				kinds = append(kinds, fmt.Sprintf("%s %d", kind, count[kind]))
			}
			return strings.Join(kinds, ", ")
		} else if err != nil {
			w.Fatalf("%s: %v in\n%s", name, err, text)
		}
		if len(o) == 0 {
			continue
		}
		u := &unstructured.Unstructured{Object: o}
		count[u.GetKind()]++
		if ns := u.GetNamespace(); ns == "models" || ns == "more" {
			u.SetNamespace(w.namespace)
		}
		u.SetName(u.GetName() + "-dry") // beside those that are there
		if _, err := w.resource(u.GetAPIVersion(), plural(u.GetKind()), u.GetNamespace()).Create(soon(w.T), u,
			metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
			w.Errorf("%s: %s %s: %v", name, u.GetKind(), u.GetName(), err)
		}
		if text, found, _ := unstructured.NestedString(o, "data", "weir.yaml"); found {
			if _, err := config.Parse(name, []byte(text)); err != nil {
				w.Errorf("%s: %v", name, err)
			}
		}
	}
}

func plural(kind string) string {
	if known := resources[kind]; known != "" {
		return known
	}
	return strings.ToLower(kind) + "s"
}

// kinds makes the kinds known that others define, from their own files.
func (w *world) kinds() {
	w.Helper()
	files, err := filepath.Glob(filepath.Join(helmAt(w.T, "crds"), "*.yaml"))
	if err != nil || len(files) < 3 {
		w.Fatalf("%d definitions of kinds, %v", len(files), err)
	}
	r := w.resource("apiextensions.k8s.io/v1", "customresourcedefinitions", "")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			w.Fatal(err)
		}
		o := w.file(string(text))
		o.SetCreationTimestamp(metav1.Time{})
		if _, err := r.Create(soon(w.T), o, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
			w.Fatalf("%s: %v", file, err)
		}
		w.until(o.GetName()+" is known", func() (bool, string) {
			have, err := r.Get(soon(w.T), o.GetName(), metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			conditions, _, _ := unstructured.NestedSlice(have.Object, "status", "conditions")
			for _, c := range conditions {
				if m, ok := c.(map[string]any); ok && m["type"] == "Established" && m["status"] == "True" {
					return true, ""
				}
			}
			return false, fmt.Sprint(conditions)
		})
	}
}

func TestPlainManifestsAreThoseOfTheChart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command("../../scripts/manifests", dir)
	cmd.Env = append(os.Environ(), "CACHE="+filepath.Join(cluster.bin, "../.."))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"rbac.yaml", "weir.yaml"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join("../../deploy/kubernetes", name))
		if err != nil || !bytes.Equal(want, have) {
			t.Errorf("deploy/kubernetes/%s is not what the chart renders: run make manifests (%v)", name, err)
		}
	}
}

func TestWrongValuesAreRefusedWithTheirRemedy(t *testing.T) {
	t.Parallel()
	one := []string{"template", "weir", chart, "-f", "../../deploy/helm/examples/one-gateway.yaml", "--set"}
	for _, c := range []struct{ set, says string }{
		{"replicas=2", "additional properties 'replicas' not allowed"},
		{"gateways=0", "minimum: got 0, want 1"},
		{"gateways=2", "several gateways need one database; add store: {postgres: env:WEIR_POSTGRES}"},
		{"env.WEIR_ADMIN_TOKEN.value=secret", "additional properties 'value' not allowed"},
		{"env.WEIR_ADMIN_TOKEN=null", "config reads env:WEIR_ADMIN_TOKEN, which is not under env: add env:"},
		{"service.port=http", "got string, want integer"},
		{"image.digest=v1", "does not match pattern"},
		{"config=", "config is empty: give your weir.yaml with --set-file config=weir.yaml"},
		{"config=a: [", "config is not YAML"},
		{"config=models: []", "config has no admin.token"},
		{"config=admin: {token: x}\nserver:\n", "config: server has no keys below it; weir check -c weir.yaml says where"},
		{"config=admin:\n  token: x\nkubernetes:\n  namespace: there\nmodels:\n- deployments:\n  - kubernetes:\n      name: m\n", "config has a workload in namespace there, where Weir would have no rights: add the namespace to scale.namespaces"},
		{"serviceMonitor.enabled=true,config=admin:\n  token: file:/token\n", "give admin.token of config as env:NAME"},
		{"persistence.size=big", "does not match pattern"},
		{"scale.namespaces={Models}", "does not match pattern"},
	} {
		out, err := helm(t, append(one, c.set)...)
		if err == nil || !strings.Contains(out, c.says) {
			t.Errorf("%s: %v, want %q in\n%s", c.set, err, c.says, out)
		}
	}
}

// TestTheChartAgreesWithItsWeirYAML: what the pods need to know of the file they
// serve is read from it.
func TestTheChartAgreesWithItsWeirYAML(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, example, set string
		says               []string
		not                string
	}{
		{"one gateway", "one-gateway", "", []string{"terminationGracePeriodSeconds: 60\n", "strategy: {type: Recreate}", "claimName: weir", "automountServiceAccountToken: true"}, "RollingUpdate"},
		{"a drain of two minutes", "several-gateways", "", []string{"terminationGracePeriodSeconds: 150\n", "maxUnavailable: 0", "emptyDir:", "replicas: 3\n", "topologyKey: topology.kubernetes.io/zone"}, "Recreate"},
		{"a longer pause", "several-gateways", "preStopSeconds=30", []string{"terminationGracePeriodSeconds: 175\n", "sleep: {seconds: 30}"}, ""},
		{"one drain in three units", "one-gateway", "config=admin: {token: x}\nserver: {drain_timeout: 1h1m1.5s}", []string{"terminationGracePeriodSeconds: 3692\n"}, ""},
		{"KEDA asks", "keda", "", []string{"containerPort: 9090}", "name: weir-keda\n", "port: 9090, targetPort: keda", "verbs: [list, watch]\n# Why"}, "scale]\n  verbs: [get, update]"},
		{"the Lease where the file says", "one-gateway", "config=admin: {token: x}\nkubernetes: {namespace: models}", []string{"name: weir-lease\n  namespace: models\n", "resourceNames: [\"weir\"]\n"}, ""},
		{"the Lease of the file's name", "one-gateway", "config=admin: {token: x}\nkubernetes: {lease: gates}", []string{"resourceNames: [\"gates\"]\n  verbs: [get, update]\n"}, "verbs: [get, create, update]"},
		{"a comment reads no variable", "one-gateway", "config=admin: {token: x} # was env:OLD\n# or env:NEW\n", []string{"kind: Deployment"}, ""},
		{"the token Prometheus reads with", "several-gateways", "config=admin: {token: env:WEIR_REDIS}\nstore: {postgres: env:WEIR_POSTGRES}", []string{"authorization: {credentials: {name: weir, key: redis}}"}, "-lease"},
		{"nothing to scale", "one-gateway", "scale.namespaces=null", []string{"automountServiceAccountToken: false\n      #"}, "kind: Role"},
	} {
		args := []string{"template", "weir", chart, "-n", "weir", "-f", "../../deploy/helm/examples/" + c.example + ".yaml"}
		if c.set != "" {
			args = append(args, "--set-json", strings.Replace(c.set, c.set[strings.Index(c.set, "=")+1:], quoted(c.set[strings.Index(c.set, "=")+1:]), 1))
		}
		out := mustHelm(t, args...)
		for _, want := range c.says {
			if !strings.Contains(out, want) {
				t.Errorf("%s: lacks %q in\n%s", c.name, want, out)
			}
		}
		if c.not != "" && strings.Contains(out, c.not) {
			t.Errorf("%s: has %q", c.name, c.not)
		}
	}
}

// quoted is a value as JSON: a number and null are that already.
func quoted(value string) string {
	if value == "null" || strings.Trim(value, "0123456789") == "" {
		return value
	}
	return quote(value)
}
