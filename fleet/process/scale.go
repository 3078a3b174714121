package process

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"weir"
	"weir/fleet"
)

// Status lists the deployment's replicas, oldest first.
func (f *Fleet) Status(ctx context.Context, deployment string) ([]weir.Replica, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.deps[deployment] == nil {
		return nil, unknown(deployment)
	}
	var views []weir.Replica
	for _, r := range f.of(deployment) {
		views = append(views, r.view)
	}
	return views, nil
}

// Scale makes the number of replicas want. A failed replica keeps its slot: it
// restarts after its backoff, and a further Scale starts no other beside it, or
// a command that cannot run would be tried without end. When shrinking, failed
// ones go before any that serve.
func (f *Fleet) Scale(ctx context.Context, deployment string, want int, victims []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.changed()
	d := f.deps[deployment]
	if d == nil {
		return unknown(deployment)
	}
	if want < 0 {
		return fmt.Errorf("process deployment %q: scale to %d: want zero or more", deployment, want)
	}
	have := 0
	for _, r := range f.of(deployment) {
		if !r.leave && !r.replaced {
			have++
		}
	}
	if want < have {
		f.shrink(deployment, have-want, victims)
		return nil
	}
	return f.grow(d, want-have)
}

func (f *Fleet) shrink(deployment string, by int, victims []string) {
	rs := f.of(deployment)
	drain := func(which func(*replica) bool) {
		for _, r := range slices.Backward(rs) { // newest first
			if by > 0 && !r.leave && !r.replaced && which(r) {
				f.relieve(r)
				f.drain(r)
				by--
			}
		}
	}
	drain(func(r *replica) bool { return r.view.State == weir.Failed })
	for _, id := range victims {
		drain(func(r *replica) bool { return r.view.ID == id })
	}
	drain(func(r *replica) bool { return r.view.State == weir.Starting })
	drain(func(*replica) bool { return true })
}

// grow takes draining replicas back, newest first, then starts new ones. GPUs
// of draining replicas count as free: the new replica waits for them.
func (f *Fleet) grow(d *deployment, by int) error {
	rs := f.of(d.Name)
	for _, r := range slices.Backward(rs) {
		if by > 0 && r.leave && !r.stopping && r.dep.hash == d.hash {
			if err := f.promise(d); err != nil {
				return err
			}
			f.takeBack(r)
			by--
		}
	}
	for ; by > 0; by-- {
		if err := f.promise(d); err != nil {
			return err
		}
		if err := f.add(d); err != nil {
			return err
		}
	}
	return nil
}

// crowd bounds all processes, those being stopped included, to this many times
// MaxReplicas: demand that flips faster than processes end must not pile them
// up.
const crowd = 4

// promise says whether the place has room for one more replica.
func (f *Fleet) promise(d *deployment) error {
	live, gpus := 0, 0
	for _, r := range f.replicas {
		if r.leave {
			continue
		}
		gpus += r.dep.GPUs
		if r.dep.Name == d.Name && !r.replaced {
			live++
		}
	}
	switch {
	case live >= d.MaxReplicas:
		return fmt.Errorf("process deployment %q: %w: it has %d replicas of at most %d", d.Name, fleet.ErrNoCapacity, live, d.MaxReplicas)
	case len(f.of(d.Name)) >= crowd*d.MaxReplicas:
		return fmt.Errorf("process deployment %q: %w: %d replicas are still being stopped", d.Name, fleet.ErrNoCapacity, len(f.of(d.Name))-live)
	case d.GPUs > 0 && gpus+d.GPUs > len(f.room.gpus):
		return fmt.Errorf("process deployment %q: %w: a replica needs %d GPUs, %d of %d are taken", d.Name, fleet.ErrNoCapacity, d.GPUs, gpus, len(f.room.gpus))
	}
	return nil
}

func (f *Fleet) takeBack(r *replica) {
	r.leave = false
	if r.served {
		f.set(r, weir.Ready, "reused while draining")
	} else {
		r.view.State, r.view.Since, r.view.Detail = weir.Starting, weir.At(time.Now()), "reused while starting"
	}
}

func (f *Fleet) add(d *deployment) error {
	if f.seq+1 > f.seqSaved {
		if err := f.saveSequence(sequenceBlock); err != nil {
			return err
		}
	}
	f.seq++
	now := weir.At(time.Now())
	r := newReplica(d, weir.Replica{
		ID: fmt.Sprintf("%s-%d", plain(d.Name), f.seq), Deployment: d.Name,
		State: weir.Starting, Since: now, Asked: now, Detail: "asked for",
	})
	f.replicas = append(f.replicas, r)
	wake(f.kick)
	return nil
}

// drain takes a replica out of service. Its keeper does the rest.
func (f *Fleet) drain(r *replica) {
	r.leave = true
	if r.view.State == weir.Failed {
		r.stopping = true // no process runs: nothing to take back
		r.view.Detail = "removed while failed: " + r.view.Detail
	} else {
		f.set(r, weir.Draining, "")
	}
	wake(r.wake)
}

// set moves a replica to a state. The lock is held.
func (f *Fleet) set(r *replica, s weir.ReplicaState, detail string) {
	now := weir.At(time.Now())
	if r.view.State != s {
		r.view.Since = now
		f.o.Log.Info("replica "+s.String(), "deployment", r.dep.Name, "replica", r.view.ID, "was", r.view.State.String(), "detail", detail)
	}
	switch {
	case s == weir.Failed && r.view.State != s && !r.served:
		r.view.FailedStarts++
	case s == weir.Failed && r.served, s == weir.Ready:
		r.view.FailedStarts = 0
	}
	switch {
	case s == weir.Starting:
		r.view.Asked, r.view.ReadyAt = now, 0
		if r.dep.load > 0 {
			r.view.ReadyAt = now.Add(r.dep.load)
		}
	case s == weir.Ready && r.view.State != weir.Draining: // taken back: it has been ready since before
		r.view.ReadyAt = now
	}
	r.view.State, r.view.Detail = s, detail
}

// of returns the deployment's replicas, oldest first. The lock is held.
func (f *Fleet) of(deployment string) []*replica {
	var rs []*replica
	for _, r := range f.replicas {
		if r.dep.Name == deployment {
			rs = append(rs, r)
		}
	}
	return rs
}

func unknown(deployment string) error {
	return fmt.Errorf("process fleet: %w: %q", fleet.ErrUnknown, deployment)
}

// plain makes a deployment's name safe as a file name and a label.
func plain(name string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '.' || c == '_' || c == '-' {
			return c
		}
		return '-'
	}, name)
}

// wake makes a goroutine look again, without waiting for it.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Room is how many replicas of a deployment the machine's GPUs allow now:
// existing ones, and those that fit beside all other replicas. Negative: no GPU
// bounds them, or the deployment is unknown.
func (f *Fleet) Room(name string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	d := f.deps[name]
	if d == nil || d.GPUs == 0 {
		return -1
	}
	live, free := 0, len(f.room.gpus)
	for _, r := range f.replicas {
		if r.leave {
			continue
		}
		free -= r.dep.GPUs
		if r.dep.Name == name && !r.replaced {
			live++
		}
	}
	return live + max(0, free)/d.GPUs
}
