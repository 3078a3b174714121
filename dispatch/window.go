package dispatch

import (
	"time"

	"weir"
)

const (
	windowSlots = 10 // resolution of a window of requests
	maxSlots    = 61 // of the window of tokens: a second each
)

// window counts admissions in the last interval of time. An amount is forgotten
// at the end of the slot that begins after the interval has passed.
type window struct {
	limit  int64 // 0: none
	slot   time.Duration
	slots  int64 // held, one more than the interval has
	newest int64 // number of the newest slot
	sum    int64
	counts [maxSlots]int64
}

// set gives the window a limit and its slots, which never change. A window
// without a limit remembers nothing.
func (w *window) set(limit int64, slot time.Duration, slots int64) {
	if limit <= 0 {
		*w = window{}
	}
	w.limit, w.slot, w.slots = limit, slot, slots
}

// roll forgets expired slots.
func (w *window) roll(now weir.Instant) {
	n := int64(now) / int64(w.slot)
	if n <= w.newest {
		return
	}
	for i := max(w.newest+1, n-w.slots+1); i <= n; i++ {
		c := &w.counts[i%w.slots]
		w.sum -= *c
		*c = 0
	}
	w.newest = n
}

func (w *window) add(now weir.Instant, n int64) {
	if w.limit <= 0 {
		return
	}
	w.roll(now)
	w.counts[w.newest%w.slots] += n
	w.sum += n
}

// at returns when the sum is below the limit, less keep percent of it.
func (w *window) at(now weir.Instant, keep int) weir.Instant {
	if w.limit <= 0 {
		return 0
	}
	w.roll(now)
	limit := max(w.limit*int64(100-keep)/100, 1)
	left := w.sum
	if left < limit {
		return 0
	}
	for i := w.newest - w.slots + 1; ; i++ {
		left -= w.counts[(i+w.slots)%w.slots]
		if left < limit || i == w.newest {
			return weir.Instant((i + w.slots) * int64(w.slot))
		}
	}
}

func (w *window) use(now weir.Instant) float64 {
	if w.limit <= 0 {
		return 0
	}
	w.roll(now)
	return float64(w.sum) / float64(w.limit)
}
