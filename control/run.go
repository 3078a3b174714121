package control

import (
	"context"
	"sync"
	"time"

	"weir"
)

// Run steps every target at each tick and when it is poked, until ctx ends, and
// returns after the steps in progress. Each target has a goroutine of its own:
// a slow place delays no other.
func (c *Controller) Run(ctx context.Context) error {
	// One start and the time since it: a wall clock that is set back must not
	// make a step earlier than the one before.
	start := time.Now()
	now := func() weir.Instant { return weir.At(start).Add(time.Since(start)) }

	var loops sync.WaitGroup
	defer loops.Wait()
	for {
		for _, t := range c.all() {
			if t.claimed.CompareAndSwap(false, true) {
				loops.Go(func() { c.loop(ctx, now, t) })
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.changed:
		}
	}
}

func (c *Controller) loop(ctx context.Context, now func() weir.Instant, t *target) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	tick := time.NewTicker(c.o.Tick)
	defer tick.Stop()
	for {
		c.step(ctx, c.o.Timeout, now(), t)
		if !t.pause(ctx, pokeGap) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-t.removed:
			return
		case <-tick.C:
		case <-t.poke:
		}
	}
}

// pause waits for d. It returns false if ctx ends or the target is removed
// first.
func (t *target) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.removed:
		return false
	case <-timer.C:
		return true
	}
}
