package scale

import (
	"slices"
	"time"

	"weir"
)

// Memory is the state of a policy other than Decide, such as those of package
// baseline: windows of a metric and of recommendations, and the start of its
// counts. Decide leaves it unchanged.
type Memory struct {
	Next    weir.Instant `json:"next,omitempty"`    // next time to decide
	Levels  []Level      `json:"levels,omitempty"`  // of the metric; at most maxLevels
	Advised []Peak       `json:"advised,omitempty"` // recommendations within a stabilisation window
	Since   weir.Instant `json:"since,omitempty"`   // start of panic, cooldown or delay
	Until   weir.Instant `json:"until,omitempty"`
	Most    int          `json:"most,omitempty"`  // while in panic
	Way     int          `json:"way,omitempty"`   // of a change being delayed: 1 up, -1 down
	Value   float64      `json:"value,omitempty"` // a smoothed level
	Trend   float64      `json:"trend,omitempty"`
	From    Sample       `json:"from,omitzero"`
	Answers Answers      `json:"answers,omitzero"` // their real length, for policies that plan by work
	Days    []float32    `json:"days,omitempty"`   // load by time of day
}

// Level is a metric at one time.
type Level struct {
	At weir.Instant `json:"at"`
	V  float64      `json:"v"`
}

const maxLevels = 360

// Level adds the metric and forgets values at least window old.
func (m *Memory) Level(now weir.Instant, v float64, window time.Duration) {
	levels := m.Levels
	for len(levels) > 0 && now.Sub(levels[0].At) >= window {
		levels = levels[1:]
	}
	m.Levels = push(levels, Level{now, v}, maxLevels)
}

// Mean returns the mean of the levels of the last d.
func (m *Memory) Mean(now weir.Instant, d time.Duration) float64 {
	sum, n := 0.0, 0
	for i := len(m.Levels) - 1; i >= 0 && now.Sub(m.Levels[i].At) < d; i-- {
		sum += m.Levels[i].V
		n++
	}
	return sum / float64(max(n, 1))
}

// Stabilised returns the highest recommendation within d, including n.
func (m *Memory) Stabilised(now weir.Instant, n int, d time.Duration) int {
	m.Advised = needed(within(m.Advised, now, d), Peak{At: now, N: n})
	return m.Advised[0].N
}

// Lowest returns the lowest recommendation within d, including n.
func (m *Memory) Lowest(now weir.Instant, n int, d time.Duration) int {
	m.Advised = push(within(m.Advised, now, d), Peak{At: now, N: n}, maxPeaks)
	return slices.MinFunc(m.Advised, func(a, b Peak) int { return a.N - b.N }).N
}

// Load returns the work arrived per second since the start of the count, in
// nominal replicas of that capacity, and the duration. It returns false without
// a valid start, and then starts to count now.
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

// Count starts to count now.
func (m *Memory) Count(o *Observation) { m.From = sampled(o) }
