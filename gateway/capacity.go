package gateway

import (
	"fmt"
	"slices"

	"weir"
	"weir/dispatch"
)

// Capacity says that the provider of a deployment lets through q from now on:
// provisioned capacity was added or taken away while running. Requests that wait for
// it are served at once when there is more; requests that run go on when there is
// less. It holds until the next Apply, which says again what is configured.
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
// configures the core with.
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
