package scale_test

import (
	"testing"
	"time"

	"weir"
	"weir/fleet/mem"
	"weir/scale"
)

// Loads at which the fleet once left a number of replicas and returned to it
// again and again, found by TestConstantLoadSettles.
func TestTheseLoadsSettle(t *testing.T) {
	f := func(rate, each float64, p scale.Policy) {
		t.Helper()
		w := newWorld(p.Decider(), mem.Deployment{ColdStart: p.ColdStart}, 0)
		w.tick, w.rate, w.each = 5*time.Second, rate, each
		w.run(2 * time.Hour)
		w.changes = nil
		w.run(time.Hour)
		if r := regrets(w.changes); r > 1 {
			t.Errorf("%v/s at %v each: %d numbers left and come back to in the third hour: %v", rate, each, r, w.changes)
		}
	}
	second, minute := time.Second, time.Minute
	f(20, 1.387827039055992, scale.Policy{Min: 14, Max: 17, ColdStart: second, ScaleInAfter: 2 * minute,
		GPU: scale.GPU{High: 0.8}, Capacity: scale.Capacity{Prefill: 4245.5}, SLO: weir.SLO{TTFT: time.Second}})
	// Only the queue is known; a failed attempt once erased the memory of the
	// earlier one.
	f(5.74, 1.09, scale.Policy{Min: 1, Max: 9, ColdStart: second, ScaleInAfter: 10 * minute, TargetQueue: 20})
	// The forecast asks for one more.
	f(5.62, 0.5, scale.Policy{Min: 12, Max: 28, ColdStart: 2 * second, ScaleInAfter: 5 * minute, TargetRequests: 0.5,
		Capacity: scale.Capacity{Prefill: 504.6953125}, MaxConcurrency: 2, SLO: weir.SLO{TTFT: time.Second}})
	// Totals restart at zero at the moment of the failure.
	f(0.8125, 0.5, scale.Policy{Min: 1, Max: 4, ColdStart: 5 * second, ScaleInAfter: 6 * minute, TargetQueue: 0.5,
		Capacity: scale.Capacity{Prefill: 3797.125}, SLO: weir.SLO{TTFT: 3 * time.Second}})
}

func TestANumberThatDidNotDoIsNotTriedAtOnce(t *testing.T) {
	p := scale.Policy{Min: 14, Max: 17, ColdStart: time.Second, ScaleInAfter: 2 * time.Minute,
		Capacity: scale.Capacity{Prefill: 4245.5}, SLO: weir.SLO{TTFT: time.Second}}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: p.ColdStart}, 14)
	w.tick, w.rate, w.each = 5*time.Second, 20, 1.387827039055992
	var failed []weir.Instant
	last := 0
	for end := w.now.Add(12 * time.Hour); w.now < end; {
		_, d := w.step()
		if d.Want > last && last == 14 && w.now.Sub(w.start) > time.Minute {
			failed = append(failed, w.now)
		}
		last = d.Want
	}
	if len(failed) < 2 || len(failed) > 5 {
		t.Errorf("14 were tried and left %d times in 12 hours, want a few: an hour apart, then two, then four", len(failed))
	}
	for i := 1; i < len(failed); i++ {
		if gap := failed[i].Sub(failed[i-1]); gap < time.Hour {
			t.Errorf("14 were tried again after %v", gap)
		}
	}
}

func TestLessLoadMayHaveFewerAtOnce(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 17, ColdStart: time.Second, ScaleInAfter: 2 * time.Minute, TargetRequests: 1}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: p.ColdStart}, 1)
	w.state.TooFew = scale.TooFew{N: 9, Load: 4, At: w.now, Wait: 12 * time.Hour}
	w.tick, w.rate, w.each = 5*time.Second, 5, 2
	if d := w.run(time.Hour); d.Want > 6 {
		t.Errorf("9 were too few for a load of 4 replica-seconds a second, and %d are kept at 2.25: %+v", d.Want, d)
	}
}
