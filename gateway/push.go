package gateway

import (
	"context"
	"time"
)

// Changes that matter to other packages are pushed: a growing queue triggers a scaling
// decision at once (Options.Grew). A draining replica is queried by itself (InFlight):
// reading whole demands for one figure would cost more.

// growthGap is the least time between two rounds of Grew. The first comes at once.
const growthGap = 100 * time.Millisecond

// noteGrowth compares the queue with its last length and records growth. The model's
// lock is held, so it calls nothing and never blocks.
func (m *model) noteGrowth() {
	n := m.core.Waiting()
	if n > m.queued && m.grows != nil {
		m.grew.Store(true)
		select {
		case m.grows <- struct{}{}:
		default: // a round is already due
		}
	}
	m.queued = n
}

// tellGrowth calls Options.Grew for the deployments of every model whose queue has
// grown, until ctx ends.
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

// InFlight is how many requests one replica of a deployment is working on, including
// copies (hedges and mirrors); -1 if the gateway does not know the replica. It costs
// one lock and two look-ups.
func (g *Gateway) InFlight(deployment, replica string) int {
	t := g.state.Load().targets[deployment]
	if t == nil {
		return -1
	}
	t.model.mu.Lock()
	defer t.model.mu.Unlock()
	return t.model.core.InFlight(deployment, replica)
}
