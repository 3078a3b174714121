package scale

import (
	"slices"
	"time"

	"weir"
)

// Memory is what a policy other than Decide remembers, such as those of package
// baseline: windows of a metric and of recommendations, and totals to count from.
// Decide leaves it alone.
type Memory struct {
	Next    weir.Instant `json:"next,omitempty"`    // decide again from then on
	Levels  []Level      `json:"levels,omitempty"`  // of the metric; at most maxLevels
	Advised []Peak       `json:"advised,omitempty"` // recommendations within a stabilisation window
	Since   weir.Instant `json:"since,omitempty"`   // panic, cooldown or delay began
	Until   weir.Instant `json:"until,omitempty"`
	Most    int          `json:"most,omitempty"`  // while in panic
	Way     int          `json:"way,omitempty"`   // of a change being delayed: 1 up, -1 down
	Value   float64      `json:"value,omitempty"` // a smoothed level
	Trend   float64      `json:"trend,omitempty"`
	From    Sample       `json:"from,omitzero"`
	Answers Answers      `json:"answers,omitzero"` // how long they are, for those that plan by work
	Days    []float32    `json:"days,omitempty"`   // load by time of day
}

// Level is a metric at a moment.
type Level struct {
	At weir.Instant `json:"at"`
	V  float64      `json:"v"`
}

const maxLevels = 360

// Level adds the metric and forgets what is older than window.
func (m *Memory) Level(now weir.Instant, v float64, window time.Duration) {
	levels := m.Levels
	for len(levels) > 0 && now.Sub(levels[0].At) >= window {
		levels = levels[1:]
	}
	m.Levels = push(levels, Level{now, v}, maxLevels)
}

// Mean is the mean of the levels of the last d.
func (m *Memory) Mean(now weir.Instant, d time.Duration) float64 {
	sum, n := 0.0, 0
	for i := len(m.Levels) - 1; i >= 0 && now.Sub(m.Levels[i].At) < d; i-- {
		sum += m.Levels[i].V
		n++
	}
	return sum / float64(max(n, 1))
}

// Stabilised is the highest recommendation within d, this one included.
func (m *Memory) Stabilised(now weir.Instant, n int, d time.Duration) int {
	m.Advised = needed(within(m.Advised, now, d), Peak{At: now, N: n})
	return m.Advised[0].N
}

// Lowest is the lowest recommendation within d, this one included.
func (m *Memory) Lowest(now weir.Instant, n int, d time.Duration) int {
	m.Advised = push(within(m.Advised, now, d), Peak{At: now, N: n}, maxPeaks)
	return slices.MinFunc(m.Advised, func(a, b Peak) int { return a.N - b.N }).N
}

// Load is the work that has arrived per second since the totals counted from, in
// nominal replicas of that capacity, and for how long that is. Where nothing is
// known to count from, it is false, and counting begins now.
func (m *Memory) Load(c Capacity, o *Observation) (load float64, over time.Duration, ok bool) {
	m.Answers.saw(o)
	now := sampled(o)
	if m.From.At == 0 || !m.From.before(now) {
		m.From = now
		return 0, 0, false
	}
	_, load = (&Policy{Capacity: c}).arrivals(m.From, now, m.Answers.ratio())
	return load, now.At.Sub(m.From.At), true
}

// Count begins to count from now on.
func (m *Memory) Count(o *Observation) { m.From = sampled(o) }
