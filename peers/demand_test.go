package peers

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir/scale"
)

func said(instance string, o scale.Observation) report {
	return report{instance: instance, load: Load{Demand: map[string]scale.Observation{"d": o}}}
}

func TestLevelsAddAndThePerReplicaLoadToo(t *testing.T) {
	own := scale.Observation{Waiting: 1, WaitingWork: 10, HeadAge: time.Second, LastActive: 70, InFlight: 2, InFlightWork: 20, GPUUtilisation: 0.5, Quota: 4,
		PerReplica: map[string]scale.Load{"r1": {InFlight: 2, Work: 20}}}
	other := scale.Observation{Waiting: 2, WaitingWork: 5, HeadAge: 3 * time.Second, LastActive: 90, InFlight: 4, InFlightWork: 7, GPUUtilisation: 0.9,
		PerReplica: map[string]scale.Load{"r1": {InFlight: 1, Work: 2}, "r2": {InFlight: 3, Work: 5}}}
	var sum totals
	got := sum.add("d", "own", own, []report{said("other", other), {instance: "has no such deployment"}})
	if got.Waiting != 3 || got.WaitingWork != 15 || got.HeadAge != 3*time.Second || got.InFlight != 6 || got.InFlightWork != 27 || got.LastActive != 90 {
		t.Errorf("%+v", got)
	}
	if got.GPUUtilisation != 0.5 || got.Quota != 4 {
		t.Errorf("what is no sum is this gateway's: %+v", got)
	}
	if got.PerReplica["r1"] != (scale.Load{InFlight: 3, Work: 22}) || got.PerReplica["r2"] != (scale.Load{InFlight: 3, Work: 5}) {
		t.Errorf("%+v", got.PerReplica)
	}
	if own.PerReplica["r1"].InFlight != 2 {
		t.Error("the gateway's own figures were changed")
	}
}

func TestASilentGatewayMakesTheSumTooOld(t *testing.T) {
	var sum totals
	late := said("other", scale.Observation{})
	late.age = silentAfter
	if got := sum.add("d", "own", scale.Observation{}, []report{late}); got.SignalAge != silentAfter {
		t.Errorf("age %s", got.SignalAge)
	}
	late.age = silentAfter + 1
	if got := sum.add("d", "own", scale.Observation{}, []report{late}); got.SignalAge != math.MaxInt64 {
		t.Errorf("age %s", got.SignalAge)
	}
}

// Gateways come, go, restart and fall silent for a while: totals never fall,
// and grow by no more than the gateways' own.
func TestTotalsGrowAsTheGatewaysDo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sum totals
		have := make([]uint64, 4)
		var last, grown uint64
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			var others []report
			for i := range have {
				if rapid.IntRange(0, 9).Draw(t, "restart") == 0 {
					have[i] = 0
				}
				more := rapid.Uint64Range(0, 100).Draw(t, "more")
				have[i] += more
				grown += more
				if i > 0 && rapid.Bool().Draw(t, "heard") {
					others = append(others, said(fmt.Sprint(i), scale.Observation{Arrived: have[i]}))
				}
			}
			got := sum.add("d", "0", scale.Observation{Arrived: have[0]}, others).Arrived
			if got < last || got > grown {
				t.Fatalf("the sum went from %d to %d, the gateways have had %d", last, got, grown)
			}
			last = got
		}
	})
}

func TestAllThatIsHeardIsCounted(t *testing.T) {
	var sum totals
	a, b := scale.Observation{Arrived: 1000, DonePrompt: 5}, scale.Observation{Arrived: 50, DonePrompt: 7}
	if got := sum.add("d", "a", a, []report{said("b", b)}); got.Arrived != 0 || got.DonePrompt != 0 {
		t.Fatalf("what was before the term is no burst: %+v", got)
	}
	a.Arrived, a.DonePrompt, b.Arrived, b.DonePrompt = 1010, 6, 53, 27
	if got := sum.add("d", "a", a, []report{said("b", b)}); got.Arrived != 13 || got.DonePrompt != 21 {
		t.Fatalf("%+v", got)
	}
}

func TestBesideOtherGatewaysNothingIsOutOfReach(t *testing.T) {
	var sum totals
	b := said("b", scale.Observation{})
	for i, want := range []uint64{0, 10, 10, 10, 20} {
		own := scale.Observation{Missed: 20 * uint64(i), OutOfReach: 10 * uint64(i)}
		var others []report
		if i == 2 || i == 3 {
			others = []report{b}
		}
		if got := sum.add("d", "a", own, others); got.OutOfReach != want || got.Missed != 20*uint64(i) {
			t.Errorf("step %d: %d of %d misses are out of reach, want %d", i, got.OutOfReach, got.Missed, want)
		}
	}
}
