package process

import (
	"context"
	"maps"
	"slices"

	"weir"
)

// Watch gives heard the replicas of each deployment whenever they have changed,
// until ctx ends.
func (f *Fleet) Watch(ctx context.Context, heard func(deployment string, rs []weir.Replica)) error {
	news := make(chan struct{}, 1)
	news <- struct{}{} // at first, all replicas
	f.mu.Lock()
	f.watchers = append(f.watchers, news)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.watchers = slices.DeleteFunc(f.watchers, func(c chan struct{}) bool { return c == news })
	}()
	last := map[string][]weir.Replica{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		}
		now := f.views()
		for name, rs := range last {
			if now[name] == nil && rs != nil {
				now[name] = nil // its last replica is gone, also a change
			}
		}
		for _, name := range slices.Sorted(maps.Keys(now)) {
			if !slices.Equal(now[name], last[name]) {
				heard(name, now[name])
			}
		}
		last = now
	}
}

// views are the replicas of every deployment that has any, oldest first.
func (f *Fleet) views() map[string][]weir.Replica {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := map[string][]weir.Replica{}
	for _, r := range f.replicas {
		all[r.dep.Name] = append(all[r.dep.Name], r.view)
	}
	return all
}

// changed wakes the watchers. The lock is held.
func (f *Fleet) changed() {
	for _, c := range f.watchers {
		wake(c)
	}
}
