package dispatch

import "weir"

// Demand returns totals and levels at now. The caller owns the slices.
func (c *Core) Demand(now weir.Instant) Demand {
	c.advance(now)
	m := c.totals
	m.Waiting, m.WaitingWork = c.waiting.count, c.waitingWork()
	if q := c.waiting.oldest; q != nil {
		m.HeadAge = c.now.Sub(q.since)
	}
	m.Deployments = make([]DeploymentDemand, len(c.deployments))
	for i, d := range c.deployments {
		m.Deployments[i] = d.demand(c.now)
	}
	return m
}

func (d *deployment) demand(now weir.Instant) DeploymentDemand {
	m := DeploymentDemand{
		Name: d.Name, InFlight: d.requests, InFlightWork: d.work,
		Granted: d.granted, Completed: d.completed,
		DonePrompt: d.donePrompt, DoneOutput: d.doneOutput, LastEnded: d.lastEnded,
		PerReplica: make([]ReplicaLoad, len(d.replicas)),
	}
	if d.quota != nil {
		m.QuotaUse = d.quota.use(now)
	}
	for i, r := range d.replicas {
		m.PerReplica[i] = ReplicaLoad{ID: r.id, InFlight: r.requests, Work: r.work}
	}
	return m
}

// Waiting returns the number of waiting requests, without the cost of Demand.
func (c *Core) Waiting() int { return c.waiting.count }

// InFlight returns the number of requests in flight at one replica, copies
// included; -1 for an unknown replica. It avoids the cost of Demand.
func (c *Core) InFlight(deployment, replica string) int {
	if d := c.deployment(deployment); d != nil {
		if r := d.byID[replica]; r != nil {
			return r.requests
		}
	}
	return -1
}
