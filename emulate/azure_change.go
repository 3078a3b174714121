package emulate

import (
	"errors"
	"fmt"
	"slices"
)

// Put adds a deployment, or changes the capacity and the spillover of the one
// with its name: what it admits from now on. A deployment of another kind or
// model takes the place of the old one, as when it is deleted and made again.
func (a *Azure) Put(spec AzureDeployment) error {
	d, err := newAzureDeployment(spec, a.o)
	if err != nil {
		return fmt.Errorf("emulate: deployment %q: %w", spec.Name, err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	old := a.deployments[spec.Name]
	if old == nil && len(a.names) >= maxDeployments {
		return fmt.Errorf("emulate: deployment %q: there are %d, the most of a resource", spec.Name, maxDeployments)
	}
	if to := a.deployments[spec.Spillover]; spec.Spillover != "" && (to == nil || to.bucket != nil || d.bucket == nil) {
		return errors.New("emulate: a provisioned deployment spills to a standard one of the same resource")
	}
	if old != nil && old.Model == d.Model && (old.bucket == nil) == (d.bucket == nil) {
		old.resize(a, d)
		return nil
	}
	if old != nil {
		a.remove(spec.Name)
	}
	a.deployments[spec.Name] = d
	a.names = append(a.names, spec.Name)
	if a.base != nil {
		a.move(d)
	}
	return nil
}

// Remove takes a deployment away: requests to it find none.
func (a *Azure) Remove(name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.remove(name)
}

func (a *Azure) remove(name string) {
	if d := a.deployments[name]; d != nil {
		if d.stop != nil {
			d.stop()
		}
		delete(a.deployments, name)
		a.names = slices.DeleteFunc(a.names, func(n string) bool { return n == name })
	}
}

// Deployments are what there is now, in the order given.
func (a *Azure) Deployments() []AzureDeployment {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := make([]AzureDeployment, len(a.names))
	for i, name := range a.names {
		d := a.deployments[name]
		d.mu.Lock()
		all[i] = d.AzureDeployment
		d.mu.Unlock()
	}
	return all
}

// Keys are those of the options; none: any is accepted.
func (a *Azure) Keys() []string { return slices.Clone(a.o.Keys) }

func (a *Azure) named(name string) *azureDeployment {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.deployments[name]
}

// resize takes over the capacity of next. What is in the bucket or the counter
// stays: it is work that was admitted.
func (d *azureDeployment) resize(a *Azure, next *azureDeployment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.PTU, d.TPM, d.RPM, d.SKU, d.Spillover = next.PTU, next.TPM, next.RPM, next.SKU, next.Spillover
	if d.bucket != nil {
		d.bucket.flow(a.now())
		d.bucket.drain, d.bucket.full = next.bucket.drain, next.bucket.full
	} else {
		d.quota.tpm, d.quota.rpm, d.quota.most, d.quota.window = next.quota.tpm, next.quota.rpm, next.quota.most, next.quota.window
	}
	d.feed()
}

// Utilisation is how full each provisioned deployment is, in percent.
func (a *Azure) Utilisation() map[string]float64 {
	a.mu.RLock()
	defer a.mu.RUnlock()
	all := map[string]float64{}
	for name, d := range a.deployments {
		d.mu.Lock()
		if d.bucket != nil {
			all[name] = d.bucket.percent(a.now())
		}
		d.mu.Unlock()
	}
	return all
}
