package canary

import (
	"slices"
	"time"
)

// window is the stable version's last times of one measure: what is slow is
// judged by them, so that a load that changes over the day moves both.
type window struct {
	Times [windowSize]time.Duration `json:"times"`
	Seen  int                       `json:"seen"`
}

const (
	windowSize = 128
	windowMin  = 32 // times without which no quantile is known
)

func (w *window) add(took time.Duration) {
	w.Times[w.Seen%windowSize] = took
	w.Seen++
	if w.Seen == 2*windowSize {
		w.Seen = windowSize // full, and back at the start
	}
}

func (w *window) known() bool { return w.Seen >= windowMin }

// cuts are the times that tails of the window's are longer than.
func (w *window) cuts() (at [cuts]time.Duration) {
	times := w.Times
	sorted := times[:min(w.Seen, windowSize)]
	slices.Sort(sorted)
	for i, tail := range tails {
		at[i] = sorted[int(float64(len(sorted))*(1-tail))]
	}
	return at
}
