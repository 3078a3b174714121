package process

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"weir"
)

// The test binary has three roles, chosen by this variable: a small inference
// server, a Weir that runs a fleet, and the tests themselves.
const part = "WEIR_TEST_PART"

func TestMain(m *testing.M) {
	switch os.Getenv(part) {
	case "server":
		serve()
	case "child":
		time.Sleep(time.Hour)
	case "weir":
		beWeir()
	default:
		os.Exit(m.Run())
	}
}

// serve is a replica: healthy at once, and otherwise as its environment and the
// paths below make it.
func serve() {
	if os.Getenv("CRASH") != "" {
		fmt.Println("loading weights")
		fmt.Fprintln(os.Stderr, "out of memory")
		os.Exit(3)
	}
	if os.Getenv("STUBBORN") != "" {
		signal.Ignore(syscall.SIGTERM)
	}
	if os.Getenv("DAUGHTER") != "" {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), part+"=child")
		c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // not even in the process group
		if err := c.Start(); err != nil {
			os.Exit(4)
		}
		if err := os.WriteFile(os.Getenv("DAUGHTER")+os.Args[2], fmt.Append(nil, c.Process.Pid), 0o600); err != nil {
			os.Exit(4)
		}
	}
	var sick atomic.Bool
	sick.Store(os.Getenv("SICK") != "")
	http.HandleFunc("/health", func(w http.ResponseWriter, _ *http.Request) {
		if sick.Load() {
			http.Error(w, "unwell", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/sicken", func(http.ResponseWriter, *http.Request) { sick.Store(true) })
	http.HandleFunc("/chatter", func(http.ResponseWriter, *http.Request) {
		for range 1000 {
			fmt.Println(strings.Repeat("chatter ", 10))
		}
	})
	http.HandleFunc("/die", func(http.ResponseWriter, *http.Request) { os.Exit(5) })
	http.HandleFunc("/env", func(w http.ResponseWriter, _ *http.Request) {
		gpu, set := os.LookupEnv(visibleDevices)
		fmt.Fprintf(w, "gpu=%s set=%v args=%s name=%s", gpu, set, strings.Join(os.Args[1:], ","), os.Getenv("NAME"))
	})
	http.HandleFunc("/all", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, strings.Join(os.Environ(), "\n")) })
	fmt.Println("listening on", os.Args[1])
	if err := http.ListenAndServe(os.Args[1], nil); err != nil {
		fmt.Println(err)
		os.Exit(6)
	}
}

// beWeir runs a fleet of two replicas on the state folder of its argument until
// it is killed.
func beWeir() {
	o := options(os.Args[1], server("m"))
	o.Keep = os.Getenv("KEEP") != ""
	f, err := New(o)
	if err != nil {
		fmt.Println(err)
		os.Exit(7)
	}
	if err := f.Scale(context.Background(), "m", 2, nil); err != nil {
		fmt.Println(err)
		os.Exit(8)
	}
	_ = f.Run(context.Background())
}

// server is a deployment of the test's own server, with short times.
func server(name string, env ...string) Deployment {
	return Deployment{
		Name: name, Command: []string{os.Args[0], "{addr}", "{replica}", "{port}", "{gpu}", "{other}"},
		Env:         append([]string{part + "=server", "NAME={replica}@{port}"}, env...),
		HealthEvery: 100 * time.Millisecond, HealthFailures: 2,
		DrainDeadline: 20 * time.Second, DrainQuiet: 10 * time.Millisecond, StopGrace: 5 * time.Second,
		RestartMin: 10 * time.Millisecond, RestartMax: 50 * time.Millisecond,
	}
}

func options(dir string, deps ...Deployment) Options {
	return Options{Deployments: deps, StateDir: dir, Busy: func(_, _ string) int { return 0 }}
}

// run starts a fleet and returns it with its stop; the test's end stops it too.
func run(t *testing.T, o Options) (*Fleet, func()) {
	t.Helper()
	if testing.Verbose() {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	t.Cleanup(stop)
	return f, stop
}

func scale(t *testing.T, f *Fleet, deployment string, want int, victims ...string) {
	t.Helper()
	if err := f.Scale(t.Context(), deployment, want, victims); err != nil {
		t.Fatal(err)
	}
}

func status(t *testing.T, f *Fleet, deployment string) []weir.Replica {
	t.Helper()
	rs, err := f.Status(context.Background(), deployment)
	if err != nil {
		t.Fatal(err)
	}
	return rs
}

// await waits until the deployment's replicas are as wanted, and returns them.
func await(t *testing.T, f *Fleet, deployment, what string, ok func([]weir.Replica) bool) []weir.Replica {
	t.Helper()
	var rs []weir.Replica
	until(t, what, func() bool {
		rs = status(t, f, deployment)
		return ok(rs)
	})
	return rs
}

// until polls: real processes announce no end. Only a failed test reaches the
// limit.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func all(n int, s weir.ReplicaState) func([]weir.Replica) bool {
	return func(rs []weir.Replica) bool {
		for _, r := range rs {
			if r.State != s {
				return false
			}
		}
		return len(rs) == n
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := c.Get(url)
	if err != nil {
		return err.Error()
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func alive(pid int) bool {
	_, err := birth(pid)
	return err == nil
}

// daughters are the processes started by replicas with DAUGHTER set to prefix.
func daughters(t *testing.T, prefix string) (pids []int) {
	t.Helper()
	paths, err := filepath.Glob(prefix + "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if pid, err := strconv.Atoi(string(b)); err == nil { // else not written yet
			pids = append(pids, pid)
		}
	}
	return pids
}

// pids of the replicas recorded in a state folder.
func pids(t *testing.T, dir string) []int {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"+recordEnd))
	if err != nil {
		t.Fatal(err)
	}
	var ps []int
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // its replica went in between
		}
		if rec := decode(t, b); rec.PID != 0 {
			ps = append(ps, rec.PID)
		}
	}
	return ps
}
