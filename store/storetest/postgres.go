//go:build unix

package storetest

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Server is a PostgreSQL server of one test: its own data in a temporary
// folder, no port, ended with the test. A test that cannot start one fails;
// scripts/server-deps installs the dependencies.
type Server struct {
	t         testing.TB
	bin, dir  string
	as        *syscall.Credential // nil: this user
	process   *exec.Cmd
	databases atomic.Int64
}

// Start makes a server and starts it.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, bin: binaries(t), as: unprivileged(t)}
	dir, err := os.MkdirTemp("", "weir-pg-") // a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	s.dir = dir
	t.Cleanup(func() {
		s.Kill()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if s.as != nil {
		if err := os.Chown(dir, int(s.as.Uid), int(s.as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.run("initdb", "--pgdata", s.data(), "--username", "weir", "--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	s.Restart()
	return s
}

// binaries is the folder of the newest PostgreSQL: from Debian's folders, else
// from the PATH.
func binaries(t testing.TB) string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) > 0 {
		version := func(path string) int {
			n, _ := strconv.Atoi(filepath.Base(filepath.Dir(path))) // 0: no version
			return n
		}
		return slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		t.Fatal("no PostgreSQL server on this machine: run scripts/server-deps (as root), or apt-get install postgresql")
	}
	return filepath.Dir(path)
}

// unprivileged is the server's user if this one is root, which PostgreSQL
// refuses.
func unprivileged(t testing.TB) *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
		gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
		if err1 == nil && err2 == nil {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		}
	}
	t.Fatal("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")
	return nil
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

func (s *Server) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.bin, name), args...)
	c.Dir = s.dir
	c.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "TZ=UTC"}
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	endWithUs(c.SysProcAttr)
	return c
}

func (s *Server) run(name string, args ...string) {
	s.t.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// Restart starts the server again after Kill, and returns when it answers.
func (s *Server) Restart() {
	s.t.Helper()
	if s.process != nil {
		s.t.Fatal("the server runs already")
	}
	var log bytes.Buffer
	s.process = s.command("postgres", "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60")
	s.process.Stdout, s.process.Stderr = &log, &log
	if err := s.process.Start(); err != nil {
		s.t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if s.command("pg_isready", "-q", "-h", s.dir, "-U", "weir").Run() == nil {
			return
		}
		if time.Since(began) > time.Minute {
			s.Kill() // joins the goroutine that fills the log
			s.t.Fatalf("the server does not answer:\n%s", log.String())
		}
	}
}

// Kill ends the server as kill -9 does, with all its processes, and waits for
// its end. Committed data is there after Restart.
func (s *Server) Kill() {
	if s.process == nil {
		return
	}
	s.signal(syscall.SIGKILL)
	_ = s.process.Wait() // "signal: killed"
	s.process = nil
	// A later start would take the pid in this file for a running server.
	if err := os.Remove(filepath.Join(s.data(), "postmaster.pid")); err != nil && !os.IsNotExist(err) {
		s.t.Error(err)
	}
}

// Pause freezes every process of the server: it accepts connections and answers
// nothing. The returned func lets it go on.
func (s *Server) Pause() (goOn func()) {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
	return func() { s.t.Helper(); s.signal(syscall.SIGCONT) }
}

// signal reaches the postmaster and its children.
func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	pids := []int{s.process.Process.Pid}
	out, err := exec.Command("ps", "-o", "pid=", "--ppid", fmt.Sprint(pids[0])).Output()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, field := range bytes.Fields(out) {
		pid, err := strconv.Atoi(string(field))
		if err != nil {
			s.t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && err != syscall.ESRCH {
			s.t.Fatal(err)
		}
	}
}

// Database makes an empty database and returns its URL.
func (s *Server) Database() string {
	s.t.Helper()
	name := fmt.Sprintf("weir_%d", s.databases.Add(1))
	s.run("createdb", "-h", s.dir, "-U", "weir", name)
	return "postgres:///" + name + "?" + url.Values{"host": {s.dir}, "user": {"weir"}}.Encode()
}
