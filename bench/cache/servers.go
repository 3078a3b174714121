package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// server is one under measurement.
type server struct {
	name, addr, admin string
	cmd               *exec.Cmd
}

func startServers(dir, up string) (all []*server, stop func(), err error) {
	stop = func() {
		for _, s := range all {
			s.cmd.Process.Signal(syscall.SIGTERM)
			s.cmd.Wait()
		}
	}
	nginx, err := startNginx(dir, up)
	if err != nil {
		return all, stop, err
	}
	all = append(all, nginx)
	bin := os.Getenv("WEIR_BIN")
	if bin == "" {
		bin = filepath.Join(dir, "weir")
		build := exec.Command("go", "build", "-o", bin, "./cmd/weir")
		build.Dir = filepath.Join("..", "..")
		if out, err := build.CombinedOutput(); err != nil {
			return all, stop, fmt.Errorf("%w: %s", err, out)
		}
	}
	for _, front := range []string{"standard", "own"} {
		s, err := startWeir(dir, bin, front, up)
		if err != nil {
			return all, stop, err
		}
		all = append(all, s)
	}
	return all, stop, nil
}

func startNginx(dir, up string) (*server, error) {
	path, err := exec.LookPath("nginx")
	if err != nil {
		path = "/usr/sbin/nginx"
	}
	s := &server{name: "nginx", addr: freeAddr()}
	conf := filepath.Join(dir, "nginx.conf")
	user := ""
	if os.Getuid() == 0 {
		user = "user root;\n"
	}
	text := user + fmt.Sprintf(`worker_processes 1;
daemon off;
pid %[1]s/nginx.pid;
error_log %[1]s/nginx.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  client_body_buffer_size 256k;
  sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 10000000;
  proxy_cache_path %[1]s/cache levels=1:2 keys_zone=c:16m max_size=1g;
  server {
    listen %[2]s;
    location / {
      proxy_pass http://%[3]s;
      proxy_cache c;
      proxy_cache_methods POST;
      proxy_cache_key "$request_uri|$request_body";
      proxy_cache_valid 200 1h;
      proxy_cache_lock on;
    }
  }
}
`, dir, s.addr, up)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, err
	}
	return s, s.start(exec.Command(path, "-p", dir, "-c", conf))
}

func startWeir(dir, bin, front, up string) (*server, error) {
	s := &server{name: "weir " + front, addr: freeAddr(), admin: freeAddr()}
	home := filepath.Join(dir, front)
	if err := os.Mkdir(home, 0o700); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`server: {listen: %q, front: %s}
admin: {listen: %q}
log: {access: false}
store: {path: weir.db}
journal: {path: weir.journal}
tenants: [{name: bench, keys: [{name: k, hash: "sha256:%x"}]}]
models: [{name: bench, cache: {ttl: 1h}, deployments: [{name: bench/up, external: {urls: ["http://%s"]}}]}]
`, s.addr, front, s.admin, sha256.Sum256([]byte(key)), up)
	file := filepath.Join(home, "weir.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	c := exec.Command(bin, "serve", "-c", file)
	c.Dir = home
	return s, s.start(c)
}

func (s *server) start(c *exec.Cmd) error {
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.cmd = c
	if err := c.Start(); err != nil {
		return err
	}
	var err error
	for range 600 {
		if _, err = play(s.addr, request(s.addr, "ready", 100), 1); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond) // another process
	}
	return fmt.Errorf("%s does not answer: %w: %.2000s", s.name, err, said.String())
}

// pids are the process and its children: nginx has a worker.
func (s *server) pids() []int {
	pid := s.cmd.Process.Pid
	pids := []int{pid}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, c := range strings.Fields(string(children)) {
		if n, err := strconv.Atoi(c); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// cpu is the processor time used so far, user and system, in units of 10 ms.
func (s *server) cpu() (sum time.Duration) {
	for _, pid := range s.pids() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		for _, f := range fields[11:13] {
			n, _ := strconv.Atoi(f)
			sum += time.Duration(n) * 10 * time.Millisecond
		}
	}
	return sum
}

// heap is what is alive in a weir's memory, in bytes.
func (s *server) heap() (n int64, err error) {
	resp, err := http.Get("http://" + s.admin + "/debug/pprof/heap?gc=1&debug=1")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	_, after, found := strings.Cut(string(b), "# HeapAlloc = ")
	if !found {
		return 0, fmt.Errorf("%s: no heap at %s, status %d", s.name, s.admin, resp.StatusCode)
	}
	line, _, _ := strings.Cut(after, "\n")
	return strconv.ParseInt(line, 10, 64)
}

// profile writes a CPU profile of hits of 1 KB.
func (s *server) profile(dir string) error {
	req := request(s.addr, "hit", sizes[0])
	done := make(chan error, 1)
	go func() {
		resp, err := http.Get("http://" + s.admin + "/debug/pprof/profile?seconds=8")
		if err == nil {
			var b []byte
			if b, err = io.ReadAll(resp.Body); err == nil {
				err = os.WriteFile(filepath.Join(dir, strings.ReplaceAll(s.name, " ", "-")+".pprof"), b, 0o600)
			}
		}
		done <- err
	}()
	for {
		select {
		case err := <-done:
			return err
		default:
			if _, err := play(s.addr, req, 2000); err != nil {
				return err
			}
		}
	}
}

func freeAddr() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return ""
	}
	defer l.Close()
	return l.Addr().String()
}
