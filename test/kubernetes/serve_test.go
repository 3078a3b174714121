package kubernetes_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"weir/config"
)

// gateway is a `weir serve` of its own process, with the rights of its service
// account.
type gateway struct {
	w          *world
	name, dir  string
	write      func(dir string, s settings) string // its weir.yaml
	process    *exec.Cmd
	done       chan struct{}
	url, oper  string
	credential string // of its service account's token, as the audit log names it
}

const callerKey = "weir_k_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

// settings is what a scenario's weir.yaml has beside what they all have.
type settings struct {
	top     string // keys at the top of the file
	scaling string // of deployment m, in braces
	more    string // lines under kubernetes: of deployment m
	others  string // further deployments of the model
	store   string // the database of several gateways; "": each has its own
	models  string // all models, instead of that one; NAMESPACE is the world's
}

// quick is a scaling that follows load within seconds.
const quick = "target_concurrency: 2, target_use: 100%, scale_in_after: 2s, cold_start: 1s, forecast: {enabled: false}, queue: {drain_within: 1s}"

// weirYAML is the file of a scenario. If it does not say which models, there is one,
// whose deployment m is workload m of the world's namespace.
func (w *world) weirYAML(dir string, s settings) string {
	models := strings.ReplaceAll(s.models, "NAMESPACE", w.namespace)
	if models == "" {
		models = w.oneModel(s)
	}
	store := fmt.Sprintf("{path: %q, flush_every: 100ms}", filepath.Join(dir, "ledger.db"))
	if s.store != "" {
		secret := filepath.Join(dir, "postgres")
		if err := os.WriteFile(secret, []byte(s.store), 0o600); err != nil {
			w.Fatal(err)
		}
		store = "{postgres: " + quote("file:"+secret) + ", lease: 2s, flush_every: 100ms}"
	}
	return fmt.Sprintf(`
log: {access: false}
store: %s
journal: {path: %q}
kubernetes: {lease: %s}
%s
tenants:
  - name: t
    keys: [{name: k, hash: %q}]
models:
%s`, store, filepath.Join(dir, "journal"), w.namespace, s.top, config.HashKey(callerKey), models)
}

func (w *world) oneModel(s settings) string {
	return fmt.Sprintf(`  - name: m
    deployments:
      - name: m
        capacity: {max_requests: 8}
        kubernetes:
          name: m
          namespace: %s
          pending_timeout: 2s
          drain_timeout: 1m
%s
        scaling: {%s}
%s`, w.namespace, s.more, s.scaling, s.others)
}

// serve starts a gateway and waits until it serves.
func (w *world) serve(name string, s settings) *gateway {
	w.Helper()
	return w.serveWith(name, s, w.weirYAML)
}

// serveWith is serve with another weir.yaml.
func (w *world) serveWith(name string, s settings, write func(dir string, s settings) string) *gateway {
	w.Helper()
	g := w.gateway(name)
	g.write = write
	g.configure(s)
	g.start()
	w.Cleanup(g.kill)
	w.Cleanup(func() {
		if w.Failed() {
			g.w.Logf("the last decisions of %s: %s", name, g.lastDecisions())
		}
	})
	return g
}

// gateway is one that has not been started.
func (w *world) gateway(name string) *gateway {
	w.Helper()
	g := &gateway{w: w, name: name, dir: w.TempDir(), write: w.weirYAML}
	kubeconfig, credential := w.account()
	g.credential = credential
	if err := os.WriteFile(filepath.Join(g.dir, "kubeconfig"), []byte(kubeconfig), 0o600); err != nil {
		w.Fatal(err)
	}
	return g
}

// lastDecisions is the end of the journal.
func (g *gateway) lastDecisions() string {
	text, err := os.ReadFile(filepath.Join(g.dir, "journal"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-4000):])
}

func (g *gateway) configure(s settings) {
	g.w.Helper()
	if err := os.WriteFile(g.file(), []byte(g.write(g.dir, s)), 0o600); err != nil {
		g.w.Fatal(err)
	}
}

// reload has it take a changed file.
func (g *gateway) reload(s settings) {
	g.w.Helper()
	g.configure(s)
	resp, err := http.Post(g.oper+"/admin/reload", "", nil)
	if err != nil {
		g.w.Fatal(err)
	}
	defer resp.Body.Close()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		g.w.Fatalf("reload of %s: %s", g.name, said)
	}
}

