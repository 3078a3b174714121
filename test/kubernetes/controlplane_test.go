package kubernetes_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// plane is a control plane on loopback.
type plane struct {
	bin, dir  string
	api, etcd string // addresses
	procs     []*proc
	server    *proc    // kube-apiserver, which a scenario takes away
	flags     []string // of kube-apiserver, further ones
	spawn     chan func()
}

// proc is one of its processes.
type proc struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
}

var cluster *plane

// prepare is what else is done before the servers start; nil: nothing. The tests
// with KEDA's own operator set it.
var prepare func(*plane) error

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) (code int) {
	bin := os.Getenv("WEIR_KUBERNETES")
	if bin == "" || os.Getenv("WEIR_BIN") == "" {
		fmt.Fprintln(os.Stderr, "WEIR_KUBERNETES or WEIR_BIN is not set: use make test-kubernetes, which builds the servers and weir and says where they are")
		return 1
	}
	dir, err := os.MkdirTemp("", "weir-kubernetes")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cluster = &plane{bin: bin, dir: dir, spawn: make(chan func())}
	// A child dies with the thread that started it: this one stays.
	go func() {
		runtime.LockOSThread()
		for start := range cluster.spawn {
			start()
		}
	}()
	defer func() {
		cluster.stop()
		close(cluster.spawn)
		if code == 0 {
			os.RemoveAll(dir)
		} else {
			fmt.Fprintln(os.Stderr, "the logs of the servers are in", dir)
		}
	}()
	began := time.Now()
	if err := cluster.start(); err != nil {
		fmt.Fprintln(os.Stderr, "control plane:", err)
		return 1
	}
	fmt.Printf("the control plane is up after %v\n", time.Since(began).Round(100*time.Millisecond))
	return m.Run()
}

func (p *plane) start() error {
	var err error
	if p.api, err = freeAddress(); err != nil {
		return err
	}
	if p.etcd, err = freeAddress(); err != nil {
		return err
	}
	peers, err := freeAddress()
	if err != nil {
		return err
	}
	if err := p.files(); err != nil {
		return err
	}
	if prepare != nil {
		if err := prepare(p); err != nil {
			return err
		}
	}
	if _, err := p.launch("etcd", "--data-dir", p.at("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", "http://"+p.etcd, "--advertise-client-urls", "http://"+p.etcd,
		"--listen-peer-urls", "http://"+peers, "--initial-advertise-peer-urls", "http://"+peers,
		"--initial-cluster", "default=http://"+peers); err != nil {
		return err
	}
	if err := p.startServer(); err != nil {
		return err
	}
	if _, err := p.launch("kube-controller-manager", "--kubeconfig", p.at("admin"), "--service-account-private-key-file", p.at("sa.key"),
		"--use-service-account-credentials=false", "--leader-elect=false", "--secure-port=0",
		"--horizontal-pod-autoscaler-sync-period=1s", "--kube-api-qps=200", "--kube-api-burst=400",
		"--controllers=deployment-controller,replicaset-controller,statefulset-controller,horizontal-pod-autoscaler-controller,"+
			"resourcequota-controller,resourceclaim-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller"); err != nil {
		return err
	}
	if _, err := p.launch("kube-scheduler", "--kubeconfig", p.at("admin"), "--leader-elect=false", "--secure-port=0"); err != nil {
		return err
	}
	_, err = p.launch("kwok", "--kubeconfig", p.at("kubelet"), "--manage-all-nodes=true", "--config", "testdata/kwok.yaml")
	return err
}

// startServer starts the API server and waits until it serves.
func (p *plane) startServer() error {
	_, port, err := net.SplitHostPort(p.api)
	if err != nil {
		return err
	}
	p.server, err = p.launch("kube-apiserver", append(slices.Clone(p.flags), "--etcd-servers", "http://"+p.etcd, "--secure-port", port,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--cert-dir", p.at("certs"),
		"--service-account-issuer=https://weir.test", "--service-account-signing-key-file", p.at("sa.key"),
		"--service-account-key-file", p.at("sa.pub"), "--token-auth-file", p.at("tokens"), "--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.0.0.0/16", "--audit-policy-file=testdata/audit.yaml", "--audit-log-path", p.at("audit"),
		"--endpoint-reconciler-type=none", "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition")...)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}} // its certificate is its own
	for end := time.Now().Add(90 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		select {
		case <-p.server.done:
			return fmt.Errorf("kube-apiserver has ended: see %s", p.at("kube-apiserver.log"))
		default:
		}
		req, err := http.NewRequest("GET", "https://"+p.api+"/readyz", nil)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+adminToken)
		if resp, err := client.Do(req); err == nil {
			_, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return fmt.Errorf("kube-apiserver was not ready in 90 s: see %s", p.at("kube-apiserver.log"))
}

