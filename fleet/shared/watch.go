package shared

import (
	"context"
	"slices"
	"sync"

	"weir"
	"weir/fleet"
)

// watcher is one that Watch serves. Its lock is held while heard runs, so that
// it is called by one goroutine at a time, and what was looked up last is told
// last.
type watcher struct {
	mu    sync.Mutex
	heard func(deployment string, rs []weir.Replica)
}

// Watch gives heard the replicas of a deployment whenever they have changed: as
// the leader says, or the place itself while this gateway leads.
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

// Heard is called when the leader has said what runs of a deployment. While this
// gateway leads, the place itself says it.
func (p *Place) Heard(deployment string) {
	if p.own() == nil {
		p.tell(deployment, func() []weir.Replica { return p.now(context.Background(), deployment) })
	}
}

// now is Status, none where that is an error: a reload has taken the deployment
// out this moment.
func (p *Place) now(ctx context.Context, deployment string) []weir.Replica {
	rs, err := p.Status(ctx, deployment)
	if err != nil {
		return nil
	}
	return rs
}

// tell looks up the replicas under each watcher's lock: a later look is never
// told before an earlier one.
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

// run runs the place itself and tells what it says of its replicas. First all
// there are: a place need not speak of a deployment that has none, and those that
// a former leader published for it are gone.
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
