package sim

import (
	"slices"
	"testing"
	"time"

	"weir/dispatch"
	"weir/scale"
	"weir/trace"
)

// Two replicas become ready and take waiting requests: the first one a request
// that fits no replica, the second one two others. The failure of the first
// makes dispatch grant more, which must not overwrite the verdicts of the
// second.
func TestAVerdictThatMakesRoomSpoilsNoOthers(t *testing.T) {
	list := trace.Slice{{Prompt: 20_000, Output: 1}}
	for range 10 {
		list = append(list, trace.Arrival{Prompt: 200, Output: 5})
	}
	d := ownFleet(2)
	d.Own.Initial = 0
	d.MaxWork = 2000
	r := run(t, config(&list, d))
	if r.TooLong != 1 || r.Completed != 10 {
		t.Errorf("%d too long, %d of 10 completed, %d waiting, refused %v", r.TooLong, r.Completed, r.Waiting, r.Refusals)
	}
}

// A waiting request is woken on time without any other event.
func TestAWaitingRequestIsWokenOnTime(t *testing.T) {
	d := provisioned()
	d.Remote.Throttled, d.Remote.Throttle = []Window{{0, 1500 * time.Millisecond}}, 1
	c := config(&trace.Slice{{At: time.Second, Prompt: 100, Output: 2}}, d)
	c.Tick, c.Sample = time.Hour, time.Hour
	near(t, "TTFT", run(t, c).TTFT.P50, time.Second+200*time.Millisecond)
}

// Control sees the same attainment as from the gateway: requests without room
// count, disconnected callers do not.
func TestControlIsToldWhatWasMissed(t *testing.T) {
	f := func(patience time.Duration, want uint64) {
		t.Helper()
		var missed uint64
		d := ownFleet(0)
		d.Own.Decide = func(s scale.State, o scale.Observation) (scale.Decision, scale.State) {
			missed = o.Missed
			return scale.Decision{}, s
		}
		c := config(every(3, 0, 100, 2), d)
		c.Queue = dispatch.Queue{MaxWait: 5 * time.Second, MaxWaitCold: 5 * time.Second}
		c.Patience, c.Length = patience, time.Minute
		run(t, c)
		if missed != want {
			t.Errorf("patience %v: control is told of %d missed, want %d", patience, missed, want)
		}
	}
	f(time.Minute, 3)
	f(time.Second, 0)
}

// Dispatch and control learn an answer's length when it has ended, not before:
// later lengths cannot change earlier decisions.
func TestNobodyLooksAtAnAnswerBeforeItEnded(t *testing.T) {
	decisions := func(last int) []time.Duration {
		var list trace.Slice
		for i := range 200 {
			list = append(list, trace.Arrival{At: time.Duration(i) * 50 * time.Millisecond, Prompt: 500, Output: 20})
		}
		for i := range list[100:] {
			list[100+i].Output = last
		}
		d := ownFleet(1)
		d.Own.Policy, d.Own.Decide = scale.Policy{Min: 1, Max: 8}, nil
		c := config(&list, d)
		c.Tick = 500 * time.Millisecond
		var changes []time.Duration
		for _, d := range run(t, c).Decisions {
			if d.At <= 5*time.Second { // request 100 arrives then
				changes = append(changes, d.At, time.Duration(d.Decision.Want))
			}
		}
		return changes
	}
	short, long := decisions(20), decisions(400)
	if !slices.Equal(short, long) {
		t.Errorf("what was decided before depends on what came after: %v, %v", short, long)
	}
}
