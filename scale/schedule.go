package scale

import (
	"slices"
	"time"
)

// schedule raises the number to the calendar's floor. The floor applies a cold
// start early: the replicas are ready when its hour begins.
func (t *turn) schedule() {
	t.asked = t.n
	floor := 0
	for i := range t.p.Schedules {
		s := &t.p.Schedules[i]
		if s.Min > floor && s.holds(t.local(), t.cold) {
			floor = s.Min
		}
	}
	t.raise(RuleSchedule, floor, "the schedule asks for at least %d", floor)
}

// ceiling returns the most replicas allowed at this hour.
func (t *turn) ceiling() int {
	most, named := t.p.Max, false
	for i := range t.p.Schedules {
		s := &t.p.Schedules[i]
		if s.Max > 0 && s.holds(t.local(), 0) {
			if !named {
				most, named = s.Max, true
			}
			most = max(most, s.Max)
		}
	}
	return most
}

// local returns the present local time, expressed as UTC.
func (t *turn) local() time.Time { return t.o.Now.Add(t.o.UTCOffset).Time() }

// holds says whether the line applies at that local time, or will within early.
func (s *Schedule) holds(local time.Time, early time.Duration) bool {
	length := s.To - s.From
	if length <= 0 {
		length += day
	}
	midnight := local.Truncate(day)
	for _, back := range [...]int{-1, 0, 1} {
		begin := midnight.Add(s.From).AddDate(0, 0, back)
		if since := local.Sub(begin); s.begins(begin.Weekday()) && since >= -early && since < length {
			return true
		}
	}
	return false
}

func (s *Schedule) begins(d time.Weekday) bool {
	return len(s.Days) == 0 || slices.Contains(s.Days, d)
}
