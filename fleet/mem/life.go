package mem

import (
	"fmt"
	"slices"
	"strconv"

	"weir"
	"weir/fleet"
)

// grow takes draining replicas back, newest first, then asks for new ones.
func (d *deployment) grow(now weir.Instant, by int) error {
	for i := len(d.replicas) - 1; i >= 0 && by > 0; i-- {
		r := &d.replicas[i]
		if r.State != weir.Draining {
			continue
		}
		d.used.Draining += now.Sub(r.Since)
		d.used.TakenBack++
		r.State, r.Since, r.event, r.Detail = weir.Ready, now, 0, "reused while draining"
		d.version++
		by--
	}
	for ; by > 0; by-- {
		if d.stockOut {
			return fmt.Errorf("mem fleet: deployment %q: %w: the place is out of stock, %d short", d.Name, fleet.ErrNoCapacity, by)
		}
		if n := d.allocated(); d.Quota > 0 && n >= d.Quota {
			return fmt.Errorf("mem fleet: deployment %q: %w: %d replicas, draining ones counted, of a quota of %d", d.Name, fleet.ErrNoCapacity, n, d.Quota)
		}
		d.ask(now)
	}
	return nil
}

func (d *deployment) ask(now weir.Instant) {
	d.seq++
	d.used.Asked++
	id := d.Name + "-" + strconv.Itoa(d.seq)
	cold := d.coldStart()
	r := replica{
		Replica: weir.Replica{
			ID: id, Deployment: d.Name, Addr: "mem://" + id, State: weir.Starting,
			Since: now, Asked: now, ReadyAt: now.Add(d.ColdStart), Detail: "asked for",
		},
		node: d.freeNode(),
	}
	if d.rng.Float64() < d.StartFailure {
		r.fails = true
		cold = max(1, cold*2/3) // late enough to hurt, as an image that does not pull or weights that do not fit
	}
	r.event = now.Add(max(cold, 1))
	d.replicas = append(d.replicas, r)
	d.version++
}

// shrink drains the victims in their order, then starting ones, then ready
// ones, newest first: the oldest has the warmest cache.
func (d *deployment) shrink(now weir.Instant, by int, victims []string) {
	drain := func(i int) {
		r := &d.replicas[i]
		switch {
		case r.State == weir.Starting:
			d.remove(now, i) // it serves no request: nothing to finish
			by--
		case r.State == weir.Ready:
			r.State, r.Since, r.Detail = weir.Draining, now, ""
			if d.DrainDeadline > 0 {
				r.event = now.Add(d.DrainDeadline)
			}
			d.version++
			by--
		}
	}
	for _, id := range victims {
		if i := d.index(id); i >= 0 && by > 0 {
			drain(i)
		}
	}
	for _, state := range []weir.ReplicaState{weir.Starting, weir.Ready} {
		for i := len(d.replicas) - 1; i >= 0 && by > 0; i-- {
			if d.replicas[i].State == state {
				drain(i)
			}
		}
	}
}

// settle makes every event due by now happen.
func (d *deployment) settle(now weir.Instant) {
	for i := 0; i < len(d.replicas); i++ {
		r := &d.replicas[i]
		if r.event == 0 || r.event > now {
			continue
		}
		at := r.event
		switch {
		case r.State == weir.Starting && r.fails:
			d.fail(i, at, "did not come up")
		case r.State == weir.Starting:
			d.used.Starting += at.Sub(r.Asked)
			r.State, r.Since, r.ReadyAt, r.event, r.Detail = weir.Ready, at, at, 0, ""
			d.version++
		case r.State == weir.Draining, r.State == weir.Failed:
			d.remove(at, i)
			i--
		}
	}
	d.forget()
}

// fail ends the replica's cost at the moment it failed, and keeps it in Status.
func (d *deployment) fail(i int, at weir.Instant, why string) {
	r := &d.replicas[i]
	d.used.add(r, at)
	d.used.Failed++
	r.State, r.Since, r.Detail, r.event = weir.Failed, at, why, at.Add(d.KeepFailed)
	d.version++
}

// forget drops the oldest failed replicas beyond the bound.
func (d *deployment) forget() {
	over := -keptFailed
	for i := range d.replicas {
		if d.replicas[i].State == weir.Failed {
			over++
		}
	}
	for i := 0; i < len(d.replicas) && over > 0; i++ {
		if d.replicas[i].State == weir.Failed {
			d.replicas = slices.Delete(d.replicas, i, i+1)
			d.version++
			i--
			over--
		}
	}
}

func (d *deployment) remove(at weir.Instant, i int) {
	d.used.add(&d.replicas[i], at)
	d.replicas = slices.Delete(d.replicas, i, i+1)
	d.version++
}

// add counts the cost of r from its request up to at. Its time to start is
// counted when it becomes ready.
func (u *Usage) add(r *replica, at weir.Instant) {
	if r.State == weir.Failed {
		return // counted when it failed
	}
	u.Allocated += at.Sub(r.Asked)
	switch r.State {
	case weir.Starting:
		u.Starting += at.Sub(r.Asked)
	case weir.Draining:
		u.Draining += at.Sub(r.Since)
	}
}

// allocated counts the replicas that take up quota.
func (d *deployment) allocated() int {
	n := 0
	for i := range d.replicas {
		if d.replicas[i].State != weir.Failed {
			n++
		}
	}
	return n
}

// freeNode is the lowest node with room for one more.
func (d *deployment) freeNode() int {
	for node := 0; ; node++ {
		n := 0
		for i := range d.replicas {
			if r := &d.replicas[i]; r.node == node && r.State != weir.Failed {
				n++
			}
		}
		if n < d.PerNode {
			return node
		}
	}
}
