package term

import (
	"fmt"
	"io"
	"math"
	"strings"
	"sync"
	"time"
)

// Progress is one bar for several runs at once, on a terminal only, and only
// for what takes longer than a moment.
type Progress struct {
	w     io.Writer
	shown bool // on a terminal

	mu    sync.Mutex
	parts []float64
	began time.Time
	drawn time.Time
}

const (
	progressAfter = 500 * time.Millisecond
	progressEvery = 100 * time.Millisecond
)

// NewProgress makes a bar of so many parts of the same size.
func NewProgress(w io.Writer, parts int) *Progress {
	return &Progress{w: w, shown: Colourful(w), parts: make([]float64, parts), began: time.Now()}
}

// Part is told how far its run has come, from 0 to 1.
func (p *Progress) Part(i int) func(float64) {
	if !p.shown {
		return func(float64) {}
	}
	return func(done float64) { p.at(i, done, time.Now()) }
}

func (p *Progress) at(i int, done float64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.parts[i] = done
	if now.Sub(p.began) < progressAfter || now.Sub(p.drawn) < progressEvery {
		return
	}
	p.drawn = now
	sum := 0.0
	for _, d := range p.parts {
		sum += d
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", progressLine(sum/float64(len(p.parts)), now.Sub(p.began)))
}

// progressLine draws the share that is done, and the time the rest takes at
// that pace.
func progressLine(done float64, took time.Duration) string {
	const width = 30
	full := int(math.Round(width * done))
	line := fmt.Sprintf("[%s%s] %3.0f %%", strings.Repeat("#", full), strings.Repeat("-", width-full), 100*done)
	if done > 0.02 && done < 1 {
		left := time.Duration(float64(took) * (1 - done) / done)
		line += fmt.Sprintf("  %v left", left.Round(time.Second))
	}
	return line
}

// End removes the bar.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.drawn.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
