package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// patience bounds every wait, so a process that hangs ends the run.
const patience = 60 * time.Second

// gateway is one running `weir serve`.
type gateway struct {
	url, admin string
	cmd        *exec.Cmd
	ended      chan struct{}
	mu         sync.Mutex
	said       strings.Builder
}

// world is what all gateways have in common.
type world struct {
	bin, dir, key, hash string
	upstream, redis     string
	limits              string
	gateways            int
}

func newWorld(bin, dir string) (*world, error) {
	out, err := exec.Command(bin, "key", "new").Output()
	if err != nil {
		return nil, fmt.Errorf("%s key new: %w: run `make build`, or name the program in WEIR_BIN", bin, err)
	}
	w := &world{bin: bin, dir: dir}
	w.key, _, _ = strings.Cut(string(out), "\n")
	w.hash = regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(string(out))
	return w, nil
}

const weirYAML = `log: {access: false}
store: {path: %[1]s/weir.db}
journal: {path: %[1]s/weir.journal}
redis: {addresses: [%[2]q], gateways: %[3]d}
tenants:
  - name: caller
    limits: %[4]s
    keys: [{name: only, hash: %[5]q}]
models:
  - name: m
    deployments:
      - name: m/there
        external: {urls: [%[6]q], metrics: ""}
`

func (w *world) start(i int) (*gateway, error) {
	dir := filepath.Join(w.dir, strconv.Itoa(i))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf(weirYAML, dir, w.redis, w.gateways, w.limits, w.hash, w.upstream)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	g := &gateway{ended: make(chan struct{})}
	g.cmd = exec.Command(w.bin, "serve", "-c", file, "--state", filepath.Join(dir, "state"), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := g.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	g.cmd.Stdout = g.cmd.Stderr
	if err := g.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			g.mu.Lock()
			g.said.WriteString(lines.Text() + "\n")
			g.mu.Unlock()
		}
		g.cmd.Wait()
		close(g.ended)
	}()
	if g.url, err = g.await("serves callers at"); err == nil {
		g.admin, err = g.await("operators at")
	}
	if err == nil {
		err = within("a ready gateway", func() bool { body, err := g.get("/readyz"); return err == nil && body != "" })
	}
	if err != nil {
		g.stop()
		return nil, err
	}
	return g, nil
}

func (g *gateway) log() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said.String()
}

// await waits for a line with the marker and returns the URL in it.
func (g *gateway) await(marker string) (url string, err error) {
	line := regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(marker) + `.*?(https?://[^ \n]+)`)
	err = within(fmt.Sprintf("%q of weir serve", marker), func() bool {
		if m := line.FindStringSubmatch(g.log()); m != nil {
			url = m[1]
		}
		return url != ""
	})
	if err != nil {
		err = fmt.Errorf("%w:\n%s", err, g.log())
	}
	return url, err
}

func (g *gateway) get(path string) (string, error) {
	resp, err := http.Get(g.admin + path)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", path, resp.Status, b)
	}
	return string(b), err
}

// metric sums the series of a metric.
func (g *gateway) metric(name string) (sum float64, err error) {
	body, err := g.get("/metrics")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(body) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
		if err != nil {
			return 0, err
		}
		sum += v
	}
	return sum, nil
}

// stop ends the gateway, gently first.
func (g *gateway) stop() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-g.ended:
	case <-time.After(patience):
		_ = g.cmd.Process.Kill()
		<-g.ended
	}
}

// within polls until is holds: what it asks is another process, which cannot
// wake it.
func within(what string, is func() bool) error {
	for deadline := time.Now().Add(patience); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v in vain for %s", patience, what)
		}
	}
	return nil
}
