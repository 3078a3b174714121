package config

import (
	"fmt"
	"time"

	"weir"
)

// calendar checks the schedules of a deployment against its bounds and against
// each other.
func (v *validator) calendar(s *Scaling, at string) {
	if v.badUnder(at+".schedules") || v.faulty[at+".min"] || v.faulty[at+".max"] {
		return
	}
	for i := range s.Schedules {
		v.schedule(s, &s.Schedules[i], fmt.Sprintf("%s.schedules[%d]", at, i))
	}
	v.overlaps(s, at)
}

func (v *validator) schedule(s *Scaling, line *Schedule, at string) {
	days := taken{}
	for i, day := range line.Days {
		v.claim(days, day, fmt.Sprintf("%s.days[%d]", at, i), "day")
	}
	switch {
	case line.Min == 0 && line.Max == 0:
		v.blame(at, "gives neither min nor max", "give the bound from %v to %v", line.From, line.To)
	case line.From == line.To, line.From == TimeOfDay(24*time.Hour):
		v.blame(at+".to", fmt.Sprintf("from %v to %v is an empty period", line.From, line.To), "a whole day is from 00:00 to 24:00")
	case line.Max > 0 && line.Min > line.Max:
		v.blame(at+".min", fmt.Sprintf("%d is more than max, which is %d", line.Min, line.Max), "give min at most max")
	case line.Max == 0 && line.Min > s.Max:
		v.blame(at+".min", fmt.Sprintf("%d is more than scaling.max, which is %d", line.Min, s.Max), "give this schedule a max of at least %d too, or raise scaling.max", line.Min)
	case line.Max > 0 && line.Max < s.Min:
		v.blame(at+".max", fmt.Sprintf("%d is less than scaling.min, which is %d", line.Max, s.Min), "lower scaling.min, and give the other hours a schedule with their min")
	case line.Min > 0 && line.Min <= s.Min:
		v.warn(at+".min", fmt.Sprintf("%d has no effect: scaling.min is %d at all times", line.Min, s.Min), "remove it, or lower scaling.min")
	}
	if s.Quota > 0 && line.Min > s.Quota {
		v.blame(at+".min", fmt.Sprintf("%d is more than quota, which is %d", line.Min, s.Quota), "give min at most quota")
	} else if s.Quota > 0 && line.Max > s.Quota {
		v.warn(at+".max", fmt.Sprintf("%d is more than quota, which is %d", line.Max, s.Quota), "there are never more replicas than quota")
	}
}

// overlaps warns of the first minute of the week at which the minimum of some
// schedules is above the maximum of others.
func (v *validator) overlaps(s *Scaling, at string) {
	const week = 7 * 24 * 60
	for minute := range week {
		floor, ceiling, least, most := s.Min, s.Max, -1, -1
		for i := range s.Schedules {
			line := &s.Schedules[i]
			if !line.holds(minute) {
				continue
			}
			if line.Min > floor {
				floor, least = line.Min, i
			}
			if line.Max > 0 && (most < 0 || line.Max > ceiling) {
				ceiling, most = line.Max, i
			}
		}
		if least >= 0 && most >= 0 && floor > ceiling {
			v.warn(fmt.Sprintf("%s.schedules[%d].min", at, least),
				fmt.Sprintf("on %v at %v it asks for %d replicas, but schedules[%d] allows %d", time.Weekday(minute/(24*60)),
					TimeOfDay(minute%(24*60))*TimeOfDay(time.Minute), floor, most, ceiling), "the max applies; make the two agree where they overlap")
			return
		}
	}
}

// holds says whether the schedule applies at that minute of a week that begins
// on Sunday.
func (s *Schedule) holds(minute int) bool {
	const day = 24 * 60
	from, to := int(time.Duration(s.From)/time.Minute), int(time.Duration(s.To)/time.Minute)
	if to <= from {
		to += day
	}
	for back := range 2 {
		begins := minute/day - back
		since := minute - begins*day
		if s.begins(weekday(time.Weekday((begins+7)%7))) && since >= from && since < to {
			return true
		}
	}
	return false
}

