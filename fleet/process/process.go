// Package process runs replicas as local processes: any inference server that
// listens on a port and answers a health path.
//
// It owns the processes it starts, from their free port and GPUs to the last of
// their children, and leaves none behind. A replica that ends takes its process
// group with it; the processes of a killed Weir are found through the state
// folder, and adopted or ended. It refuses to know how many replicas there
// should be (package scale) and what requests they get (package gateway).
//
// One goroutine per replica, its keeper, walks that replica through starting,
// ready, draining and failed. Fleet.Run starts and joins them all.
package process

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"weir/fleet"
)

var (
	_ fleet.Place   = (*Fleet)(nil)
	_ fleet.Watcher = (*Fleet)(nil)
)

// Options configure a Fleet. Deployments and StateDir must be set.
type Options struct {
	Deployments []Deployment

	// GPUs are the ids that replicas may get, as CUDA_VISIBLE_DEVICES takes
	// them: "0", "1", or "GPU-<uuid>". Empty: replicas get none, and see all
	// GPUs the machine shows them.
	GPUs []string

	// StateDir holds a small file and the output of every replica. One Weir at
	// a time uses it; New fails while another has it.
	StateDir string

	// Keep says whether replicas outlive Weir. False: they end with it, however
	// it ended. True: they go on serving through a stop, an upgrade or a crash
	// of Weir, and the next Weir on this StateDir adopts those whose template
	// is unchanged and ends the others.
	Keep bool

	// Ports is the range of replicas' ports, both included. Default 20000 to
	// 29999: below the range Linux uses for outgoing connections, which
	// therefore take no port between its test and its use.
	Ports [2]int

	// Environ is the base of replicas' environment; nil: Weir's own.
	Environ []string

	// Busy says how many requests a replica still works on. A draining replica
	// is stopped when it has been 0 for Deployment.DrainQuiet. Nil: a draining
	// replica always gets its whole DrainDeadline.
	Busy func(deployment, replica string) int

	Log *slog.Logger // nil: silent
}

// Fleet is the place. Make one with New; it is safe for concurrent use.
type Fleet struct {
	o      Options
	lock   *os.File
	health *http.Client
	spawn  chan spawnRequest
	kick   chan struct{} // a replica was added and needs its keeper

	mu        sync.Mutex
	seq       int // of the last replica's id
	seqSaved  int // no later Weir starts below it
	deps      map[string]*deployment
	replicas  []*replica // all deployments, in order of age
	leftovers []record   // of an earlier Weir, to be ended before any start
	room      room
	watchers  []chan struct{} // each with capacity one: a change is possible
}

// deployment is a Deployment and what Weir has learned about it.
type deployment struct {
	Deployment
	hash string
	load time.Duration // the last replica's time from start to ready; 0: none yet
}

// New checks the options, takes the state folder and reads the records of an
// earlier Weir there: replicas to adopt are in Status from here on. Before Run
// it starts and ends nothing. Run also gives the folder back.
func New(o Options) (*Fleet, error) {
	if err := o.fill(); err != nil {
		return nil, err
	}
	lock, err := lockDir(o.StateDir)
	if err != nil {
		return nil, err
	}
	f := &Fleet{
		o: o, lock: lock, health: newHealthClient(),
		spawn: make(chan spawnRequest), kick: make(chan struct{}, 1),
		deps: map[string]*deployment{},
		room: room{gpus: o.GPUs, ports: o.Ports, usedGPU: map[string]bool{}, usedPort: map[int]bool{}},
	}
	for _, d := range o.Deployments {
		f.deps[d.Name] = &deployment{Deployment: d, hash: d.hash()}
	}
	if err := f.recall(); err != nil {
		lock.Close()
		return nil, err
	}
	return f, nil
}

// Run keeps the replicas until ctx ends, then stops them (or leaves them
// serving, with Options.Keep) and returns when every goroutine and, unless
// kept, every process of the fleet has ended. It may be called once.
func (f *Fleet) Run(ctx context.Context) error {
	defer f.lock.Close()
	defer f.returnSequence()
	defer f.health.CloseIdleConnections()

	var starter sync.WaitGroup
	starter.Go(f.startProcesses)
	defer starter.Wait()
	defer close(f.spawn)

	f.endLeftovers()
	defer f.leave()
	var keepers sync.WaitGroup
	defer keepers.Wait()
	for {
		for _, r := range f.unkept() {
			keepers.Go(func() { f.keep(ctx, r) })
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.kick:
		}
	}
}

// leave starts a goroutine for each child that stays behind (Options.Keep), to
// reap it if it ends while this Weir runs on without its fleet. These
// goroutines end with their children, or with Weir.
func (f *Fleet) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.replicas {
		if r.proc != nil && r.proc.cmd != nil && !r.proc.ended {
			go func(c *exec.Cmd) { _ = c.Wait() }(r.proc.cmd)
		}
	}
}

// unkept returns the replicas that have no keeper yet and marks them kept.
func (f *Fleet) unkept() []*replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	var rs []*replica
	for _, r := range f.replicas {
		if !r.kept {
			r.kept = true
			rs = append(rs, r)
		}
	}
	return rs
}

func (o *Options) fill() error {
	if o.StateDir == "" {
		return fmt.Errorf("process fleet: StateDir is empty: name a folder, so that replicas are found again after a crash")
	}
	dir, err := filepath.Abs(o.StateDir)
	if err != nil {
		return fmt.Errorf("process fleet: state folder: %w", err)
	}
	o.StateDir = dir
	if o.Ports == [2]int{} {
		o.Ports = [2]int{20000, 29999}
	}
	if o.Ports[0] < 1 || o.Ports[1] > 65535 || o.Ports[0] > o.Ports[1] {
		return fmt.Errorf("process fleet: ports %d to %d: want 1 <= first <= last <= 65535", o.Ports[0], o.Ports[1])
	}
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o.fillDeployments()
}

func (o *Options) fillDeployments() error {
	gpus := map[string]bool{}
	for _, id := range o.GPUs {
		if id == "" || gpus[id] {
			return fmt.Errorf("process fleet: GPU id %q is empty or named twice", id)
		}
		gpus[id] = true
	}
	var err error
	o.Deployments, err = filled(o.Deployments, len(o.GPUs))
	return err
}

// filled returns the deployments with their defaults, or an error about one.
func filled(deployments []Deployment, gpus int) ([]Deployment, error) {
	out, names := make([]Deployment, len(deployments)), map[string]bool{}
	for i, d := range deployments {
		if names[d.Name] {
			return nil, fmt.Errorf("process fleet: deployment %q is named twice", d.Name)
		}
		names[d.Name] = true
		if err := d.fill(gpus); err != nil {
			return nil, err
		}
		out[i] = d
	}
	return out, nil
}
