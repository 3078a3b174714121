// Package redistest starts real Redis servers for tests and benchmarks: each on
// free loopback ports, with a directory of its own, ended by its process id.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Program is the server that is run.
const Program = "redis-server"

// patience bounds waits that would otherwise hang.
const patience = 30 * time.Second

// Options configure the server. The zero Options run one without persistence.
type Options struct {
	Dir          string // for its files; must exist
	Password     string // of the user "default"
	User         string // a second user with all rights and UserPassword
	UserPassword string
	// TLS makes it accept TLS only, with the certificate of NewCerts in Dir.
	TLS     *Certs
	Cluster bool // a node of a future cluster (see MakeCluster)
	Port    int  // 0: a free one
}

// Server is a running redis-server.
type Server struct {
	Addr string
	o    Options
	cmd  *exec.Cmd
	said string // path of its log
	done chan struct{}
}

// Start runs a server and waits until it takes connections.
func Start(o Options) (*Server, error) {
	path, err := exec.LookPath(Program)
	if err != nil {
		return nil, fmt.Errorf("%w: the tests need a real Redis: run scripts/server-deps as root, or apt-get install redis-server", err)
	}
	if o.Port == 0 {
		if o.Port, err = freePort(); err != nil {
			return nil, err
		}
	}
	s := &Server{Addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(o.Port)), o: o, said: filepath.Join(o.Dir, fmt.Sprintf("redis-%d.log", o.Port))}
	return s, s.start(path)
}

func (s *Server) start(path string) error {
	log, err := os.Create(s.said)
	if err != nil {
		return err
	}
	defer log.Close()
	s.cmd = exec.Command(path, s.o.args()...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.o.Dir, log, log
	// A killed test leaves no server behind.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	s.done = make(chan struct{})
	go func() { s.cmd.Wait(); close(s.done) }()
	return s.await()
}

func (o *Options) args() []string {
	port := strconv.Itoa(o.Port)
	args := []string{"--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", o.Dir, "--daemonize", "no"}
	if o.TLS != nil {
		args = append(args, "--port", "0", "--tls-port", port, "--tls-cert-file", o.TLS.Cert, "--tls-key-file", o.TLS.Key,
			"--tls-ca-cert-file", o.TLS.CA, "--tls-auth-clients", "no")
	} else {
		args = append(args, "--port", port)
	}
	if o.Password != "" {
		args = append(args, "--requirepass", o.Password)
	}
	if o.User != "" {
		args = append(args, "--user", o.User, "on", ">"+o.UserPassword, "~*", "&*", "+@all")
	}
	if o.Cluster {
		args = append(args, "--cluster-enabled", "yes", "--cluster-config-file", "nodes-"+port+".conf", "--cluster-node-timeout", "2000")
	}
	return args
}

// await waits until the server logs that it accepts connections.
func (s *Server) await() error {
	deadline := time.Now().Add(patience)
	for {
		said, err := os.ReadFile(s.said)
		if err == nil && strings.Contains(string(said), "Ready to accept connections") {
			return nil
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended:\n%s", Program, said)
		default:
		}
		if time.Now().After(deadline) {
			s.Kill()
			return fmt.Errorf("%s did not start within %v:\n%s", Program, patience, said)
		}
		time.Sleep(5 * time.Millisecond) // another process cannot signal us
	}
}

// Pause stops the server like a machine that hangs; its connections stay open.
func (s *Server) Pause() error { return s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume continues a paused server.
func (s *Server) Resume() error { return s.cmd.Process.Signal(syscall.SIGCONT) }

// Kill ends the server at once and waits until it is gone. It may be called
// again.
func (s *Server) Kill() {
	if s == nil || s.cmd == nil || s.cmd.Process == nil || s.done == nil {
		return
	}
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.done
}

// Restart kills the server and starts it again on its port, with empty memory.
func (s *Server) Restart() error {
	s.Kill()
	path, err := exec.LookPath(Program)
	if err != nil {
		return err
	}
	return s.start(path)
}

// MakeCluster starts three nodes without replicas and joins them.
func MakeCluster(dir string) ([]*Server, error) {
	var nodes []*Server
	args := []string{"--cluster", "create"}
	for range 3 {
		s, err := startNode(dir)
		if err != nil {
			for _, n := range nodes {
				n.Kill()
			}
			return nil, err
		}
		nodes, args = append(nodes, s), append(args, s.Addr)
	}
	out, err := exec.Command("redis-cli", append(args, "--cluster-replicas", "0", "--cluster-yes")...).CombinedOutput()
	if err != nil {
		for _, n := range nodes {
			n.Kill()
		}
		return nil, fmt.Errorf("redis-cli --cluster create: %w:\n%s", err, out)
	}
	for _, n := range nodes {
		if err := n.awaitCluster(); err != nil {
			for _, n := range nodes {
				n.Kill()
			}
			return nil, err
		}
	}
	return nodes, nil
}

// awaitCluster waits until the node knows that every slot is served.
func (s *Server) awaitCluster() error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		out, err := exec.Command("redis-cli", "-p", strconv.Itoa(s.o.Port), "cluster", "info").CombinedOutput()
		if err == nil && strings.Contains(string(out), "cluster_state:ok") {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the cluster is not whole within %v: %v\n%s", patience, err, out)
		}
	}
}

// startNode finds a port whose cluster bus, 10,000 higher, is free as well.
func startNode(dir string) (*Server, error) {
	var last error
	for range 20 {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		if port > 65535-10000 {
			last = errors.New("no free port below 55535 for a node of a cluster")
			continue
		}
		s, err := Start(Options{Dir: dir, Port: port, Cluster: true})
		if err == nil {
			return s, nil
		}
		last = err
	}
	return nil, last
}

func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// Do sends one command to a server without TLS or password and returns the
// first line of the reply, for tests that bypass the client under test.
func (s *Server) Do(args ...string) (string, error) {
	c, err := net.DialTimeout("tcp", s.Addr, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := c.Write([]byte(b.String())); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	return strings.TrimSpace(line), err
}
