package sim

import (
	"context"
	"time"
)

// runBySlot is Run that also returns arrivals and attainment per slot.
func runBySlot(ctx context.Context, c Config, slot time.Duration) (*Result, []share, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	w, err := newWorld(c.withDefaults())
	if err != nil {
		return nil, nil, err
	}
	w.judge.slot = slot
	if err := w.run(ctx); err != nil {
		return nil, nil, err
	}
	r, err := w.finish()
	return r, w.judge.slots, err
}
