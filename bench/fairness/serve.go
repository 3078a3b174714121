package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// build makes the program of this working tree.
func build(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "weir")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", out, "./cmd/weir")
	cmd.Dir = filepath.Join("..", "..")
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/weir in %s: %w\n%s", cmd.Dir, err, text)
	}
	return out, nil
}

// served is a running `weir serve`.
type served struct {
	url  string
	cmd  *exec.Cmd
	done chan error
}

// The tenants' keys.
const (
	smallKey = "weir_small"
	largeKey = "weir_large"
	alsoKey  = "weir_small_too" // of the large tenant
)

// serve starts the program and waits until its replicas are ready.
func serve(ctx context.Context, p setting, dir string) (*served, error) {
	callers, err := freeAddr()
	if err != nil {
		return nil, err
	}
	operators, err := freeAddr()
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "weir.yaml")
	text := fmt.Sprintf(configuration, callers, operators, filepath.Join(dir, "weir.db"), filepath.Join(dir, "journal"),
		hash(smallKey), hash(largeKey), hash(alsoKey), p.slots, p.weir, p.speed, p.replicas, p.replicas)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s := &served{url: "http://" + callers, done: make(chan error, 1)}
	s.cmd = exec.Command(p.weir, "serve", "-c", file)
	s.cmd.Dir = dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { s.done <- s.cmd.Wait() }()
	if err := ready(ctx, "http://"+operators+"/metrics", p.replicas); err != nil {
		s.stop()
		said, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w\n%s", err, said)
	}
	return s, nil
}

const configuration = `
server: {listen: %q}
admin: {listen: %q}
log: {access: false, level: warn}
store: {path: %q}
journal: {path: %q}
tenants:
  - name: small
    keys: [{name: k, hash: "sha256:%x"}]
  - name: large
    keys: [{name: k, hash: "sha256:%x"}, {name: too, hash: "sha256:%x"}]
models:
  - name: chat
    deployments:
      - name: chat/emulated
        capacity: {max_requests: %d}
        process:
          command: [%q, emulate, --listen, "127.0.0.1:{port}", --model, llama-3.1-8b, --gpu, L4, --speed, "%g", --load, 1s]
          model: llama-3.1-8b
        scaling: {min: %d, max: %d}
`

func hash(key string) [32]byte { return sha256.Sum256([]byte(key)) }

// stop ends the program and waits for it.
func (s *served) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
	case <-time.After(time.Minute):
		s.cmd.Process.Kill()
		<-s.done
	}
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// startTime bounds the wait for the replicas.
const startTime = 2 * time.Minute

// ready waits until so many replicas are ready.
func ready(ctx context.Context, metrics string, replicas int) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if n, err := readyReplicas(ctx, metrics); err == nil && n >= replicas {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d replicas were not ready within %v", replicas, startTime)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	return http.DefaultClient.Do(req)
}
