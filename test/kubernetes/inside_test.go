package kubernetes_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// asAPod gives the rest of a command line what a kubelet gives a container: the
// service account's token, authority and namespace in their folder, in a mount
// namespace of its own.
const asAPod = `mount -t tmpfs none /run && to=/run/secrets/kubernetes.io/serviceaccount && mkdir -p $to && cp "$ACCOUNT"/* $to && exec "$@"`

// TestInsideAClusterWeirUsesItsServiceAccount: without a kubeconfig, in the places
// that Kubernetes has for it. The server is checked against the authority there.
func TestInsideAClusterWeirUsesItsServiceAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 1)
	w.workload("Deployment", "")
	g := w.gateway("a")
	g.configure(settings{scaling: "min: 1, max: 1"})
	account := t.TempDir()
	authority, err := os.ReadFile(w.plane.at("certs/apiserver.crt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"token": w.token(), "ca.crt": string(authority), "namespace": "weir"} {
		if err := os.WriteFile(filepath.Join(account, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	host, port, err := net.SplitHostPort(w.plane.api)
	if err != nil {
		t.Fatal(err)
	}
	check := func(args ...string) string {
		cmd := exec.Command("unshare", append([]string{"--map-root-user", "--mount", "sh", "-c", asAPod, "sh"}, args...)...)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "ACCOUNT=" + account, "KUBERNETES_SERVICE_HOST=" + host, "KUBERNETES_SERVICE_PORT=" + port}
		out, err := cmd.CombinedOutput()
		return string(out) + errorText(err)
	}
	if out := check(os.Getenv("WEIR_BIN"), "check", "--cluster", "-c", g.file()); !strings.Contains(out, "m") || strings.Contains(out, "exit status") {
		t.Errorf("weir check --cluster in a pod:\n%s", out)
	}
	if err := os.Remove(filepath.Join(account, "token")); err != nil {
		t.Fatal(err)
	}
	if out := check(os.Getenv("WEIR_BIN"), "check", "--cluster", "-c", g.file()); !strings.Contains(out, "no access to a cluster") {
		t.Errorf("without a token it does not say that it has no access:\n%s", out)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
