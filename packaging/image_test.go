package packaging

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const weirYAML = `
admin: {token: env:WEIR_ADMIN_TOKEN}
models:
  - name: m
    deployments:
      - name: m
        external: {urls: ["http://127.0.0.1:1"]}
tenants:
  - name: everyone
    keys:
      - name: default
        hash: sha256:410b22ea4f0e175834e04ba6c89fd0bc2a705c48278e369b19c9396706e53c2d
`

// serveInTheImage lays the files out as the image does and serves there, as its
// user. As root that is a root file system of its own, in which that user may
// write to /var/lib/weir alone; else it is this user's, who may write elsewhere.
func serveInTheImage(t *testing.T, files string) {
	root := t.TempDir()
	state := filepath.Join(root, "var/lib/weir")
	for _, dir := range []string{"usr/bin", "etc/weir", "var/lib/weir", "tmp"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	binary, err := os.ReadFile(filepath.Join(files, "weir"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "usr/bin/weir"), binary, 0o755)
	write(t, filepath.Join(root, "etc/weir/weir.yaml"), []byte(weirYAML), 0o644)

	address, admin := free(t), free(t)
	command := []string{"serve", "-c", "/etc/weir/weir.yaml", "--state", "/var/lib/weir/state", "--listen", address, "--admin", admin}
	cmd := exec.Command("/usr/bin/weir", command...)
	cmd.Env = []string{"WEIR_ADMIN_TOKEN=a-token-that-is-long-enough-for-weir"}
	if os.Geteuid() == 0 {
		if err := os.Chown(state, 65532, 65532); err != nil {
			t.Fatal(err)
		}
		cmd.Dir = "/var/lib/weir"
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	} else {
		cmd.Path, cmd.Dir = filepath.Join(root, "usr/bin/weir"), state
		cmd.Args[3], cmd.Args[5] = filepath.Join(root, "etc/weir/weir.yaml"), filepath.Join(state, "state")
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	if err := ready("http://"+admin+"/readyz", ended); err != nil {
		_ = cmd.Process.Kill()
		t.Fatalf("%v\n%s", err, said.String())
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v\n%s", err, said.String())
	}
	if _, err := os.Stat(filepath.Join(state, "weir.db")); err != nil {
		t.Errorf("no ledger where the volume is: %v", err)
	}
	if strings.Contains(said.String(), "read-only") || strings.Contains(said.String(), "permission denied") {
		t.Errorf("it wanted to write elsewhere:\n%s", said.String())
	}
}

// ready waits until the URL answers 200, or the process has ended.
func ready(url string, ended <-chan error) error {
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		select {
		case err := <-ended:
			return fmt.Errorf("it ended: %v", err)
		default:
		}
		resp, err := http.Get(url)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("%s never answered 200", url)
}

func write(t *testing.T, name string, text []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(name, text, mode); err != nil {
		t.Fatal(err)
	}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
