package aci

import (
	"context"
	"slices"

	"weir"
)

// watcher is one call of Watch.
type watcher struct {
	changed chan struct{}
	dirty   map[string]bool // its Fleet's lock
}

// Watch gives heard the replicas of each deployment, once when they are known
// and then after every change, until ctx ends. Of changes that come faster than
// heard returns, the last is given.
func (f *Fleet) Watch(ctx context.Context, heard func(deployment string, rs []weir.Replica)) error {
	w := &watcher{changed: make(chan struct{}, 1), dirty: map[string]bool{}}
	f.mu.Lock()
	f.watchers[w] = true
	for name := range f.by {
		w.dirty[name] = true
	}
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		delete(f.watchers, w)
		f.mu.Unlock()
	}()
	last := map[string][]weir.Replica{}
	wake(w.changed)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
		}
		for _, name := range f.taken(w) {
			rs, err := f.Status(ctx, name)
			if have, known := last[name]; err == nil && (!known || !slices.Equal(have, rs)) {
				last[name] = slices.Clone(rs)
				heard(name, rs)
			}
		}
	}
}

// taken returns the deployments that changed since w last looked, by name.
func (f *Fleet) taken(w *watcher) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var names []string
	for name := range w.dirty {
		names = append(names, name)
	}
	clear(w.dirty)
	slices.Sort(names)
	return names
}

// publish wakes the watchers of the deployment.
func (f *Fleet) publish(deployment string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for w := range f.watchers {
		w.dirty[deployment] = true
		wake(w.changed)
	}
}
