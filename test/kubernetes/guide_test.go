package kubernetes_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The namespaces of the guide, as this cluster has them: others use the guide's.
var guideNames = strings.NewReplacer("namespace weir\n", "namespace guide-weir\n", "-n weir ", "-n guide-weir ",
	"namespace models\n", "namespace guide-models\n", "-n models ", "-n guide-models ", "namespace: models}", "namespace: guide-models}", "{models}", "{guide-models}")

// TestTheGuideStepByStep does what docs/guide/kubernetes.md says from step 3 on, as a
// reader would: its weir.yaml, its commands, with kubectl, helm and weir. The cluster
// has what steps 1 and 2 leave: a node of the pool, one for other pods, and a volume.
func TestTheGuideStepByStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 0)
	w.guideNodes()
	text, err := os.ReadFile("../../docs/guide/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := guideNames.Replace(string(text))
	g := &reader{world: w, dir: t.TempDir()}
	g.write("weir.yaml", block(t, guide, "## 3.", "models:"))
	top, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"deploy": filepath.Join(top, "deploy"), "kubectl": helmAt(t, "kubectl"), "helm": helmAt(t, "helm"), "weir": os.Getenv("WEIR_BIN")} {
		if err := os.Symlink(to, filepath.Join(g.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	g.run("weir check -c weir.yaml")
	for _, step := range []string{"## 4.", "## 5."} {
		commands := strings.ReplaceAll(block(t, guide, step, "kubectl"), "\\\n", " ")
		for line := range strings.Lines(commands) {
			g.run(strings.TrimSpace(line))
			if strings.HasPrefix(line, "helm install") {
				g.bindVolume()
			}
		}
	}
	if out := g.run("kubectl -n guide-models rollout status deployment/llama-8b --timeout=30s"); !strings.Contains(out, "successfully rolled out") {
		t.Errorf("the model's pod does not come:\n%s", out)
	}
	// The chart's service account may do what Weir does.
	token := g.run("kubectl -n guide-weir create token weir")
	g.write("kubeconfig", cluster.kubeconfig(strings.TrimSpace(token)))
	if out := g.run("KUBECONFIG=kubeconfig weir check -c weir.yaml --cluster"); strings.Contains(out, "may not") {
		t.Errorf("it lacks rights:\n%s", out)
	}
	g.write("hpa.yaml", block(t, guide, "## HPA", "kind: HorizontalPodAutoscaler"))
	g.run("kubectl apply --dry-run=server -f hpa.yaml")
	g.run("helm upgrade weir deploy/helm/weir -n guide-weir --set-file config=weir.yaml --set scale.namespaces={guide-models},gateways=1")
	g.run("helm uninstall weir -n guide-weir")
}

// reader is somebody who follows the guide.
type reader struct {
	*world
	dir string
}

func (g *reader) write(name, text string) {
	g.Helper()
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(text), 0o600); err != nil {
		g.Fatal(err)
	}
}

// run runs one line in a shell, which must succeed.
func (g *reader) run(line string) string {
	g.Helper()
	cmd := exec.Command("bash", "-c", line)
	cmd.Dir = g.dir
	cmd.Env = append(os.Environ(), "PATH="+g.dir+":"+os.Getenv("PATH"), "HOME="+g.dir, "KUBECONFIG="+cluster.at("admin"), "HF_TOKEN=hf_x", "WEIR_ADMIN_TOKEN=a-token-that-is-long-enough-for-weir")
	out, err := cmd.CombinedOutput()
	if err != nil {
		g.Fatalf("%s: %v\n%s\n%s", line, err, out, g.dump())
	}
	g.Logf("$ %s\n%s", line, out)
	return string(out)
}

// block is the first fenced block after a heading that holds some text.
func block(t *testing.T, text, heading, holds string) string {
	t.Helper()
	_, rest, _ := strings.Cut(text, "\n"+heading)
	for {
		_, fenced, open := strings.Cut(rest, "\n```")
		body, after, closed := strings.Cut(fenced, "\n```")
		if !open || !closed {
			t.Fatalf("the guide has no block with %q after %q", holds, heading)
		}
		if _, body, _ = strings.Cut(body, "\n"); strings.Contains(body, holds) {
			return body + "\n"
		}
		rest = after
	}
}

// guideNodes are what the pools of step 1 have: labels and taints as AKS sets them.
func (w *world) guideNodes() {
	w.apply(`
apiVersion: v1
kind: Node
metadata: {name: aks-gpu, labels: {node.kubernetes.io/instance-type: Standard_NC40ads_H100_v5, kubernetes.azure.com/agentpool: gpu, agentpool: gpu, kubernetes.io/hostname: aks-gpu}, annotations: {kwok.x-k8s.io/node: fake}}
spec: {taints: [{key: nvidia.com/gpu, value: present, effect: NoSchedule}]}
status:
  capacity: {cpu: "40", memory: 320Gi, pods: "110", nvidia.com/gpu: "1"}
  allocatable: {cpu: "39", memory: 300Gi, pods: "110", nvidia.com/gpu: "1"}
---
apiVersion: v1
kind: Node
metadata: {name: aks-system, labels: {agentpool: nodepool1, kubernetes.io/hostname: aks-system}, annotations: {kwok.x-k8s.io/node: fake}}
status:
  capacity: {cpu: "4", memory: 16Gi, pods: "110"}
  allocatable: {cpu: "4", memory: 14Gi, pods: "110"}
`)
	w.Cleanup(func() {
		for _, name := range []string{"aks-gpu", "aks-system"} {
			_ = w.resource("v1", "nodes", "").Delete(context.Background(), name, metav1.DeleteOptions{})
		}
	})
}

// bindVolume does what a cluster's provisioner does for a claim.
func (g *reader) bindVolume() {
	g.write("pv.yaml", `
apiVersion: v1
kind: PersistentVolume
metadata: {name: guide-weir}
spec:
  capacity: {storage: 8Gi}
  accessModes: [ReadWriteOnce]
  hostPath: {path: /tmp}
  claimRef: {namespace: guide-weir, name: weir}
`)
	g.run("kubectl apply -f pv.yaml")
	g.run(`kubectl -n guide-weir patch pvc weir -p '{"metadata":{"annotations":{"pv.kubernetes.io/bind-completed":"yes"}},"spec":{"volumeName":"guide-weir"}}'`)
	g.run(`kubectl -n guide-weir patch pvc weir --subresource=status -p '{"status":{"phase":"Bound"}}'`)
}
