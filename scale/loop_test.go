package scale_test

import (
	"slices"
	"testing"
	"time"

	"weir"
	"weir/fleet/mem"
	"weir/scale"
)

// reversals counts how often the decided number changed between growing and
// shrinking.
func reversals(ns []int) int {
	n, last := 0, 0
	for i := 1; i < len(ns); i++ {
		dir := 1
		if ns[i] < ns[i-1] {
			dir = -1
		}
		if last != 0 && dir != last {
			n++
		}
		last = dir
	}
	return n
}

var loopPolicies = map[string]scale.Policy{
	"requests":    {Min: 1, Max: 20, TargetRequests: 0.8},
	"concurrency": {Min: 1, Max: 20, TargetConcurrency: 4},
	"bounds and SLO only": {Min: 1, Max: 20, MaxConcurrency: 8,
		SLO: weir.SLO{TTFT: 2 * time.Second, TPOT: 100 * time.Millisecond}},
	"a profile": {Min: 1, Max: 20, Capacity: scale.Capacity{Prefill: 2500, Decode: 333}},
}

func TestAStepGrowsOnceAndShrinksOnce(t *testing.T) {
	for name, p := range loopPolicies {
		t.Run(name, func(t *testing.T) {
			w := newWorld(p.Decider(), mem.Deployment{ColdStart: 90 * time.Second}, 1)
			w.rate = 0.5
			if d := w.run(10 * time.Minute); d.Want != 1 {
				t.Fatalf("half a replica's load wants %d: %+v", d.Want, d)
			}
			w.rate = 8
			w.run(2 * time.Second)
			var peak int
			for end := w.now.Add(15 * time.Minute); w.now < end; {
				_, d := w.step()
				peak = max(peak, d.Want)
			}
			// 8 are fully busy; 10 are busy to 80 %. Half as many again may
			// come to work off the queue of the cold start, and more if the
			// missed SLO calls for a larger margin.
			most, after := 16, 1
			if p.SLO.TTFT > 0 {
				most, after = p.Max, 3
			}
			if peak < 9 || peak > most {
				t.Errorf("load for 8 replicas grew the fleet to %d", peak)
			}
			if w.waiting >= 1 {
				t.Errorf("%.0f requests still wait after 15 minutes", w.waiting)
			}
			w.rate = 0.5
			if d := w.run(time.Hour); d.Want > after {
				t.Errorf("an hour after the load went %d are wanted: %+v", d.Want, d)
			}
			if r := reversals(w.changes); r > 1 {
				t.Errorf("%d reversals in %v, want the one", r, w.changes)
			}
		})
	}
}

func TestStartingReplicasAreCounted(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 50, TargetRequests: 0.8, Forecast: scale.Forecast{Off: true}}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: 10 * time.Minute}, 1)
	w.rate = 0.5
	w.run(12 * time.Minute)
	w.rate = 4 // 5 replicas, ready only after ten minutes in which nothing gets better
	w.waiting = 0
	var wants []int
	for end := w.now.Add(9 * time.Minute); w.now < end; {
		_, d := w.step()
		w.waiting = 0 // as if refused: the signal of the queue is not what is tested
		wants = append(wants, d.Want)
	}
	if most := slices.Max(wants); most > 6 {
		t.Errorf("the same deficit grew the fleet to %d while replicas started", most)
	}
}

func TestFromZeroTheFleetIsSizedToTheQueue(t *testing.T) {
	p := scale.Policy{Min: 0, Max: 10, TargetConcurrency: 4}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: time.Minute}, 0)
	w.run(time.Minute)
	if n := len(w.replicas()); n != 0 {
		t.Fatalf("%d replicas without a request", n)
	}
	w.waiting, w.arrived = 18, 18
	_, d := w.step()
	if d.Want != 5 {
		t.Errorf("18 requests queued at 4 per replica want %d, not 5: %+v", d.Want, d)
	}
	if d = w.run(time.Hour); d.Want != 0 {
		t.Errorf("an hour after the last request %d are wanted: %+v", d.Want, d)
	}
}

func TestARestartDoesNotShrink(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 20, TargetRequests: 0.8}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: 30 * time.Second}, 1)
	w.rate = 8
	w.run(10 * time.Minute)
	w.rate = 0.5
	w.run(time.Minute)
	w.state = scale.State{} // it has restarted and remembers nothing
	ran := w.count(weir.Ready)
	if d := w.run(9 * time.Minute); d.Want != ran || ran < 10 {
		t.Errorf("9 minutes after a restart %d are wanted, %d ran: %+v", d.Want, ran, d)
	}
	if d := w.run(2 * time.Minute); d.Want != 1 {
		t.Errorf("after a whole window %d are wanted: %+v", d.Want, d)
	}
}
