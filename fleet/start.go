package fleet

import "time"

// ColdStart is how long a replica takes from requested to ready, by its phases:
// each the median of the last starts.
type ColdStart struct {
	Scheduled time.Duration // until it has a machine, the wait for a new one included
	Pulled    time.Duration // from there until its program runs: image, volumes, what runs before it
	Loaded    time.Duration // from there until it is ready: weights, warm-up
	Seen      int           // starts it was learned from
}

// Total is the sum of the phases.
func (c ColdStart) Total() time.Duration { return c.Scheduled + c.Pulled + c.Loaded }

// Starter is a place that tells the phases of a start apart.
type Starter interface {
	// ColdStart is what was learned of a deployment; false before its first start.
	ColdStart(deployment string) (ColdStart, bool)
}
