package gateway

import (
	"context"
	"time"

	"weir"
	"weir/dispatch"
)

// alarm wakes the cores at the times they asked for: queue deadlines, ends of
// throttling, tests of replicas whose circuit is open.
type alarm struct {
	sooner chan weir.Instant
}

func newAlarm() alarm { return alarm{make(chan weir.Instant, 1)} }

// wakeBy sets the latest time to wake a model. It never blocks: a full channel means
// that the alarm is about to look anyway.
func (g *Gateway) wakeBy(at weir.Instant) {
	select {
	case g.alarm.sooner <- at:
	default:
	}
}

// shortestSleep keeps a core that is always due from using a whole CPU.
const shortestSleep = 100 * time.Microsecond

// ring wakes every core in time until ctx ends.
func (g *Gateway) ring(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(max(g.wake(), shortestSleep))
		select {
		case <-ctx.Done():
			return
		case <-g.alarm.sooner:
		case <-timer.C:
		}
	}
}

// wake wakes the cores that are due and returns how long the others can sleep.
func (g *Gateway) wake() time.Duration {
	sleep := time.Hour
	now := g.now()
	for _, s := range g.state.Load().list {
		at := weir.Instant(s.next.Load())
		if at != 0 && at <= now {
			s.tell(func(c *dispatch.Core) []dispatch.Verdict { return c.Wake(now) })
			at = weir.Instant(s.next.Load())
		}
		if at != 0 {
			sleep = min(sleep, max(at.Sub(now), 0))
		}
	}
	return sleep
}
