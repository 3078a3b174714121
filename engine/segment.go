package engine

import "weir"

// clock is a time between forward steps, to the picosecond.
type clock struct {
	at weir.Instant
	ps Picoseconds // 0 to 999 after at
}

func (c clock) add(p Picoseconds) clock {
	p += c.ps
	return clock{c.at + weir.Instant(p/picosPerNano), p % picosPerNano}
}

// visible returns the first Instant not before the clock.
func (c clock) visible() weir.Instant {
	if c.ps > 0 {
		return c.at + 1
	}
	return c.at
}

// segment is a run of forward steps in progress: one step that prefills, or any
// number of decode-only steps, all with the same sequences.
type segment struct {
	steps int64 // 0: none in progress
	start clock
	cost  Cost
	batch int64 // sequences decoding: each step adds as many to the held KV tokens; 0 while they pause
	kv    int64 // their held tokens at the start of the first step
}

// elapsed returns the total time of the first n steps: the sum of cost.Of(kv +
// i*batch) for i from 0 to n-1.
func (s *segment) elapsed(n int64) Picoseconds {
	held := n*s.kv + s.batch*(n*(n-1)/2)
	return Picoseconds(n)*s.cost.Fixed + Picoseconds(held)*s.cost.PerKV
}

func (s *segment) end() clock { return s.start.add(s.elapsed(s.steps)) }

// stepAt returns the step in progress at now, counted from 1: the first one
// that ends after now. A step that would begin at now is in progress.
func (s *segment) stepAt(now weir.Instant) int64 {
	if now < s.start.at {
		return 1
	}
	passed := Picoseconds(now-s.start.at)*picosPerNano - s.start.ps
	lo, hi := int64(1), s.steps
	for lo < hi {
		mid := (lo + hi) / 2
		if s.elapsed(mid) > passed {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}
