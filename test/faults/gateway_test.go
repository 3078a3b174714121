package faults

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds what has hung for good; no measure of anything.
const patience = 2 * time.Minute

// gateway is what is put under the suite: Weir as a process of its own, or any
// other by its address, of which only callers' and upstreams' views are known.
type gateway struct {
	url, admin, key string // admin "": not Weir's
	client          *http.Client
	asking          sync.Mutex

	cmd    *exec.Cmd
	ended  chan struct{}
	said   *said
	config string // its weir.yaml
	state  string // where its processes are noted
}

// weirBinary is WEIR_BIN, or bin/weir of this tree.
func weirBinary() (string, error) {
	bin := os.Getenv("WEIR_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin", "weir")
	}
	bin, err := filepath.Abs(bin)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(bin); err != nil {
		return "", fmt.Errorf("the program under test: %w: run `make build`, or name it in WEIR_BIN", err)
	}
	return bin, nil
}

// startWeir runs `weir serve` in dir with the configuration's models.
func startWeir(dir, server, models string) (*gateway, error) {
	bin, err := weirBinary()
	if err != nil {
		return nil, err
	}
	out, err := exec.Command(bin, "key", "new").Output()
	if err != nil {
		return nil, fmt.Errorf("weir key new: %w", err)
	}
	g := &gateway{client: newClient(), config: filepath.Join(dir, "weir.yaml"), state: filepath.Join(dir, "state")}
	g.key, _, _ = strings.Cut(string(out), "\n")
	hash := regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(string(out))
	if err := os.WriteFile(g.config, []byte(weirYAML(dir, hash, server, models)), 0o600); err != nil {
		return nil, err
	}
	return g, g.start(bin)
}

// weirYAML writes the configuration of a Weir that keeps its files in dir.
func weirYAML(dir, hash, server, models string) string {
	if front := os.Getenv("WEIR_FRONT"); front != "" { // standard or own
		server = "  front: " + front + "\n" + server
	}
	return `server:
  listen: 127.0.0.1:8080
` + server + `
log:
  access: false
store:
  path: ` + filepath.Join(dir, "weir.db") + `
  flush_every: 200ms
journal:
  path: ` + filepath.Join(dir, "weir.journal") + `
tenants:
  - name: caller
    keys:
      - name: only
        hash: ` + hash + `
models:
` + models
}

// start runs the program and waits until it is ready.
func (g *gateway) start(bin string) error {
	g.cmd = exec.Command(bin, "serve", "-c", g.config, "--state", g.state, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	g.said, g.ended = &said{changed: make(chan struct{}, 1)}, make(chan struct{})
	g.cmd.Stdout, g.cmd.Stderr = g.said, g.said
	if err := g.cmd.Start(); err != nil {
		return err
	}
	go func() { g.cmd.Wait(); close(g.ended) }()
	var err error
	if g.url, err = g.await("serves callers at"); err == nil {
		g.admin, err = g.await("operators at")
	}
	if err == nil {
		err = g.ready()
	}
	if err != nil {
		g.stop()
	}
	return err
}

// await waits for a line with the marker and returns the URL in it.
func (g *gateway) await(marker string) (string, error) {
	line := regexp.MustCompile(`(?m)^.*` + regexp.QuoteMeta(marker) + `.*?(https?://[^ \n]+)`)
	deadline := time.After(patience)
	for {
		if m := line.FindStringSubmatch(g.said.String()); m != nil {
			return m[1], nil
		}
		select {
		case <-g.said.changed:
		case <-g.ended:
			return "", fmt.Errorf("weir serve ended:\n%s", g.said)
		case <-deadline:
			return "", fmt.Errorf("weir serve never said %q:\n%s", marker, g.said)
		}
	}
}

func (g *gateway) ready() error {
	return within(patience, "weir serve to be ready", func() bool {
		resp, err := http.Get(g.admin + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// stop ends the program if it runs, gently first.
func (g *gateway) stop() {
	g.client.CloseIdleConnections()
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-g.ended:
	case <-time.After(patience):
		_ = g.cmd.Process.Kill()
		<-g.ended
		fmt.Fprintf(os.Stderr, "weir serve did not stop by itself:\n%s\n", g.said)
	}
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 200}}
}

// within polls until is holds: what it asks is another process, which cannot
// wake it.
func within(d time.Duration, what string, is func() bool) error {
	deadline := time.Now().Add(d)
	for !is() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited %v in vain for %s", d, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// said keeps the last of what a program printed.
type said struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	s.text.Write(p)
	if extra := s.text.Len() - 1<<20; extra > 0 {
		s.text.Next(extra)
	}
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// contextOf ends with the test or when patience does.
func contextOf(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), patience)
}