func (s *Schedule) begins(day string) bool { return len(s.Days) == 0 || contains(s.Days, day) }

// money checks the hourly budget against the replicas it has to pay for, if
// their price is given here.
func (v *validator) money(s *Scaling, at string) {
	if s.BudgetPerHour == 0 || v.faulty[at+".budget_per_hour"] || v.badUnder(at+".price") {
		return
	}
	if s.Price == nil {
		v.blame(at+".budget_per_hour", "cannot be enforced: the price of a replica is unknown", "add scaling.price, with hour or vm")
		return
	}
	if s.Price.Hour == 0 {
		return // from the catalogue
	}
	for _, f := range s.BudgetFaults(weir.Money(s.Price.Hour)) {
		if f.Never {
			v.blame(at+f.Path, f.Problem, "%s", f.Remedy)
		} else {
			v.warn(at+f.Path, f.Problem, f.Remedy)
		}
	}
}

// A BudgetFault is a bound that an hourly budget does not pay for.
type BudgetFault struct {
	Path            string // below scaling, with its dot
	Problem, Remedy string
	Never           bool // it does not even pay for the minimum
}

// BudgetFaults are the bounds the budget does not pay for at a replica's hourly
// price.
func (s *Scaling) BudgetFaults(price weir.Money) []BudgetFault {
	budget := weir.Money(s.BudgetPerHour)
	if budget == 0 || price <= 0 {
		return nil
	}
	pays := int(min(budget/price, 1_000_000))
	problem := func(n int, what string) string {
		plural := "s"
		if pays == 1 {
			plural = ""
		}
		return fmt.Sprintf("%s an hour pays for %d replica%s at %s each, and %s is %d", dollars(budget), pays, plural, dollars(price), what, n)
	}
	if s.Min > pays {
		return []BudgetFault{{".budget_per_hour", problem(s.Min, "min"), fmt.Sprintf("give %s or more, or a lower min", dollars(price*weir.Money(s.Min))), true}}
	}
	var faults []BudgetFault
	for i := range s.Schedules {
		if n := s.Schedules[i].Min; n > pays {
			faults = append(faults, BudgetFault{fmt.Sprintf(".schedules[%d].min", i), problem(n, "this min"), "the budget applies; raise it, or lower this min", false})
		}
	}
	if n := s.Most(); n > pays {
		faults = append(faults, BudgetFault{".budget_per_hour", problem(n, "the most there may be"), "the budget applies; raise it, or lower max", false})
	}
	return faults
}

// dollars writes an amount without the zeros of fractions of a cent.
func dollars(m weir.Money) string { return m.String() }

// profile checks that a replica's speed is given in one way only.
func (v *validator) profile(p *Profile, at string) {
	if p == nil || v.badUnder(at) {
		return
	}
	if p.Requests > 0 && (p.Prefill > 0 || p.Decode > 0) {
		v.blame(at+".requests", "states the same as prefill and decode", "give requests, or prefill and decode")
	}
}

// ignored warns of keys that have no effect beside the others.
func (v *validator) ignored(s *Scaling, at string) {
	if s.ZeroAfter > 0 && s.Min > 0 {
		v.warn(at+".zero_after", fmt.Sprintf("has no effect: min is %d, so the last replica never stops", s.Min), "give min: 0, or remove it")
	}
	if s.ZeroAfter > 0 && s.Min == 0 && s.ZeroAfter < s.ScaleInAfter {
		v.warn(at+".zero_after", fmt.Sprintf("is %s and has no effect: no replica stops before scale_in_after, which is %s", short(s.ZeroAfter), short(s.ScaleInAfter)),
			fmt.Sprintf("give scale_in_after: %s as well, or zero_after: %s or more", short(s.ZeroAfter), short(s.ScaleInAfter)))
	}
	if _, given := v.at[at+".forecast.quantile"]; given && !s.Forecast.Enabled {
		v.warn(at+".forecast.quantile", "has no effect while forecast.enabled is false", "remove one of the two")
	}
	if _, given := v.at[at+".time_zone"]; given && len(s.Schedules) == 0 {
		v.warn(at+".time_zone", "has no effect without schedules", "remove it")
	}
}
