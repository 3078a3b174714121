package aci

import (
	"context"
	"maps"
	"slices"

	"weir"
)

// Watch gives heard the replicas of each deployment, once when they are known
// and then after every change, until ctx ends. Of changes that come faster than
// heard returns, the last is given.
func (f *Fleet) Watch(ctx context.Context, heard func(deployment string, rs []weir.Replica)) error {
	return f.changes.Watch(ctx, f.deployments, f.Status, heard)
}

func (f *Fleet) deployments() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.by))
}
