package fleet

import (
	"context"
	"slices"
	"sync"

	"weir"
)

// Changes is how a place tells its watchers which deployments have changed. The zero
// value is ready. Its methods may be called at the same time.
type Changes struct {
	mu       sync.Mutex
	watchers map[*watcher]bool
}

// watcher is one call of Watch.
type watcher struct {
	changed chan struct{}
	dirty   map[string]bool // under the lock of its Changes
}

// Publish says that a deployment's replicas have changed. It does not wait for a
// watcher.
func (c *Changes) Publish(deployment string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for w := range c.watchers {
		w.mark(deployment)
	}
}

// Watch gives heard the replicas that status shows of each deployment, once when they
// are known and then after every change, until ctx ends. Of changes that come faster
// than heard returns, the last is given. deployments are those to begin with. It does
// what Watcher asks of a place.
func (c *Changes) Watch(ctx context.Context, deployments func() []string, status func(ctx context.Context, deployment string) ([]weir.Replica, error), heard func(deployment string, rs []weir.Replica)) error {
	w := &watcher{changed: make(chan struct{}, 1), dirty: map[string]bool{}}
	c.mu.Lock()
	if c.watchers == nil {
		c.watchers = map[*watcher]bool{}
	}
	c.watchers[w] = true
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.watchers, w)
		c.mu.Unlock()
	}()
	names := deployments() // after it watches: none that comes now is missed
	c.mu.Lock()
	for _, name := range names {
		w.mark(name)
	}
	c.mu.Unlock()
	last := map[string][]weir.Replica{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.changed:
		}
		for _, name := range c.taken(w) {
			rs, err := status(ctx, name)
			if have, known := last[name]; err == nil && (!known || !slices.Equal(have, rs)) {
				last[name] = slices.Clone(rs)
				heard(name, rs)
			}
		}
	}
}

// mark notes a change and wakes the watcher. The lock is held.
func (w *watcher) mark(deployment string) {
	w.dirty[deployment] = true
	select {
	case w.changed <- struct{}{}:
	default:
	}
}

// taken returns the deployments that changed since w last looked, by name.
func (c *Changes) taken(w *watcher) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for name := range w.dirty {
		names = append(names, name)
	}
	clear(w.dirty)
	slices.Sort(names)
	return names
}
