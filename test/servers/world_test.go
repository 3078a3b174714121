// Package servers holds Weir against real inference servers: llama.cpp's own
// HTTP server with a model of random weights, behind `weir serve` as a user runs
// it; and an index of documents in a real PostgreSQL with pgvector.
//
//	make test-servers
package servers

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"
)

const patience = 60 * time.Second // for a program to start or an answer to come; it measures nothing

// world is one Weir with real servers behind it. A test that ends a server
// starts it again.
var world struct {
	dir, url, admin, key, otherKey string
	one, two, embed                *server
	weir                           *program
}

func TestMain(m *testing.M) {
	code, err := withWorld(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func withWorld(run func() int) (code int, err error) {
	w := &world
	if w.dir, err = os.MkdirTemp("", "weir-servers-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(w.dir)
	if err := writeTinyModel(filepath.Join(w.dir, "tiny.gguf")); err != nil {
		return 1, err
	}
	for _, s := range []struct {
		to   **server
		more []string
	}{{&w.one, nil}, {&w.two, nil}, {&w.embed, []string{"embeddings"}}} {
		*s.to = &server{more: s.more}
		if err := (*s.to).start(); err != nil {
			return 1, err
		}
		defer func() { (*s.to).end() }() // the program it is by then: tests start servers again
	}
	if err := serveWeir(); err != nil {
		return 1, err
	}
	defer w.weir.end()
	return run(), nil
}

func serveWeir() error {
	w := &world
	var hashes [2]string
	for i, key := range []*string{&w.key, &w.otherKey} {
		out, err := exec.Command(weirBinary(), "key", "new").Output()
		if err != nil {
			return fmt.Errorf("weir key new: %w", err)
		}
		*key, _, _ = strings.Cut(string(out), "\n")
		hashes[i] = regexp.MustCompile(`sha256:[0-9a-f]{64}`).FindString(string(out))
	}
	t, err := template.ParseFiles("weir.yaml.tmpl")
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := t.Execute(&text, map[string]string{
		"Dir": w.dir, "Hash": hashes[0], "OtherHash": hashes[1], "One": w.one.url(), "Two": w.two.url(), "Embed": w.embed.url(),
	}); err != nil {
		return err
	}
	file := filepath.Join(w.dir, "weir.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return err
	}
	w.weir, err = start(exec.Command(weirBinary(), "serve", "-c", file, "--state", filepath.Join(w.dir, "state"), "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"))
	if err != nil {
		return err
	}
	if w.url, err = w.weir.await("serves callers at"); err != nil {
		return err
	}
	w.admin, err = w.weir.await("operators at")
	return err
}

// server is a llama.cpp server; it keeps its port over restarts.
type server struct {
	addr string
	more []string
	*program
}

func (s *server) url() string { return "http://" + s.addr }

func (s *server) start() error {
	if s.addr == "" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		s.addr = l.Addr().String()
		l.Close()
	}
	_, port, _ := net.SplitHostPort(s.addr)
	args := append([]string{"llama_server.py", filepath.Join(world.dir, "tiny.gguf"), port, "4"}, s.more...)
	var err error
	if s.program, err = start(exec.Command(filepath.Join(llamaDir(), "bin", "python"), args...)); err != nil {
		return err
	}
	_, err = s.await("serving at")
	return err
}

// kill ends a server as a crash would.
func (s *server) kill() {
	s.cmd.Process.Kill()
	<-s.done
}

func weirBinary() string {
	if bin := os.Getenv("WEIR_BIN"); bin != "" {
		return bin
	}
	return filepath.Join("..", "..", "bin", "weir")
}

// llamaDir is where scripts/llama-deps put the server. Without it the tests
// fail: it is what they test with.
func llamaDir() string {
	if dir := os.Getenv("WEIR_LLAMA"); dir != "" {
		return dir
	}
	return "WEIR_LLAMA is not set: run `make test-servers`, which installs the server and names its folder"
}

// program is a process with what it printed.
type program struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func start(cmd *exec.Cmd) (*program, error) {
	p := &program{cmd: cmd, done: make(chan struct{}), changed: make(chan struct{}, 1)}
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() { cmd.Wait(); close(p.done) }()
	return p, nil
}

func (p *program) Write(b []byte) (int, error) {
	p.mu.Lock()
	p.text.Write(b)
	p.mu.Unlock()
	select {
	case p.changed <- struct{}{}:
	default:
	}
	return len(b), nil
}

func (p *program) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}

// await waits for a line with the marker and returns the URL in it.
func (p *program) await(marker string) (string, error) {
	deadline := time.After(patience)
	for {
		for line := range strings.Lines(p.said()) {
			if url := regexp.MustCompile(`https?://[^\s]+`).FindString(line); url != "" && strings.Contains(line, marker) {
				return url, nil
			}
		}
		select {
		case <-p.changed:
		case <-p.done:
			return "", fmt.Errorf("%s ended:\n%s", p.cmd, p.said())
		case <-deadline:
			return "", fmt.Errorf("%s never said %q:\n%s", p.cmd, marker, p.said())
		}
	}
}

func (p *program) end() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		p.cmd.Process.Kill()
		<-p.done
	}
}

// until asks again until the condition holds.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// post sends JSON to Weir with the first tenant's key.
func post(t *testing.T, ctx context.Context, path, body string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, world.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+world.key)
	r.Header.Set("Content-Type", "application/json")
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