func (g *gateway) file() string { return filepath.Join(g.dir, "weir.yaml") }

// command is a weir with the cluster's access.
func (g *gateway) command(args ...string) *exec.Cmd {
	c := exec.Command(os.Getenv("WEIR_BIN"), args...)
	c.Env = append(os.Environ(), "KUBECONFIG="+filepath.Join(g.dir, "kubeconfig"))
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return c
}

// start starts the process, a second time too.
func (g *gateway) start() {
	g.w.Helper()
	g.process = g.command("serve", "-c", g.file(), "--gateway", g.name, "--state", filepath.Join(g.dir, "state"), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	g.process.Stderr = g.w.Output()
	out, err := g.process.StdoutPipe()
	if err != nil {
		g.w.Fatal(err)
	}
	if err := cluster.spawned(g.process); err != nil {
		g.w.Fatal(err)
	}
	g.url, g.oper, g.done = "", "", make(chan struct{})
	text := bufio.NewScanner(out)
	for g.oper == "" && text.Scan() {
		if _, at, ok := strings.Cut(text.Text(), "callers at"); ok {
			g.url = strings.TrimSpace(at)
		}
		if _, at, ok := strings.Cut(text.Text(), "operators at"); ok {
			g.oper = strings.Fields(at)[0]
		}
	}
	go func() {
		_, _ = io.Copy(io.Discard, out) // ends with the process
		_ = g.process.Wait()
		close(g.done)
	}()
	if g.oper == "" {
		<-g.done
		g.w.Fatalf("gateway %s did not come up", g.name)
	}
}

// kill ends it as kill -9 does; a second time it does nothing.
func (g *gateway) kill() {
	_ = g.process.Process.Kill()
	<-g.done
}

// stop ends it as a pod is ended.
func (g *gateway) stop() {
	_ = g.process.Process.Signal(syscall.SIGTERM)
	<-g.done
}

// ask sends one request, and returns its status, header and body.
func (g *gateway) ask() (status int, header http.Header, body string) {
	g.w.Helper()
	req, err := http.NewRequest(http.MethodPost, g.url+"/v1/chat/completions", strings.NewReader(`{"model":"m","messages":[{"role":"user","content":"hello"}]}`))
	if err != nil {
		g.w.Fatal(err)
	}
	req.Header.Set("authorization", "Bearer "+callerKey)
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		g.w.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		g.w.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

func (g *gateway) read(path string, into any) error {
	resp, err := http.Get(g.oper + path)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return json.NewDecoder(resp.Body).Decode(into)
}

// replica is one as operators see it.
type replica struct {
	Deployment, ID, State, Addr, Detail string
	InFlight                            int `json:"in_flight"`
}

func (g *gateway) replicas() (rs []replica) {
	_ = g.read("/admin/replicas", &rs) // one that is away has none
	return rs
}

// now counts the replicas of deployment m: ready, and all.
func (g *gateway) now() (ready, all int) {
	for _, r := range g.replicas() {
		if r.Deployment != "m" {
			continue
		}
		all++
		if r.State == "ready" {
			ready++
		}
	}
	return ready, all
}

// has waits until exactly n replicas of m are ready and no other is left.
func (g *gateway) has(n int) {
	g.w.Helper()
	g.w.until(fmt.Sprintf("%s has %d ready and no other", g.name, n), func() (bool, string) {
		ready, all := g.now()
		return ready == n && all == n, fmt.Sprintf("%+v", g.replicas())
	})
}

// says waits until the text is in what is at an admin path.
func (g *gateway) says(path, text string) {
	g.w.Helper()
	g.w.until(fmt.Sprintf("%s of %s says %q", path, g.name, text), func() (bool, string) {
		have := g.text(path)
		return strings.Contains(have, text), have
	})
}

func (g *gateway) text(path string) string {
	resp, err := http.Get(g.oper + path)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// used is the processor time and the memory of the process.
func (g *gateway) used() (cpu time.Duration, memory int64) {
	g.w.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.process.Process.Pid))
	if err != nil {
		g.w.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	f := strings.Fields(after)
	number := func(i int) int64 {
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			g.w.Fatal(err)
		}
		return n
	}
	const tick = 10 * time.Millisecond // clock ticks of Linux on every machine that Go runs on
	return time.Duration(number(11)+number(12)) * tick, number(21) * int64(os.Getpagesize())
}
