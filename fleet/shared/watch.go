package shared

import (
	"context"
	"slices"
	"sync"

	"weir"
	"weir/fleet"
)

// watcher is one call of Watch. Its lock is held while heard runs: one
// goroutine at a time calls it, and the last look is reported last.
type watcher struct {
	mu    sync.Mutex
	heard func(deployment string, rs []weir.Replica)
}

// Watch gives heard the replicas of a deployment whenever they have changed: as
// published by the leader, or by the place itself while this gateway leads.
func (p *Place) Watch(ctx context.Context, heard func(deployment string, rs []weir.Replica)) error {
	w := &watcher{heard: heard}
	p.mu.Lock()
	p.watched = append(p.watched, w)
	p.mu.Unlock()
	for _, name := range p.o.Deployments() {
		w.tell(name, func() []weir.Replica { return p.now(ctx, name) })
	}
	<-ctx.Done()
	p.mu.Lock()
	p.watched = slices.DeleteFunc(p.watched, func(x *watcher) bool { return x == w })
	p.mu.Unlock()
	w.mu.Lock() // a call under way ends before Watch returns
	defer w.mu.Unlock()
	return nil
}

// Heard is called when the leader has published a deployment's replicas. While
// this gateway leads, the place itself reports them.
func (p *Place) Heard(deployment string) {
	if p.own() == nil {
		p.tell(deployment, func() []weir.Replica { return p.now(context.Background(), deployment) })
	}
}

// now is Status, or none on an error: a reload has just removed the deployment.
func (p *Place) now(ctx context.Context, deployment string) []weir.Replica {
	rs, err := p.Status(ctx, deployment)
	if err != nil {
		return nil
	}
	return rs
}

// tell looks up the replicas under each watcher's lock: a later look is never
// reported before an earlier one.
func (p *Place) tell(deployment string, look func() []weir.Replica) {
	p.mu.Lock()
	all := slices.Clone(p.watched)
	p.mu.Unlock()
	for _, w := range all {
		w.tell(deployment, look)
	}
}

func (w *watcher) tell(deployment string, look func() []weir.Replica) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard(deployment, look())
}

// run runs the place itself and passes on its reports. It begins with all
// deployments: a place need not report one without replicas, and those a former
// leader published for it are gone.
func (p *Place) run(ctx context.Context, mine fleet.Place) error {
	for _, name := range p.o.Deployments() {
		p.tell(name, func() []weir.Replica { return p.now(ctx, name) })
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	watch, stop := context.WithCancel(ctx)
	defer stop()
	watching.Go(func() {
		_ = fleet.Watch(watch, mine, p.o.Deployments, pollEvery, func(deployment string, rs []weir.Replica) {
			p.tell(deployment, func() []weir.Replica { return rs })
		})
	})
	return mine.Run(ctx)
}
