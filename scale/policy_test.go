package scale_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/scale"
)

func TestValidateNamesEveryFault(t *testing.T) {
	f := func(p scale.Policy, want ...string) {
		t.Helper()
		err := p.Validate()
		if len(want) == 0 {
			if err != nil {
				t.Errorf("%+v: %v", p, err)
			}
			return
		}
		have := "no error"
		if err != nil {
			have = err.Error()
		}
		if n := strings.Count(have, "\n") + 1; n != len(want) {
			t.Errorf("%d faults, want %d: %s", n, len(want), have)
		}
		for _, w := range want {
			if !strings.Contains(have, w) {
				t.Errorf("%q is not in: %s", w, have)
			}
		}
	}
	f(scale.Policy{Max: 1})
	f(scale.Policy{Min: 2, Max: 10, TargetRequests: 0.5, GPU: scale.GPU{High: 0.8}, Price: 4 * weir.Dollar, BudgetPerHour: 8 * weir.Dollar})
	f(scale.Policy{}, "max is 0, must be 1 to 10000")
	f(scale.Policy{Min: 3, Max: 2}, "min is 3, must be 0 to max, which is 2")
	f(scale.Policy{Min: -1, Max: 2, TargetRequests: -1, TargetUse: math.NaN()}, "min is -1", "target_requests is -1", "target_use is NaN")
	f(scale.Policy{Max: 2, GPU: scale.GPU{High: 0.3}}, "gpu.low is 0.3, which is not below gpu.high, 0.3")
	f(scale.Policy{Max: 2, ColdStart: -1, ZeroAfter: -1}, "cold_start is -1ns", "zero_after is -1ns")
	f(scale.Policy{Max: 2, BudgetPerHour: 1}, "budget_per_hour is $0.000001, but the price of a replica is not given")
	f(scale.Policy{Min: 3, Max: 4, Price: 4 * weir.Dollar, BudgetPerHour: 8 * weir.Dollar}, "min is 3 replicas at $4.00 an hour, above budget_per_hour")
	f(scale.Policy{Max: 2, Schedules: []scale.Schedule{{}, {From: 24 * time.Hour, Min: 3, Days: []time.Weekday{7}}}},
		"schedules[1]: from 24h0m0s to 0s is not within a day", "schedules[1]: min is 3, above max, 2", "schedules[1]: day 7 does not exist")
	f(scale.Policy{Max: 2, Schedules: make([]scale.Schedule, 65)}, "65 schedules, at most 64 are allowed")
}

func TestASchedulesMinimumAndMaximumHoldAtTheirHours(t *testing.T) {
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	p := scale.Policy{Min: 1, Max: 4, ColdStart: 10 * time.Minute, Schedules: []scale.Schedule{
		{Days: weekdays, From: 8 * time.Hour, To: 18 * time.Hour, Min: 6, Max: 8},
		{From: 22 * time.Hour, To: 2 * time.Hour, Min: 3}, // every night, over midnight
	}}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	monday := time.Date(2023, 11, 13, 0, 0, 0, 0, time.UTC)
	f := func(day int, clock string, want int) {
		t.Helper()
		at, err := time.Parse("15:04", clock)
		if err != nil {
			t.Fatal(err)
		}
		// Two hours ahead of UTC: schedules are in local time.
		local := monday.AddDate(0, 0, day).Add(at.Sub(at.Truncate(24 * time.Hour)))
		o := scale.Unknown(weir.At(local.Add(-2 * time.Hour)))
		o.UTCOffset = 2 * time.Hour
		if d, _ := scale.Decide(p, scale.State{}, o); d.Want != want {
			t.Errorf("day %d %s: want %d, have %d: %+v", day, clock, want, d.Want, d.Reasons)
		}
	}
	f(0, "07:49", 1)
	f(0, "07:50", 4) // a cold start early, but the higher maximum is not there yet
	f(0, "08:00", 6)
	f(0, "17:59", 6)
	f(0, "18:00", 1)
	f(0, "21:49", 1)
	f(0, "21:50", 3)
	f(1, "01:59", 3)
	f(1, "02:00", 1)
	f(5, "09:00", 1) // Saturday
	f(6, "23:00", 3)
	f(7, "07:55", 4) // Monday again
}

func TestAnObservationGoesThroughJSONWithoutLossOfWhatDecides(t *testing.T) {
	o := scale.Unknown(5)
	o.Replicas = []weir.Replica{{ID: "a", State: weir.Draining, Since: 1, Asked: 2, ReadyAt: 3}, {ID: "b", State: weir.Failed, Since: 4, Asked: 4}}
	o.PerReplica = map[string]scale.Load{"a": {InFlight: 1, Work: 2}}
	o.Waiting, o.HeadAge, o.UTCOffset = 3, time.Second, -time.Hour
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	var back scale.Observation
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(back)
	if err != nil || string(again) != string(b) || back.Replicas[0].State != weir.Draining || back.PerReplica["a"].Work != 2 {
		t.Errorf("%s became %s, %v", b, again, err)
	}
	if err := json.Unmarshal([]byte(`{"replicas":[{"id":"a","state":"asleep"}]}`), &back); err == nil {
		t.Error("a state that does not exist is no error")
	}
}
