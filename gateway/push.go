package gateway

import (
	"context"
	"time"
)

// What concerns others is pushed to them: a queue that grows is a reason to
// decide on replicas at once (Options.Grew), and a replica that drains is asked
// about by itself (InFlight), so that it is not necessary to read whole
// demands to see whether one figure has changed.

// growthGap is the least time between two rounds of Grew. The first comes at once.
const growthGap = 100 * time.Millisecond

// noteGrowth compares the queue with what it was and notes that it has grown.
// The model's lock is held: nothing is called under it, and nothing blocks.
func (m *model) noteGrowth() {
	n := m.core.Waiting()
	if n > m.queued && m.grows != nil {
		m.grew.Store(true)
		select {
		case m.grows <- struct{}{}:
		default: // a round is due already
		}
	}
	m.queued = n
}

// tellGrowth calls Options.Grew for the deployments of every model whose queue
// has grown, until ctx ends.
func (g *Gateway) tellGrowth(ctx context.Context) {
	if g.grew == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.grows:
		}
		for _, s := range g.state.Load().list {
			if s.grew.Swap(false) {
				for _, name := range s.deployments {
					g.grew(name)
				}
			}
		}
		rest := time.NewTimer(growthGap)
		select {
		case <-ctx.Done():
		case <-rest.C:
		}
		rest.Stop()
	}
}

// InFlight is how many requests one replica of a deployment works on, copies
// (hedges and mirrors) included; -1 where the gateway does not know the replica
// (any more). It costs one lock and two look-ups.
func (g *Gateway) InFlight(deployment, replica string) int {
	t := g.state.Load().targets[deployment]
	if t == nil {
		return -1
	}
	t.model.mu.Lock()
	defer t.model.mu.Unlock()
	return t.model.core.InFlight(deployment, replica)
}
