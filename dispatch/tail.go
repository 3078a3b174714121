package dispatch

import (
	"slices"
	"time"
)

// tail learns how long nearly all first tokens of a deployment take: the 95th
// percentile of the last few hundred.
type tail struct {
	times [tailWindow]time.Duration
	seen  int
	at    time.Duration // 0: not known
}

const (
	tailWindow = 256
	tailEvery  = 16 // times after which the percentile is computed again
	tailMin    = 64 // times without which it is not known
)

func (t *tail) saw(took time.Duration) {
	t.times[t.seen%tailWindow] = took
	t.seen++
	if t.seen%tailEvery == 0 && t.seen >= tailMin {
		times := t.times
		sorted := times[:min(t.seen, tailWindow)]
		slices.Sort(sorted)
		t.at = max(sorted[len(sorted)*95/100], 1)
	}
	if t.seen == 2*tailWindow {
		t.seen = tailWindow // full, and back at the start
	}
}
