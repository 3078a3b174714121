package process

import (
	"fmt"

	"weir"
)

// roll replaces a deployment's replicas of an older template. A replacement
// starts beside each while there is room for both. Without room they go one by
// one: the next one goes when the last replacement is ready, which limits the
// cost of a template that does not start to one replica. Replicas that do not
// serve go at once. It is called whenever a replica has become ready or has
// gone. The lock is held.
func (f *Fleet) roll(name string) {
	d := f.deps[name]
	if d == nil {
		return
	}
	for _, r := range f.of(name) {
		if !r.leave && !r.replaced && d.hash != r.dep.hash {
			f.replace(r, d)
		}
	}
}

// replace starts a replica of the new template for old. old goes when that is
// ready, at once where there is no room for both, or stays for now.
func (f *Fleet) replace(old *replica, d *deployment) {
	old.replaced = true
	full := f.promise(d)
	serves := old.view.State == weir.Ready
	if full != nil && serves && f.handing(d) {
		old.replaced = false
		old.view.Detail = fmt.Sprintf("keeps its old command until another replica runs the new one: %v", full)
		return
	}
	if err := f.add(d); err != nil {
		f.o.Log.Error("replica keeps its old command", "deployment", d.Name, "replica", old.view.ID, "error", err)
		old.replaced = false
		return
	}
	added := f.replicas[len(f.replicas)-1]
	if full != nil || !serves {
		added.replaces, old.replaces = old.replaces, nil // it may have been a replacement itself
		added.handed = serves || old.handed
		f.drain(old)
		return
	}
	added.replaces = old
}

// handing says whether a replica drains for one that is not ready yet.
func (f *Fleet) handing(d *deployment) bool {
	for _, r := range f.of(d.Name) {
		if r.handed && !r.leave && r.view.State != weir.Ready {
			return true
		}
	}
	return false
}

// relieve drains the replica that r replaces. The lock is held.
func (f *Fleet) relieve(r *replica) {
	if old := r.replaces; old != nil && !old.leave {
		f.drain(old)
	}
	r.replaces = nil
}