// tokens of an administrator and of the kubelets.
const (
	adminToken   = "admin"
	kubeletToken = "kubelet"
)

// files writes keys, tokens and the kubeconfig of an administrator.
func (p *plane) files() error {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	for name, text := range map[string]string{
		"sa.key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		"sa.pub": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public})),
		"tokens": adminToken + `,admin,1,"system:masters"` + "\n" + kubeletToken + `,kubelet,2,"system:masters"` + "\n",
		"admin":  p.kubeconfig(adminToken), "kubelet": p.kubeconfig(kubeletToken),
	} {
		if err := os.WriteFile(p.at(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (p *plane) kubeconfig(token string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://%s", insecure-skip-tls-verify: true}}]
users: [{name: u, user: {token: %q}}]
contexts: [{name: x, context: {cluster: c, user: u, namespace: weir}}]
current-context: x
`, p.api, token)
}

func (p *plane) at(name string) string { return filepath.Join(p.dir, name) }

func (p *plane) launch(name string, args ...string) (*proc, error) {
	return p.run(name, exec.Command(filepath.Join(p.bin, name), args...))
}

// run starts a command, whose output goes to a file of that name.
func (p *plane) run(name string, c *exec.Cmd) (*proc, error) {
	log, err := os.OpenFile(p.at(filepath.Base(name)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	c.Stdout, c.Stderr = log, log
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.spawned(c); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &proc{name: name, cmd: c, done: make(chan struct{})}
	go func() {
		_ = c.Wait()
		close(r.done)
	}()
	p.procs = append(p.procs, r)
	return r, nil
}

// spawned starts a child on the thread that stays.
func (p *plane) spawned(c *exec.Cmd) error {
	started := make(chan error)
	p.spawn <- func() { started <- c.Start() }
	return <-started
}

// end ends the process and waits for it.
func (r *proc) end() {
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(10 * time.Second):
		_ = r.cmd.Process.Kill()
		<-r.done
	}
}

// stop ends what was started, the last first.
func (p *plane) stop() {
	for i := len(p.procs) - 1; i >= 0; i-- {
		p.procs[i].end()
	}
}

// ownPlane is a control plane for one test, which may take its API server away.
func ownPlane(t *testing.T) *plane {
	t.Helper()
	dir, err := os.MkdirTemp("", "weir-kubernetes-own")
	if err != nil {
		t.Fatal(err)
	}
	p := &plane{bin: cluster.bin, dir: dir, spawn: cluster.spawn}
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Log("the logs of its servers are in", dir)
		} else {
			os.RemoveAll(dir)
		}
	})
	if err := p.start(); err != nil {
		t.Fatal("control plane: ", err)
	}
	return p
}

// away kills the API server, lets the test do something, and starts it again.
func (p *plane) away(t *testing.T, while func()) {
	t.Helper()
	_ = p.server.cmd.Process.Kill()
	<-p.server.done
	while()
	if err := p.startServer(); err != nil {
		t.Fatal(err)
	}
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// soon gives one call of the API server a limit.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
