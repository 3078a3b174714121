package process

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Deployment says how one replica is started, checked and stopped. Zero
// durations and counts mean the defaults named beside them.
type Deployment struct {
	Name string

	// Command is the program and its arguments; no shell reads it. In it and
	// in Env, {port} becomes the port the replica must listen on, {addr} the
	// listen address 127.0.0.1:port, {replica} the replica's id and {gpu} its
	// GPU ids joined by commas. Other braces stay as they are. {port} or
	// {addr} must occur.
	Command []string
	Env     []string // "NAME=value", over the fleet's Environ
	Without []string // names of the fleet's Environ that its replicas do not get
	Pass    []string // names of Without that they get nevertheless
	Dir     string   // working folder; "": Weir's own
	GPUs    int      // how many of the fleet's GPUs each replica gets, as CUDA_VISIBLE_DEVICES

	HealthPath     string        // answers 200 when the replica takes requests; default /health
	StartTimeout   time.Duration // to the first 200, else it counts as failed; default 10 min
	HealthEvery    time.Duration // between checks of a ready replica; default 2 s
	HealthTimeout  time.Duration // of one check; default 2 s
	HealthFailures int           // in a row, then it counts as failed; default 3

	DrainDeadline time.Duration // a draining replica is stopped after this at the latest; default 2 min
	// DrainQuiet is how long a draining replica must have been idle before it
	// is stopped: the gateway may learn of the drain a moment late and send one
	// more request. Default 2 s.
	DrainQuiet time.Duration
	StopGrace  time.Duration // between SIGTERM and SIGKILL; default 10 s

	RestartMin time.Duration // wait before the first restart, doubled each time; default 1 s
	RestartMax time.Duration // longest wait; ready for that long resets it; default 1 min

	MaxReplicas int   // default 64
	LogBytes    int64 // of a replica's output kept, twice: this file and the one before; default 8 MiB
}

func (d *Deployment) fill(gpus int) error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("process deployment %q: "+format, append([]any{d.Name}, args...)...)
	}
	if d.Name == "" {
		return fmt.Errorf("process deployment: Name is empty")
	}
	if len(d.Command) == 0 || d.Command[0] == "" {
		return fail("command is empty: name the program and its arguments")
	}
	if all := strings.Join(append(append([]string{}, d.Command...), d.Env...), " "); !strings.Contains(all, "{port}") && !strings.Contains(all, "{addr}") {
		return fail("neither command nor env contains {port} or {addr}: a replica would not know where to listen")
	}
	for _, e := range d.Env {
		name, _, ok := strings.Cut(e, "=")
		if !ok || name == "" {
			return fail("env %q: want NAME=value", e)
		}
		if name == visibleDevices && d.GPUs > 0 {
			return fail("env sets %s, which the fleet sets for deployments with gpus; remove one of the two", name)
		}
	}
	if d.GPUs < 0 || d.GPUs > gpus {
		return fail("needs %d GPUs each, but the fleet has %d", d.GPUs, gpus)
	}
	if d.HealthPath == "" {
		d.HealthPath = "/health"
	}
	if !strings.HasPrefix(d.HealthPath, "/") {
		return fail("health path %q: want it to begin with /", d.HealthPath)
	}
	return d.fillBounds(fail)
}

func (d *Deployment) fillBounds(fail func(string, ...any) error) error {
	for _, v := range []struct {
		name string
		have *time.Duration
		def  time.Duration
	}{
		{"start timeout", &d.StartTimeout, 10 * time.Minute},
		{"health interval", &d.HealthEvery, 2 * time.Second},
		{"health timeout", &d.HealthTimeout, 2 * time.Second},
		{"drain deadline", &d.DrainDeadline, 2 * time.Minute},
		{"drain quiet", &d.DrainQuiet, 2 * time.Second},
		{"stop grace", &d.StopGrace, 10 * time.Second},
		{"restart minimum", &d.RestartMin, time.Second},
		{"restart maximum", &d.RestartMax, time.Minute},
	} {
		if *v.have == 0 {
			*v.have = v.def
		}
		if *v.have < 0 {
			return fail("%s is %v: want it above zero", v.name, *v.have)
		}
	}
	if d.RestartMin > d.RestartMax {
		return fail("restart minimum %v is above restart maximum %v", d.RestartMin, d.RestartMax)
	}
	if d.HealthFailures == 0 {
		d.HealthFailures = 3
	}
	if d.MaxReplicas == 0 {
		d.MaxReplicas = 64
	}
	if d.LogBytes == 0 {
		d.LogBytes = 8 << 20
	}
	if d.HealthFailures < 0 || d.MaxReplicas < 0 || d.LogBytes < 0 {
		return fail("health failures %d, max replicas %d, log bytes %d: want none below zero", d.HealthFailures, d.MaxReplicas, d.LogBytes)
	}
	return nil
}

// hash names a replica's template. A running replica with another hash is out
// of date.
func (d *Deployment) hash() string {
	template := []any{d.Name, d.Command, d.Env, d.Dir, d.GPUs, d.HealthPath}
	if len(d.Pass) > 0 {
		template = append(template, d.Pass)
	}
	b, err := json.Marshal(template)
	if err != nil {
		panic("process: strings and ints do not marshal: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

const (
	visibleDevices = "CUDA_VISIBLE_DEVICES"
	markVar        = "WEIR_REPLICA" // in every replica's environment: <state folder>#<id>, which identifies its orphaned children
)

// expand fills the placeholders for one replica: its arguments, and its
// environment beyond the fleet's.
func (d *Deployment) expand(id, mark string, port int, gpus []string, pool bool) (argv, env []string) {
	gpu := strings.Join(gpus, ",")
	fill := strings.NewReplacer("{port}", strconv.Itoa(port), "{addr}", hostPort(port), "{replica}", id, "{gpu}", gpu)
	for _, a := range d.Command {
		argv = append(argv, fill.Replace(a))
	}
	env = append(env, markVar+"="+mark)
	if pool {
		// Without GPUs of its own a replica must not use those of others.
		env = append(env, visibleDevices+"="+gpu)
	}
	for _, e := range d.Env {
		env = append(env, fill.Replace(e))
	}
	return argv, env
}

// inherited is the beginning of a replica's environment: the fleet's, without
// the variables the deployment excludes.
func (d *Deployment) inherited(environ []string) []string {
	env := make([]string, 0, len(environ)+4)
	for _, e := range environ {
		name, _, _ := strings.Cut(e, "=")
		if !slices.Contains(d.Without, name) || slices.Contains(d.Pass, name) {
			env = append(env, e)
		}
	}
	return env
}

func hostPort(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
