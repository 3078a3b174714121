package dispatch

import "weir"

// Shortage says that a deployment's place cannot give it a replica now.
type Shortage struct {
	Why   string       // a word of package fleet; "": it can
	Text  string       // the place's message, for people
	Again weir.Instant // when it is asked again; 0: unknown
}

// Short notes that a deployment's place cannot give it a replica now, or can
// again. A request then waits for no first replica of it: it goes to the next
// deployment, or is refused as NoCapacity if there is none to wait for.
func (c *Core) Short(now weir.Instant, deployment string, s Shortage) []Verdict {
	c.begin(now)
	d := c.deployment(deployment)
	if d == nil || d.short == s {
		return c.end()
	}
	d.short = s
	c.rewarm(false)
	return c.end()
}

// lacking says whether no replica of d is ready or comes, and none can.
func (d *deployment) lacking() bool { return d.short.Why != "" && d.ready == 0 && d.coming == 0 }

// short returns the deployment without replicas whose place is asked again
// first; nil: there is none.
func (s *backends) short() (first *deployment) {
	for _, t := range s.tiers {
		for _, d := range t {
			if d.lacking() && (first == nil || d.short.Again < first.short.Again) {
				first = d
			}
		}
	}
	return first
}
