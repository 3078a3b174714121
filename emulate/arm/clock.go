package arm

import "time"

// clock is emulated time: speed times as fast as real time, plus the jumps an
// operator asked for.
type clock struct {
	now_  func() time.Time
	ahead time.Duration
}

func newClock(o Options) clock {
	if o.Now != nil {
		return clock{now_: o.Now}
	}
	began := time.Now()
	return clock{now_: func() time.Time {
		return began.Add(time.Duration(min(float64(time.Since(began))*o.Speed, float64(maxAhead))))
	}}
}

func (c *clock) now() time.Time { return c.now_().Add(c.ahead) }

// wall converts a span of emulated time to real time.
func (c *Cloud) wall(d time.Duration) time.Duration { return time.Duration(float64(d) / c.o.Speed) }
