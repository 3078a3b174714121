package scale

import (
	"math"
	"slices"
	"time"

	"weir"
)

// Season is the load by local time of day and of week, in slots of a quarter of
// an hour; -1 where none was seen.
type Season struct {
	Slot  int64     `json:"slot"` // current slot, since the epoch; 0: none
	Sum   float64   `json:"sum"`
	Count int       `json:"count"`
	Day   []float32 `json:"day,omitempty"`  // slotsDay of them, or none
	Week  []float32 `json:"week,omitempty"` // slotsWeek of them, or none
}

const (
	slotWidth = 15 * time.Minute
	slotsDay  = int(day / slotWidth)
	slotsWeek = 7 * slotsDay
	dayGain   = 0.5 // yesterday counts as much as all days before
	weekGain  = 0.5
)

// saw adds the load at a local time.
func (s *Season) saw(local weir.Instant, load float64) {
	if slot := int64(local) / int64(slotWidth); slot != s.Slot {
		if s.Count > 0 {
			v := s.Sum / float64(s.Count)
			s.Day = noted(s.Day, slotsDay, int(s.Slot%int64(slotsDay)), v, dayGain)
			s.Week = noted(s.Week, slotsWeek, int(s.Slot%int64(slotsWeek)), v, weekGain)
		}
		s.Slot, s.Sum, s.Count = slot, 0, 0
	}
	s.Sum += load
	s.Count++
}

// noted returns the profile with one slot updated, in a new array.
func noted(profile []float32, slots, i int, v, gain float64) []float32 {
	if len(profile) != slots {
		profile = slices.Repeat([]float32{-1}, slots)
	} else {
		profile = slices.Clone(profile)
	}
	if old := float64(profile[i]); old >= 0 {
		v = old + gain*(v-old)
	}
	profile[i] = float32(v)
	return profile
}

// ahead forecasts the load at a later local time: the profile's value for that
// time of the week, or of the day, scaled by the ratio of the present load,
// have, to the profile's value for now.
func (s *Season) ahead(now, later weir.Instant, have float64) (float64, bool) {
	was, ok := s.at(now)
	will, ok2 := s.at(later)
	if !ok || !ok2 {
		return 0, false
	}
	if was <= 0 {
		return will, true
	}
	return will * min(max(have/was, 0.5), 2), true
}

// at returns the profile's value, interpolated between the middles of two
// slots.
func (s *Season) at(local weir.Instant) (float64, bool) {
	x := float64(int64(local)%int64(7*day))/float64(slotWidth) - 0.5
	if x < 0 {
		x += float64(slotsWeek)
	}
	i, part := int(x), x-math.Floor(x)
	a, ok := s.slot(i)
	b, ok2 := s.slot((i + 1) % slotsWeek)
	return a + part*(b-a), ok && ok2
}

func (s *Season) slot(i int) (float64, bool) {
	if len(s.Week) == slotsWeek && s.Week[i] >= 0 {
		return float64(s.Week[i]), true
	}
	if len(s.Day) == slotsDay && s.Day[i%slotsDay] >= 0 {
		return float64(s.Day[i%slotsDay]), true
	}
	return 0, false
}
