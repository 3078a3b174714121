package process

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"weir"
)

// pollEvery is how often a keeper looks at its process and its drain. It
// bounds how late an exit is seen.
const pollEvery = 100 * time.Millisecond

// replica is one slot of a deployment: a process, and another after that one
// failed. view, gpus and the fields down to replaces are guarded by the fleet's
// lock; the rest belongs to the keeper, which writes proc under the lock.
type replica struct {
	view     weir.Replica
	dep      *deployment // as it was configured when this replica was asked for
	gpus     []string
	leave    bool     // asked to go
	stopping bool     // and cannot be taken back
	served   bool     // its process was ready once
	kept     bool     // has a keeper
	replaced bool     // a replica of a newer template was started in its place
	handed   bool     // it served, and drains for that one
	replaces *replica // drained when this one is ready; nil: none

	wake   chan struct{}
	proc   *proc // set before the keeper starts if adopted
	port   int
	steady bool // the last process had long been ready: its failure is a new one
}

func newReplica(d *deployment, view weir.Replica) *replica {
	return &replica{dep: d, view: view, wake: make(chan struct{}, 1)}
}

// errLeft: the replica was asked to go and may be stopped.
var errLeft = errors.New("left")

// keep is the life of a replica. It returns when the replica is gone, or, with
// Options.Keep, when Weir ends and the replica stays.
func (f *Fleet) keep(ctx context.Context, r *replica) {
	for failures := 0; ; {
		err := f.live(ctx, r)
		if ctx.Err() != nil && f.o.Keep && r.proc != nil {
			return
		}
		if f.gone(r) || ctx.Err() != nil {
			break
		}
		if r.steady {
			failures = 0
		}
		wait := backoff(r.dep.RestartMin, r.dep.RestartMax, failures)
		failures++
		f.become(r, weir.Failed, fmt.Sprintf("%v; restart in %v", err, wait.Round(time.Millisecond)))
		if !f.waitOut(ctx, r, wait) {
			break
		}
		f.become(r, weir.Starting, "restarting after: "+err.Error())
		f.mu.Lock()
		r.served = false
		f.mu.Unlock()
	}
	f.forget(r)
}

// live is the life of one process, from its start, or its adoption, to its
// end. It returns errLeft or why the process failed.
func (f *Fleet) live(ctx context.Context, r *replica) error {
	if f.gone(r) {
		return errLeft
	}
	if r.proc == nil {
		if err := f.awaitGPUs(ctx, r); err != nil {
			return err
		}
		if err := f.start(r); err != nil {
			return err
		}
	}
	err := f.untilReady(ctx, r)
	if err == nil {
		err = f.whileReady(ctx, r)
	}
	r.steady = f.wasReady(r) > r.dep.RestartMax
	switch {
	case ctx.Err() == nil && err != errLeft:
		f.become(r, weir.Failed, err.Error()) // at once: it must get no requests while it is stopped
	case ctx.Err() != nil && f.o.Keep:
		return err
	case ctx.Err() != nil:
		f.become(r, weir.Draining, "weir stops")
	}
	f.end(r)
	return err
}

// awaitGPUs waits until the replicas that drain on its GPUs are gone.
func (f *Fleet) awaitGPUs(ctx context.Context, r *replica) error {
	for {
		if f.gone(r) {
			return errLeft
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if f.takeGPUs(r) {
			return nil
		}
		f.note(r, fmt.Sprintf("waiting for %d GPUs of draining replicas", r.dep.GPUs))
		pause(ctx, r, pollEvery)
	}
}

func (f *Fleet) takeGPUs(r *replica) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(r.gpus) == r.dep.GPUs {
		return true // kept across a restart
	}
	gpus, ok := f.room.takeGPUs(r.dep.GPUs)
	r.gpus = gpus
	return ok
}

// untilReady waits for the first healthy answer.
func (f *Fleet) untilReady(ctx context.Context, r *replica) error {
	began := time.Now()
	for wait := pollEvery / 2; ; wait = min(wait*5/4, time.Second) {
		unwell := f.check(ctx, r)
		switch {
		case r.proc.exited():
			return r.proc.fault()
		case f.gone(r):
			return errLeft
		case ctx.Err() != nil:
			return ctx.Err()
		case unwell == nil && f.ready(r):
			return nil
		case unwell == nil:
			return errLeft
		case time.Since(began) > r.dep.StartTimeout:
			return r.proc.explain(fmt.Errorf("not ready within its start timeout of %v: %w", r.dep.StartTimeout, unwell))
		}
		r.proc.boundOutput()
		f.note(r, fmt.Sprintf("pid %d, waiting for health: %v", r.proc.pid, unwell))
		pause(ctx, r, wait)
	}
}

