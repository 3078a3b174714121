package process

// Check returns the errors New would have for the options alone: it touches
// nothing.
func Check(o Options) error { return o.fill() }

// Configure replaces the deployments while the fleet runs; on an error nothing
// has changed. Replicas of a removed deployment are drained. Those whose
// template (command, environment, folder, GPUs, health path) has changed are
// replaced, see roll. Other changes hold for replicas that start from now on.
func (f *Fleet) Configure(ds []Deployment) error {
	o := f.o
	o.Deployments = ds
	if err := o.fillDeployments(); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	defer f.changed()
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
		if !r.leave && f.deps[r.dep.Name] == nil {
			f.drain(r)
		}
	}
	for _, d := range o.Deployments {
		f.roll(d.Name)
	}
	return nil
}
