package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"
)

// benchKey is the key callers send; only Weir looks at it.
const benchKey = "weir-bench-key-0123456789abcdef0123456789abcdef"

// target is something requests can be sent to.
type target struct {
	name    string
	addr    string // for answers
	streams string // for streams: nginx wants another setting there
	admin   string // of Weir
	serves  string // server.front of Weir, "" for its default
	proc    *process
	launch  func(t *target) error // starts it, also after a stop
}

// world is everything that runs.
type world struct {
	dir      string
	pin      bool
	load     string // processors
	proxies  string
	upstream *target
	targets  []*target
	nginx    string
	front    string // of Weir
	version  string // of nginx

	mu      sync.Mutex
	running []*process
}

func (w *world) run(name, cpus string, argv ...string) (*process, error) {
	p, err := start(w.dir, name, cpus, argv...)
	if err == nil {
		w.mu.Lock()
		w.running = append(w.running, p)
		w.mu.Unlock()
	}
	return p, err
}

func (w *world) stopAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.running {
		p.stop()
	}
	w.running = nil
}

// noProxy starts the upstream alone.
const noProxy = "none"

// start brings up the upstream and the proxies (or only one of them).
func (w *world) start(only string) error {
	if w.pin {
		w.load, w.proxies = halves()
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	up := freeAddr()
	w.upstream = &target{name: "direct", addr: up, streams: up}
	if w.upstream.proc, err = w.run("upstream", w.load, self, "upstream", up); err != nil {
		return err
	}
	stay(w.load)
	if err := w.upstream.ready(); err != nil {
		return err
	}
	all := []*target{
		{name: "nginx", launch: w.startNginx},
		{name: "reverseproxy", launch: func(t *target) error { return w.startReverseProxy(t, self) }},
		{name: "weir", launch: w.startWeir, serves: w.front},
	}
	for _, t := range all {
		if only != "" && t.name != only {
			continue
		}
		w.targets = append(w.targets, t)
		if err := t.restart(); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	if len(w.targets) == 0 && only != noProxy {
		return fmt.Errorf("no proxy is called %q: nginx, reverseproxy, weir", only)
	}
	return nil
}

// stay keeps this process off the proxies' processors.
func stay(cpus string) {
	if taskset, err := exec.LookPath("taskset"); err == nil && cpus != "" {
		exec.Command(taskset, "-a", "-c", "-p", cpus, fmt.Sprint(os.Getpid())).Run()
		runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2))
	}
}

// restart starts a proxy, after stopping it if it runs.
func (t *target) restart() error {
	if t.proc != nil {
		t.proc.stop()
	}
	if err := t.launch(t); err != nil {
		return err
	}
	return t.ready()
}

