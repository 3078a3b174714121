package process

import (
	"weir"
)

// Check says what New would refuse of the options alone: it touches nothing.
func Check(o Options) error { return o.fill() }

// Validate says whether Configure would take these deployments.
func (f *Fleet) Validate(ds []Deployment) error {
	o := f.o
	o.Deployments = ds
	return o.fillDeployments()
}

// Configure replaces the deployments while the fleet runs; on an error nothing
// has changed. Replicas of a deployment that is no more are drained. Those
// whose template (command, environment, folder, GPUs, health path) has changed
// are replaced one by one: each is drained when its replacement is ready, or
// at once where there are no GPUs for both. Other changes hold for replicas
// that start from now on.
func (f *Fleet) Configure(ds []Deployment) error {
	o := f.o
	o.Deployments = ds
	if err := o.fillDeployments(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.o.Deployments = o.Deployments
	deps := map[string]*deployment{}
	for _, d := range o.Deployments {
		next := &deployment{Deployment: d, hash: d.hash()}
		if old := f.deps[d.Name]; old != nil {
			next.load = old.load
		}
		deps[d.Name] = next
	}
	f.deps = deps
	for _, r := range append([]*replica(nil), f.replicas...) {
		if r.leave {
			continue
		}
		switch d := f.deps[r.dep.Name]; {
		case d == nil:
			f.drain(r)
		case d.hash != r.dep.hash && !r.replaced:
			f.replace(r, d)
		}
	}
	return nil
}

// replace starts a replica of the new template and lets the old one go when it
// is ready. A replica that does not serve anyway goes at once.
func (f *Fleet) replace(old *replica, d *deployment) {
	old.replaced = true
	full := f.promise(d)
	if err := f.add(d); err != nil {
		f.o.Log.Error("replica keeps its old template", "deployment", d.Name, "replica", old.view.ID, "error", err)
		old.replaced = false
		return
	}
	added := f.replicas[len(f.replicas)-1]
	if full != nil || old.view.State != weir.Ready {
		added.replaces, old.replaces = old.replaces, nil // it may have been a replacement itself
		f.drain(old)
		return
	}
	added.replaces = old
}

// relieve drains the replica that r was started to replace. The lock is held.
func (f *Fleet) relieve(r *replica) {
	if old := r.replaces; old != nil && !old.leave {
		f.drain(old)
	}
	r.replaces = nil
}