// whileReady watches a replica that serves or drains until it must be stopped.
// A drain may be taken back meanwhile.
func (f *Fleet) whileReady(ctx context.Context, r *replica) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	checked, unwell := time.Now(), 0
	var quiet time.Time // since when a draining replica is idle
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.wake:
		case <-tick.C:
		}
		if r.proc.exited() {
			return r.proc.fault()
		}
		if f.drained(r, &quiet) {
			return errLeft
		}
		if time.Since(checked) < r.dep.HealthEvery {
			continue
		}
		checked = time.Now()
		r.proc.boundOutput()
		if err := f.check(ctx, r); err == nil || ctx.Err() != nil {
			unwell = 0
		} else if unwell++; unwell >= r.dep.HealthFailures {
			return r.proc.explain(fmt.Errorf("%d health checks in a row failed: %w", unwell, err))
		}
	}
}

// drained says whether a draining replica may be stopped now. From then on it
// cannot be taken back.
func (f *Fleet) drained(r *replica, quiet *time.Time) bool {
	busy := -1 // unknown
	if f.o.Busy != nil {
		busy = f.o.Busy(r.dep.Name, r.view.ID)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !r.leave {
		*quiet = time.Time{}
		return false
	}
	now := time.Now()
	switch {
	case busy != 0:
		*quiet = time.Time{}
	case quiet.IsZero():
		*quiet = now
	}
	idle := !quiet.IsZero() && now.Sub(*quiet) >= r.dep.DrainQuiet
	late := weir.At(now).Sub(r.view.Since) >= r.dep.DrainDeadline
	if late && busy > 0 {
		f.o.Log.Warn("replica stopped at its drain deadline with unfinished requests", "deployment", r.dep.Name, "replica", r.view.ID, "busy", busy, "deadline", r.dep.DrainDeadline)
	}
	defer f.changed()
	r.stopping = idle || late
	switch {
	case r.stopping:
		r.view.Detail = "stopping"
	case busy > 0:
		r.view.Detail = fmt.Sprintf("%d requests to finish", busy)
	}
	return r.stopping
}

// ready marks a healthy replica as ready; false if it was asked to go
// meanwhile.
func (f *Fleet) ready(r *replica) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.leave {
		r.stopping = true
		return false
	}
	defer f.changed()
	r.served = true
	f.set(r, weir.Ready, fmt.Sprintf("pid %d", r.proc.pid))
	f.relieve(r)
	f.roll(r.dep.Name)
	if r.proc.cmd != nil { // an adopted one does not show how long a start takes
		r.dep.load = r.view.ReadyAt.Sub(r.view.Asked)
	}
	return true
}

// gone says whether the replica is to be stopped before it has served; from
// then on it cannot be taken back.
func (f *Fleet) gone(r *replica) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.stopping = r.stopping || r.leave
	return r.stopping
}

// wasReady is how long a replica has been ready; 0 if it is not.
func (f *Fleet) wasReady(r *replica) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.view.State != weir.Ready {
		return 0
	}
	return weir.At(time.Now()).Sub(r.view.Since)
}

func (f *Fleet) become(r *replica, s weir.ReplicaState, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.leave {
		return
	}
	defer f.changed()
	f.set(r, s, detail)
	if s == weir.Failed {
		r.view.Addr = ""
	}
}

func (f *Fleet) note(r *replica, detail string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !r.stopping {
		defer f.changed()
		r.view.Detail = detail
	}
}

// waitOut waits out a backoff; false if the replica is to go instead.
func (f *Fleet) waitOut(ctx context.Context, r *replica, d time.Duration) bool {
	for end := time.Now().Add(d); ctx.Err() == nil && !f.gone(r); {
		left := time.Until(end)
		if left <= 0 {
			return true
		}
		pause(ctx, r, left)
	}
	return false
}

// pause waits for d, or less when ctx ends or the replica was asked to go.
func pause(ctx context.Context, r *replica, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-r.wake:
	case <-t.C:
	}
}

// backoff doubles from least to most, less up to a fifth: replicas that failed
// together do not restart together.
func backoff(least, most time.Duration, failures int) time.Duration {
	d := most
	if shifted := least << min(failures, 30); shifted > 0 && shifted < most {
		d = shifted
	}
	return d - rand.N(d/5+1)
}