// ready waits until a request is answered in full.
func (t *target) ready() error {
	var err error
	for range 100 {
		if err = probe(t.addr); err == nil {
			return nil
		}
		if t.proc != nil {
			select {
			case <-t.proc.done:
				b, _ := os.ReadFile(t.proc.logs)
				return fmt.Errorf("it ended at once: %s", bytes.TrimSpace(b[:min(len(b), 2000)]))
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	return fmt.Errorf("not ready after 10 s: %w", err)
}

func probe(addr string) error {
	c, err := dial(addr)
	if err != nil {
		return err
	}
	defer c.close()
	return c.ask(request(askAnswer, 1<<10))
}

// freeAddr is a loopback address that was free a moment ago.
func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const nginxConf = `
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.err warn;
worker_processes %[5]d;
worker_rlimit_nofile 40000;
events { worker_connections 20000; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	client_max_body_size 16m;
	client_body_buffer_size 128k;
	keepalive_requests 1000000000;
	upstream inference {
		server %[2]s;
		keepalive 1024;
		keepalive_requests 1000000000;
	}
	server {
		listen %[3]s backlog=8192;
		location / {
			proxy_pass http://inference;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
		}
	}
	server {
		listen %[4]s backlog=8192;
		location / {
			proxy_pass http://inference;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_buffering off;
		}
	}
}
`

func (w *world) startNginx(t *target) error {
	if err := w.findNginx(); err != nil {
		return err
	}
	t.addr, t.streams = freeAddr(), freeAddr()
	conf := filepath.Join(w.dir, "nginx.conf")
	text := fmt.Sprintf(nginxConf, w.dir, w.upstream.addr, t.addr, t.streams, w.workers())
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	// A worker that runs as nobody writes its temporary files in here.
	if err := os.Chmod(w.dir, 0o755); err != nil {
		return err
	}
	var err error
	t.proc, err = w.run("nginx", w.proxies, w.nginx, "-p", w.dir, "-c", conf)
	return err
}

// findNginx looks for nginx and, as root with apt-get, installs it.
func (w *world) findNginx() error {
	if w.nginx != "" {
		return nil
	}
	for range 2 {
		for _, name := range []string{"nginx", "/usr/sbin/nginx"} {
			if path, err := exec.LookPath(name); err == nil {
				w.nginx = path
				out, _ := exec.Command(path, "-v").CombinedOutput()
				w.version = string(bytes.TrimPrefix(bytes.TrimSpace(out), []byte("nginx version: ")))
				return nil
			}
		}
		if os.Getuid() != 0 {
			break
		}
		log.Print("installing nginx-light with apt-get")
		if out, err := exec.Command("apt-get", "install", "-y", "-q", "nginx-light").CombinedOutput(); err != nil {
			return fmt.Errorf("apt-get install nginx-light: %w: %s", err, out)
		}
	}
	return errors.New("nginx is not installed: install it, or run as root where apt-get can")
}

func (w *world) startReverseProxy(t *target, self string) error {
	t.addr = freeAddr()
	t.streams = t.addr
	var err error
	t.proc, err = w.run("reverseproxy", w.proxies, self, "reverseproxy", t.addr, w.upstream.addr)
	return err
}

// serveReverseProxy is httputil.ReverseProxy with connections kept, and
// nothing else.
func serveReverseProxy(addr, upstream string) {
	p := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: upstream})
	p.Transport = &http.Transport{MaxIdleConns: 0, MaxIdleConnsPerHost: 10_000, DisableCompression: true}
	log.Fatal(http.ListenAndServe(addr, p))
}

const weirConf = `
server:
  listen: %[1]s%[7]s
admin:
  listen: %[2]s
log:
  access: false
store:
  path: %[3]s/weir-%[4]d.db
journal:
  path: %[3]s/weir-%[4]d.journal
tenants:
  - name: bench
    limits:
      requests: 10M/min
      tokens: 1000M/min
      concurrent: 20000
    keys:
      - name: load
        hash: sha256:%[5]x
        limits:
          requests: 10M/min
          tokens: 1000M/min
models:
  - name: bench
    deployments:
      - name: bench/mock
        capacity:
          max_requests: 20000
        price:
          prompt: $2.50/1M tokens
          completion: $10.00/1M tokens
        external:
          urls: [http://%[6]s]
          metrics: ""
`

func (w *world) startWeir(t *target) error {
	bin, err := w.weirBinary()
	if err != nil {
		return err
	}
	t.addr = freeAddr()
	t.streams, t.admin = t.addr, freeAddr()
	conf := filepath.Join(w.dir, fmt.Sprintf("weir-%d.yaml", time.Now().UnixNano()))
	text := fmt.Sprintf(weirConf, t.addr, t.admin, w.dir, time.Now().UnixNano(), sha256.Sum256([]byte(benchKey)), w.upstream.addr, t.front())
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		return err
	}
	t.proc, err = w.run("weir", w.proxies, bin, "serve", "-c", conf, "--state", filepath.Join(w.dir, "state-"+t.name))
	return err
}

// front is a line for what serves HTTP/1.1, if that is said with -front.
func (t *target) front() string {
	if t.serves == "" {
		return ""
	}
	return "\n  front: " + t.serves
}

// weirBinary is WEIR_BIN, or built once.
func (w *world) weirBinary() (string, error) {
	if bin := os.Getenv("WEIR_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	bin := filepath.Join(w.dir, "weir")
	if _, err := os.Stat(bin); err == nil {
		return bin, nil
	}
	build := exec.Command("go", "build", "-trimpath", "-o", bin, "./cmd/weir")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build ./cmd/weir: %w: %s", err, out)
	}
	return bin, nil
}
