package canary

import (
	"slices"
	"time"
)

// window is the stable version's last times of one measure. They set the limit
// of slow: a load that changes over the day moves both versions.
type window struct {
	Times [windowSize]time.Duration `json:"times"`
	Seen  int                       `json:"seen"`
}

const (
	windowSize = 128
	windowMin  = 32 // times needed before quantiles are known
)

func (w *window) add(took time.Duration) {
	w.Times[w.Seen%windowSize] = took
	w.Seen++
	if w.Seen == 2*windowSize {
		w.Seen = windowSize // full, and the index is back at the start
	}
}

func (w *window) known() bool { return w.Seen >= windowMin }

// cuts returns the times that the shares in tails exceed.
func (w *window) cuts() (at [cuts]time.Duration) {
	times := w.Times
	sorted := times[:min(w.Seen, windowSize)]
	slices.Sort(sorted)
	for i, tail := range tails {
		at[i] = sorted[int(float64(len(sorted))*(1-tail))]
	}
	return at
}
