package fleet

import (
	"context"
	"slices"
	"time"

	"weir"
)

// Watch gives heard every change of a place's replicas until ctx ends: from the
// place itself if it is a Watcher, else by polling each of the deployments at
// the interval every. A deployment the place does not know is passed over.
func Watch(ctx context.Context, p Place, deployments func() []string, every time.Duration, heard func(deployment string, rs []weir.Replica)) error {
	if w, ok := p.(Watcher); ok {
		return w.Watch(ctx, heard)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	last := map[string][]weir.Replica{}
	for {
		now := map[string][]weir.Replica{}
		for _, name := range deployments() {
			rs, err := p.Status(ctx, name)
			if err != nil {
				continue // one that comes back is reported again
			}
			if !slices.Equal(rs, last[name]) {
				heard(name, rs)
			}
			now[name] = rs
		}
		last = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}
