package gateway

import (
	"fmt"
	"slices"

	"weir"
	"weir/dispatch"
)

// Capacity sets the quota of a deployment's provider from now on: provisioned capacity
// was added or removed while running. With more, waiting requests are served at once;
// with less, running requests go on. It holds until the next Apply, which sets the
// configured quota again.
func (g *Gateway) Capacity(deployment string, q dispatch.Quota) error {
	if err := q.Validate(); err != nil {
		return fmt.Errorf("capacity of deployment %q: %w", deployment, err)
	}
	g.apply.Lock()
	defer g.apply.Unlock()
	t := g.state.Load().targets[deployment]
	if t == nil {
		return fmt.Errorf("deployment %q is not configured; its capacity cannot be changed", deployment)
	}
	t.model.capacity(g.now(), deployment, q)
	return nil
}

// capacity changes a quota in the core, and in the options that a trial's next step
// passes to the core.
func (m *model) capacity(now weir.Instant, deployment string, q dispatch.Quota) {
	m.tell(func(c *dispatch.Core) []dispatch.Verdict {
		m.options.Deployments = slices.Clone(m.options.Deployments)
		for i := range m.options.Deployments {
			if d := &m.options.Deployments[i]; d.Name == deployment {
				d.Quota = q
			}
		}
		return c.Capacity(now, deployment, q)
	})
}
