// Package clients holds Weir against the SDKs people really use: Python, Node
// and Go, each from its own registry, against `weir serve` as a user runs it.
package clients

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"
)

const (
	chatModel  = "chat"
	embedModel = "embed"
	patience   = 60 * time.Second // for a program to start; no measure of anything
)

// world is one Weir with emulated servers behind it, shared by all tests.
var world *worldT

type worldT struct {
	dir             string
	template        string // of weir.yaml
	url, admin      string
	key, limitedKey string
	programs        []*program
	stopScripted    func()
}

func TestMain(m *testing.M) {
	code, err := withWorld(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withWorld starts the world, runs, and ends every program it started.
func withWorld(run func() int) (code int, err error) {
	dir, err := os.MkdirTemp("", "weir-clients-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	world = &worldT{dir: dir, template: "weir.yaml.tmpl"}
	defer world.stop()
	if err := world.start(); err != nil {
		return 1, err
	}
	return run(), nil
}

func (w *worldT) start() error {
	servers := map[string]string{}
	for _, s := range []struct{ name, model, faults string }{
		{"broken5xx", "llama-3.1-8b", `[{"kind":"status","status":500}]`},
		{"brokencut", "llama-3.1-8b", `[{"kind":"cut","after_tokens":3}]`},
		{"claude", "llama-3.1-8b", ""},
		{"second", "llama-3.1-8b", ""},
		{"slow", "llama-3.1-8b", `[{"kind":"slow_headers","delay_ms":1000}]`},
	} {
		url, err := w.emulate(s.name, s.model)
		if err != nil {
			return err
		}
		servers[s.name] = url
		if s.faults == "" {
			continue
		}
		if err := put(url+"/admin/faults", s.faults); err != nil {
			return err
		}
	}
	url, stop, err := scripted()
	if err != nil {
		return err
	}
	w.stopScripted, servers["scripted"] = stop, url
	return w.serve(servers)
}

// emulate starts an emulated server and waits until it is ready.
func (w *worldT) emulate(name, model string, more ...string) (string, error) {
	addr, err := freeAddr()
	if err != nil {
		return "", err
	}
	args := append([]string{"emulate", "--listen", addr, "--model", model, "--gpu", "H100-80GB", "--load", "100ms"}, more...)
	if _, err := w.run(name, args...); err != nil {
		return "", err
	}
	return "http://" + addr, until("http://"+addr+"/health", name)
}

// serve writes the configuration and starts Weir on it.
func (w *worldT) serve(servers map[string]string) error {
	var hashes []string
	for _, key := range []*string{&w.key, &w.limitedKey} {
		out, err := exec.Command(weirBinary(), "key", "new").Output()
		if err != nil {
			return fmt.Errorf("weir key new: %w", err)
		}
		*key, _, _ = strings.Cut(string(out), "\n")
		hashes = append(hashes, regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(string(out)))
	}
	file := filepath.Join(w.dir, "weir.yaml")
	t, err := template.ParseFiles(w.template)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, map[string]any{"Weir": weirBinary(), "Servers": servers, "Key": hashes[0], "LimitedKey": hashes[1], "Dir": w.dir}); err != nil {
		return err
	}
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return err
	}
	p, err := w.run("weir", "serve", "-c", file, "--state", filepath.Join(w.dir, "state"), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0")
	if err != nil {
		return err
	}
	for _, want := range []struct {
		to     *string
		marker string
	}{{&w.url, "serves callers at"}, {&w.admin, "operators at"}} {
		if *want.to, err = p.await(want.marker); err != nil {
			return err
		}
	}
	return until(w.admin+"/readyz", "weir serve")
}

// untilIdle waits until Weir says that nothing is in flight.
func (w *worldT) untilIdle(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		n := w.gauge(t, "weir_requests_in_flight")
		if n == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%v requests are still in flight", n)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// gauge sums every series of a metric, which must be there.
func (w *worldT) gauge(t *testing.T, name string) float64 {
	t.Helper()
	sum, n := w.series(t, name, "")
	if n == 0 {
		t.Fatalf("no %s in /metrics", name)
	}
	return sum
}

// sum adds the series of a metric that have a label; where there are none, 0.
func (w *worldT) sum(t *testing.T, name, label string) float64 {
	t.Helper()
	sum, _ := w.series(t, name, label)
	return sum
}

// series adds the series of a metric whose labels contain one, and counts them.
func (w *worldT) series(t *testing.T, name, label string) (sum float64, n int) {
	t.Helper()
	resp, err := http.Get(w.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		rest, ok := strings.CutPrefix(line, name)
		if !ok || rest[0] != '{' && rest[0] != ' ' || !strings.Contains(rest, label) {
			continue
		}
		v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum, n = sum+v, n+1
	}
	return sum, n
}

// program is one process of the world.
type program struct {
	name string
	cmd  *exec.Cmd
	out  *transcript
	done chan struct{}
}

func (w *worldT) run(name string, args ...string) (*program, error) {
	p := &program{name: name, cmd: exec.Command(weirBinary(), args...), out: newTranscript(), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.done)
	}()
	w.programs = append(w.programs, p)
	return p, nil
}

// stop ends every program by its process id, the last started first.
func (w *worldT) stop() {
	if w.stopScripted != nil {
		defer w.stopScripted()
	}
	for i := len(w.programs) - 1; i >= 0; i-- {
		p := w.programs[i]
		p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(20 * time.Second):
			p.cmd.Process.Kill()
			<-p.done
			fmt.Fprintf(os.Stderr, "%s did not stop by itself:\n%s\n", p.name, p.out)
		}
	}
}

// await waits for a line with the marker and returns the first URL in it.
func (p *program) await(marker string) (string, error) {
	deadline := time.After(patience)
	for {
		for _, line := range strings.Split(p.out.String(), "\n") {
			if strings.Contains(line, marker) {
				if url := regexp.MustCompile(`https?://[^ ]+`).FindString(line); url != "" {
					return url, nil
				}
			}
		}
		select {
		case <-p.out.changed:
		case <-p.done:
			return "", fmt.Errorf("%s ended:\n%s", p.name, p.out)
		case <-deadline:
			return "", fmt.Errorf("%s never said %q:\n%s", p.name, marker, p.out)
		}
	}
}

// weirBinary is the program under test: WEIR_BIN, or bin/weir of this tree.
func weirBinary() string {
	if bin := os.Getenv("WEIR_BIN"); bin != "" {
		return bin
	}
	abs, err := filepath.Abs(filepath.Join("..", "..", "bin", "weir"))
	if err != nil {
		panic(err)
	}
	return abs
}

// until waits for a 200.
func until(url, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	last := "no answer"
	for ctx.Err() == nil {
		if resp, err := http.Get(url); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
			last = resp.Status
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("%s was not ready within %v: %s answered %s", what, patience, url, last)
}

func put(url, body string) error {
	req, err := http.NewRequest(http.MethodPut, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("PUT %s: %s: %s", url, resp.Status, text)
	}
	return nil
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}
