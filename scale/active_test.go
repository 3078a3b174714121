package scale_test

import (
	"slices"
	"testing"
	"time"

	"weir"
	"weir/scale"
)

// quiet decides every two seconds for one replica that served a request a
// second for three minutes and then none. It returns the time from the last
// request until no replica is wanted.
func quiet(t *testing.T, p scale.Policy, exact bool) (time.Duration, scale.Decision) {
	t.Helper()
	var s scale.State
	last := epoch.Add(180*time.Second + 700*time.Millisecond)
	for at := epoch; at < epoch.Add(time.Hour); at = at.Add(2 * time.Second) {
		o := scale.Unknown(at)
		o.Arrived = uint64(min(at, last).Sub(epoch) / time.Second)
		o.Completed, o.Attained = o.Arrived, o.Arrived
		o.ArrivedPrompt, o.ArrivedOutput = 1000*o.Arrived, 100*o.Arrived
		if exact {
			o.LastActive = min(at, last)
		}
		o.Replicas = []weir.Replica{{ID: "a", State: weir.Ready, ReadyAt: epoch.Add(-time.Hour)}}
		var d scale.Decision
		if d, s = scale.Decide(p, s, o); d.Want == 0 {
			return at.Sub(last), d
		}
	}
	t.Fatal("one was kept for an hour")
	return 0, scale.Decision{}
}

func TestTheLastReplicaGoesWhenZeroAfterHasPassed(t *testing.T) {
	for _, after := range []time.Duration{5 * time.Second, 20 * time.Second, 3 * time.Minute, 9 * time.Minute} {
		for _, exact := range []bool{true, false} {
			p := scale.Policy{Max: 3, TargetRequests: 2, ZeroAfter: after, ScaleInAfter: 5 * time.Second}
			idle, d := quiet(t, p, exact)
			if idle < after-2*time.Second || exact && idle < after || idle > after+2*time.Second {
				t.Errorf("zero_after %v, exact %v: the last went %v after the last request: %+v", after, exact, idle, d)
			}
		}
	}
}

func TestWithoutZeroAfterTheLastWaitsForWhatAStartCosts(t *testing.T) {
	idle, _ := quiet(t, scale.Policy{Max: 3, TargetRequests: 2, ScaleInAfter: 5 * time.Second, ColdStart: 4 * time.Minute}, true)
	if idle < 8*time.Minute || idle > 8*time.Minute+2*time.Second {
		t.Errorf("the last went after %v, twice a cold start is 8m", idle)
	}
}

func TestAnIdleTickDoesNotEndTheLoad(t *testing.T) {
	var s scale.State
	p := scale.Policy{Max: 3, TargetRequests: 2, ZeroAfter: 20 * time.Second, ScaleInAfter: time.Second}
	var wants []int
	for at := epoch; at < epoch.Add(20*time.Minute); at = at.Add(2 * time.Second) {
		o := scale.Unknown(at)
		o.Arrived = uint64(at.Sub(epoch) / (15 * time.Second)) // a request in seven ticks
		o.Completed = o.Arrived
		o.Replicas = []weir.Replica{{ID: "a", State: weir.Ready, ReadyAt: epoch.Add(-time.Hour)}}
		var d scale.Decision
		d, s = scale.Decide(p, s, o)
		wants = append(wants, d.Want)
	}
	if slices.Contains(wants, 0) {
		t.Error("with a request every 15s none was wanted, though one is kept for 20s")
	}
}
