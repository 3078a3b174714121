package dispatch

import (
	"slices"
	"time"
)

// tail learns the 95th percentile of a deployment's last few hundred times to
// first token.
type tail struct {
	times [tailWindow]time.Duration
	seen  int
	at    time.Duration // 0: not known
}

const (
	tailWindow = 256
	tailEvery  = 16 // samples between computations of the percentile
	tailMin    = 64 // samples before it is known
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
		t.seen = tailWindow // full, and the index is back at the start
	}
}
