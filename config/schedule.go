package config

import (
	"fmt"
	"regexp"
	"time"
	_ "time/tzdata" // for machines without a time zone database
)

// Schedule sets bounds that apply at certain hours.
type Schedule struct {
	// Days on which it starts. Without it: every day.
	Days []string `yaml:"days" enum:"mon|tue|wed|thu|fri|sat|sun" example:"mon, tue, wed, thu, fri"`
	// Start, local time of time_zone.
	From TimeOfDay `yaml:"from" need:"true" example:"08:00"`
	// End; if earlier than from, on the next day.
	To TimeOfDay `yaml:"to" need:"true" example:"18:00"`
	// Minimum replicas at that time. They are requested one cold start early.
	Min int `yaml:"min" min:"1" max:"10000" example:"4"`
	// Maximum replicas at that time, instead of scaling.max.
	Max int `yaml:"max" min:"1" max:"10000" example:"12"`
}

// TimeOfDay is a time since midnight, at most 24 h: "08:00", "24:00".
type TimeOfDay time.Duration

func (t TimeOfDay) String() string {
	minutes := int(time.Duration(t) / time.Minute)
	return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60)
}

const timeOfDayPattern = `^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`

var timeOfDay = regexp.MustCompile(timeOfDayPattern)

func parseTimeOfDay(text string) (any, string) {
	if !timeOfDay.MatchString(text) {
		return nil, "is not a time of day"
	}
	var hours, minutes time.Duration
	if _, err := fmt.Sscanf(text, "%d:%d", &hours, &minutes); err != nil {
		return nil, "is not a time of day"
	}
	return TimeOfDay(hours*time.Hour + minutes*time.Minute), ""
}

// Weekdays are the days' own numbers, in the order of the file; nil: every day.
func (s *Schedule) Weekdays() []time.Weekday {
	var days []time.Weekday
	for _, name := range s.Days {
		for d := time.Sunday; d <= time.Saturday; d++ {
			if weekday(d) == name {
				days = append(days, d)
			}
		}
	}
	return days
}

func weekday(d time.Weekday) string {
	return [...]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}[d]
}

// Location is the zone of the schedules.
func (s *Scaling) Location() *time.Location {
	if loc, err := time.LoadLocation(s.TimeZone); err == nil {
		return loc
	}
	return time.UTC // an unknown zone was refused before
}

func checkTimeZone(text string) (string, string) {
	remedy := "give a name of the IANA time zone database, such as Europe/Berlin or UTC"
	if text == "" || text == "Local" {
		return quote(text) + " is not a time zone: hours must have the same meaning on every machine", remedy
	}
	if _, err := time.LoadLocation(text); err != nil {
		return quote(text) + " is not a time zone", remedy
	}
	return "", ""
}
