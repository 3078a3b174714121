package plan

import (
	"errors"
	"fmt"
	"time"
)

// Business is the full rate on the given days between two hours of the day, and
// a share of it at other times. From 8 to 18 is 08:00 to 18:00.
func Business(days []time.Weekday, from, to int, outside float64) (func(day time.Weekday, hour int) float64, error) {
	var faults []error
	if from < 0 || to > 24 || from >= to {
		faults = append(faults, fmt.Errorf("plan: hours from %d to %d: they must be within a day and in order", from, to))
	}
	if len(days) == 0 {
		faults = append(faults, errors.New("plan: business hours on no day"))
	}
	if !(outside >= 0 && outside <= 1) {
		faults = append(faults, fmt.Errorf("plan: %v of the rate outside of business hours: it must be from 0 to 1", outside))
	}
	var on [7]bool
	for _, d := range days {
		on[d] = true
	}
	return func(day time.Weekday, hour int) float64 {
		if on[day] && hour >= from && hour < to {
			return 1
		}
		return outside
	}, errors.Join(faults...)
}

// Daily is a share of the rate for each hour of the day, times weekend on
// Saturdays and Sundays.
func Daily(hours [24]float64, weekend float64) func(day time.Weekday, hour int) float64 {
	return func(day time.Weekday, hour int) float64 {
		if day == time.Saturday || day == time.Sunday {
			return hours[hour] * weekend
		}
		return hours[hour]
	}
}

// Weekly is a week of minutes, from Monday 00:00, each m times the share of its
// hour.
func Weekly(m Minute, share func(day time.Weekday, hour int) float64) []Minute {
	minutes := make([]Minute, 0, 7*24*60)
	for i := range 7 {
		day := time.Weekday((i + 1) % 7)
		for hour := range 24 {
			now := m.times(share(day, hour))
			for range 60 {
				minutes = append(minutes, now)
			}
		}
	}
	return minutes
}
