// Package process runs replicas as local processes: any inference server that
// listens on a port and answers a health path.
//
// It owns the processes it starts, from the free port and the GPUs they get
// to the last of their children, and leaves none behind: a replica that ends
// takes its process group with it, and what a killed Weir left running is
// found again through the state folder and adopted or ended. It refuses to
// know how many replicas there should be (package scale) and what they are
// asked (package gateway).
//
// One goroutine per replica, its keeper, walks that replica through
// starting, ready, draining and failed. Fleet.Run starts and joins them all.
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

	// GPUs are the ids that may be given to replicas, as CUDA_VISIBLE_DEVICES
	// takes them: "0", "1", or "GPU-<uuid>". Empty: replicas get none, and see
	// what the machine shows them.
	GPUs []string

	// StateDir holds a small file and the output of every replica. One Weir
	// at a time uses it; New fails when another holds it.
	StateDir string

	// Keep says what becomes of the replicas when Weir ends. False: they end
	// with it, however it ended. True: they go on serving through a stop, an
	// upgrade or a crash of Weir, and the next Weir on this StateDir adopts
	// those whose template is still the same and ends the others.
	Keep bool

	// Ports is the range replicas' ports are taken from, both included.
	// Default 20000 to 29999: below what Linux gives to outgoing connections,
	// so that those do not take a port between its test and its use.
	Ports [2]int

	// Environ is the environment replicas start from; nil: that of Weir.
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
	kick   chan struct{} // a replica was added and wants its keeper

	mu        sync.Mutex
	seq       int // of the last replica's id
	seqSaved  int // no later Weir starts below it
	deps      map[string]*deployment
	replicas  []*replica // all deployments, in order of age
	leftovers []record   // of an earlier Weir, to be ended before anything starts
	room      room
	watchers  []chan struct{} // each has room for one: that something may have changed
}

// deployment is a Deployment with what was learned about it.
type deployment struct {
	Deployment
	hash string
	load time.Duration // the last replica took that long from start to ready; 0: none did yet
}

// New checks the options, takes the state folder and reads what an earlier
// Weir left there: replicas to adopt are in Status from here on. Nothing is
// started, and nothing ended, before Run, which also gives the folder back.
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

// leave starts a goroutine that waits for each child that stays behind (Options.Keep),
// so that one which ends while this Weir runs on without its fleet is not left as
// a zombie. These goroutines end with their children, or with Weir.
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

// filled returns the deployments with their defaults, or what is wrong with
// one.
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
