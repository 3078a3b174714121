package gateway

import (
	"context"
	"time"

	"weir"
	"weir/dispatch"
)

// alarm wakes the cores when they asked to be: deadlines in queues, throttles
// that end, open replicas to be tested again.
type alarm struct {
	sooner chan weir.Instant
}

func newAlarm() alarm { return alarm{make(chan weir.Instant, 1)} }

// wakeBy is told by a model that it must be woken at that time at the latest.
// It never blocks; a full channel means that the alarm is about to look anyway.
func (g *Gateway) wakeBy(at weir.Instant) {
	select {
	case g.alarm.sooner <- at:
	default:
	}
}

// shortestSleep keeps a core whose time never passes from taking the machine.
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

// wake wakes the cores whose time has come and returns how long the rest can
// sleep.
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
