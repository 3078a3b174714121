package baseline_test

import (
	"cmp"
	"context"
	"slices"
	"testing"
	"time"

	"weir"
	"weir/fleet/mem"
	"weir/scale"
	"weir/scale/baseline"
)

// course is a decider's record under a level that changes with time: the wanted
// and ready numbers, second by second.
type course struct {
	want, ready []int
	made        []scale.Decision
}

const epoch = weir.Instant(1_699_833_600_000_000_000) // Monday 13 November 2023, 00:00 UTC

// drive runs a decider for some seconds over a fleet that starts with one ready
// replica. level sets the observation of a second.
func drive(decide scale.Decider, cold time.Duration, seconds int, level func(second, ready int, o *scale.Observation)) course {
	fleet, ctx := mem.New(epoch, 1, mem.Deployment{Name: "m", ColdStart: cold}), context.Background()
	var c course
	var s scale.State
	must(fleet.Scale(ctx, "m", 1, nil))
	start := fleet.Next()
	for i := range seconds {
		now := start.Add(time.Duration(i) * time.Second)
		fleet.Advance(now)
		o := scale.Unknown(now)
		o.Replicas = status(fleet)
		ready := 0
		for _, r := range o.Replicas {
			if r.State == weir.Ready {
				ready++
			}
		}
		level(i, ready, &o)
		var d scale.Decision
		d, s = decide(s, o)
		must(fleet.Scale(ctx, "m", d.Want, d.Victims))
		for _, r := range status(fleet) {
			if r.State == weir.Draining {
				fleet.Drained("m", r.ID)
			}
		}
		c.want, c.ready, c.made = append(c.want, d.Want), append(c.ready, ready), append(c.made, d)
	}
	return c
}

func status(fleet *mem.Fleet) []weir.Replica {
	rs, err := fleet.Status(context.Background(), "m")
	must(err)
	return rs
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// reaches returns the first second from which at least (or, below, at most) n
// are wanted.
func (c course) reaches(n, from int) int {
	for i := from; i < len(c.want); i++ {
		if c.want[from] < n && c.want[i] >= n || c.want[from] >= n && c.want[i] <= n {
			return i
		}
	}
	return len(c.want)
}

// inFlight is a number of requests in flight that steps from 10 to 200 at 120 s
// and back at 480 s.
func inFlight(second, _ int, o *scale.Observation) {
	o.InFlight = 10
	if second >= 120 && second < 480 {
		o.InFlight = 200
	}
}

var wide = baseline.Bounds{Min: 1, Max: 100}

// The real Knative code at target 22.4 and a cold start of 90 s wants 2 at
// once after the step and 9 within 30 s, has 9 ready 120 s after it, and is
// back at 1 within 60 s of the drop.
func TestKPAStepsAsTheOriginal(t *testing.T) {
	c := drive(baseline.KPA{Bounds: wide, Target: 22.4}.Decider(), 90*time.Second, 900, inFlight)
	if at := c.reaches(2, 110); at > 124 {
		t.Errorf("2 wanted at %d s, the step is at 120", at)
	}
	if at := c.reaches(9, 110); at > 150 {
		t.Errorf("9 wanted at %d s, want by 150", at)
	}
	if most := slices.Max(c.want); most != 9 {
		t.Errorf("wants up to %d, want 9", most)
	}
	if c.ready[242] != 9 {
		t.Errorf("%d ready at 242 s, want 9", c.ready[242])
	}
	if c.want[480] != 9 || c.want[545] != 1 {
		t.Errorf("wants %d at the drop and %d 65 s later, want 9 and 1", c.want[480], c.want[545])
	}
}

// The unmodified HorizontalController at target 20 goes from 1 to 10 within
// 60 s of the step, and back about 300 s after the drop.
func TestHPAStepsAsTheOriginal(t *testing.T) {
	c := drive(baseline.HPA{Bounds: wide, Metric: baseline.ByConcurrency, Target: 20}.Decider(), 10*time.Second, 900, inFlight)
	if at := c.reaches(10, 110); at > 180 {
		t.Errorf("10 wanted at %d s, want by 180", at)
	}
	if at := c.reaches(5, 110); at >= c.reaches(10, 110) {
		t.Errorf("10 wanted in one step; 4 pods or 100 %% in 15 s are allowed")
	}
	if most := slices.Max(c.want); most != 10 {
		t.Errorf("wants up to %d, want 10", most)
	}
	if at := c.reaches(1, 470); at < 480+285 || at > 480+330 {
		t.Errorf("back at 1 at %d s, want about 780", at)
	}
}

func TestHPAByUtilisationCountsStartingPodsAsIdle(t *testing.T) {
	// 90 % of one at a target of 50 %: two are enough, and the number stays two
	// while the second starts, though the first is as busy as before.
	c := drive(baseline.HPA{Bounds: wide, Target: 0.5}.Decider(), 10*time.Minute, 500, func(_, _ int, o *scale.Observation) {
		o.GPUUtilisation = 0.9
	})
	if most := slices.Max(c.want); most != 2 {
		t.Errorf("wants up to %d while the second starts, want 2", most)
	}
}

func TestKEDAWakesAtItsPollAndSleepsAfterItsCooldown(t *testing.T) {
	b := baseline.KEDA{Bounds: baseline.Bounds{Min: 0, Max: 10}, Target: 5}
	c := drive(b.Decider(), 10*time.Second, 1500, func(second, ready int, o *scale.Observation) {
		if second >= 700 && second < 800 {
			o.Waiting = 12
		}
	})
	if c.want[290] != 1 || c.want[330] != 0 {
		t.Errorf("idle: wants %d at 290 s and %d at 330 s, want 1 and 0", c.want[290], c.want[330])
	}
	if at := c.reaches(1, 600); at < 700 || at > 745 {
		t.Errorf("woke at %d s, want within a poll and a sync of 700", at)
	}
	if at := c.reaches(3, 600); at > 790 {
		t.Errorf("3 for 12 queued wanted at %d s", at)
	}
	if c.want[1499] != 0 {
		t.Errorf("%d wanted at the end, want 0", c.want[1499])
	}
}

// AIBrix v0.6.0's APA averages per pod over a window that includes its own
// changes, and takes the lowest of the last recommendations: after a step it
// swings although the load is constant again.
func TestAPASwingsAsTheOriginal(t *testing.T) {
	c := drive(baseline.APA{Bounds: baseline.Bounds{Min: 1, Max: 50}, Target: 20}.Decider(), time.Second, 7200, func(second, _ int, o *scale.Observation) {
		o.InFlight = 160
		if second >= 1200 && second < 1800 {
			o.InFlight = 400
		}
	})
	var changes []int
	for _, n := range c.want[3600:] {
		if len(changes) == 0 || changes[len(changes)-1] != n {
			changes = append(changes, n)
		}
	}
	if r := reversals(changes); r < 4 {
		t.Errorf("%d reversals in an hour of constant load, the original swings for ever: %v", r, changes)
	}
}

func TestWVAIsBlockedWhileAReplicaStarts(t *testing.T) {
	c := drive(baseline.WVA{Bounds: wide}.Decider(), 100*time.Second, 600, func(_, _ int, o *scale.Observation) {
		o.KVUse, o.EngineWaiting = 0.9, 40
	})
	// One at a time, and the next only when that is ready: at most 1 + 600/100.
	if c.want[599] < 5 || c.want[599] > 7 {
		t.Errorf("%d wanted after 600 s of saturation with a cold start of 100 s, want 5 to 7", c.want[599])
	}
	idle := drive(baseline.WVA{Bounds: wide}.Decider(), time.Second, 600, func(second, ready int, o *scale.Observation) {
		o.KVUse, o.EngineWaiting = 0.2, 0
		if second < 60 {
			o.KVUse = 0.9
		}
	})
	if most := slices.Max(idle.want); most < 4 || idle.want[599] != 1 {
		t.Errorf("up to %d and then %d wanted, want 4 or more and then 1", most, idle.want[599])
	}
}

func TestDynamoWaitsForEachStart(t *testing.T) {
	b := baseline.Dynamo{Bounds: wide, SLO: weir.SLO{TTFT: time.Second}}
	c := drive(b.Decider(), 60*time.Second, 900, func(second, _ int, o *scale.Observation) {
		o.Waiting, o.HeadAge = 5, 2*time.Second
	})
	if c.want[170] < 3 || c.want[170] > 4 {
		t.Errorf("%d wanted after 170 s of misses with a cold start of 60 s, want 3 or 4", c.want[170])
	}
	// The planner: 4 replicas' load, no misses.
	c = drive(b.Decider(), 60*time.Second, 900, func(second, ready int, o *scale.Observation) {
		o.Arrived = uint64(second)
		o.ArrivedPrompt = uint64(second * 16000)
	})
	if c.want[400] < 4 || c.want[899] < 4 || c.want[899] > 5 {
		t.Errorf("%d, then %d wanted for the load of 4, want 4 or 5", c.want[400], c.want[899])
	}
}

func TestRayHoldsBeforeItActs(t *testing.T) {
	c := drive(baseline.Ray{Bounds: wide, Target: 20}.Decider(), time.Second, 1500, inFlight)
	if at := c.reaches(2, 110); at < 148 || at > 160 {
		t.Errorf("grew at %d s, want 30 s after the step at 120", at)
	}
	if at := c.reaches(1, 470); at < 480+600 || at > 480+640 {
		t.Errorf("back at 1 at %d s, want 600 s after the drop at 480", at)
	}
}

func TestAzureMonitorActsOnFiveMinutesAndCoolsDown(t *testing.T) {
	c := drive(baseline.AzureMonitor{Bounds: baseline.Bounds{Min: 1, Max: 9}}.Decider(), 10*time.Second, 3600, func(second, ready int, o *scale.Observation) {
		o.GPUUtilisation = min(1, 1.8/float64(max(ready, 1)))
	})
	if at := c.reaches(3, 0); at < 280 || at > 320 {
		t.Errorf("two more at %d s, want after 5 minutes", at)
	}
	if c.want[3599] != 3 {
		t.Errorf("%d wanted at 60 %%, want 3 held", c.want[3599])
	}
	c = drive(baseline.AzureMonitor{Bounds: baseline.Bounds{Min: 1, Max: 9}}.Decider(), 10*time.Second, 7200, func(second, ready int, o *scale.Observation) {
		o.GPUUtilisation = 0.9
		if second > 700 {
			o.GPUUtilisation = 0.5 / float64(max(ready, 1)) // one alone would be at 50 %
		}
	})
	if most := slices.Max(c.want); most != 5 {
		t.Errorf("up to %d wanted, want 5: two at a time, 5 minutes apart", most)
	}
	if c.want[7199] != 1 {
		t.Errorf("%d wanted in the end, want 1", c.want[7199])
	}
}

func TestYesterdayKnowsWhatComes(t *testing.T) {
	b := baseline.Yesterday{Bounds: wide, Use: 1, Capacity: scale.Capacity{Prefill: 1000}}
	total := 0.0
	c := drive(b.Decider(), time.Second, 2*86400, func(second, _ int, o *scale.Observation) {
		load := 1.0
		if s := second % 86400; s >= 8*3600 && s < 9*3600 {
			load = 5
		}
		total += load * 1000
		o.Arrived, o.ArrivedPrompt = uint64(second), uint64(total)
	})
	if eight := 8 * 3600; c.want[eight] > 2 || c.want[86400+eight-60] < 4 {
		t.Errorf("at eight %d wanted on the first day, a minute before it %d on the second; want 1 and 5", c.want[eight], c.want[86400+eight-60])
	}
}

func TestEveryBaselineStaysWithinItsBounds(t *testing.T) {
	for _, name := range baseline.Names() {
		t.Run(name, func(t *testing.T) {
			decide, err := baseline.New(name, baseline.Make{Bounds: baseline.Bounds{Min: 2, Max: 7}, MaxConcurrency: 8, SLO: weir.SLO{TTFT: time.Second}})
			if err != nil {
				t.Fatal(err)
			}
			arrived := 0.0
			rates := []float64{0.5, 20, 0, 5, 0.1}
			c := drive(decide, 30*time.Second, 600*len(rates), func(second, ready int, o *scale.Observation) {
				rate := rates[second/600]
				arrived += rate
				o.Arrived, o.ArrivedPrompt, o.ArrivedOutput = uint64(arrived), uint64(1000*arrived), uint64(200*arrived)
				o.InFlight, o.Waiting = int(5*min(rate, float64(ready))), int(60*max(rate-float64(ready), 0))
				o.GPUUtilisation = min(1, rate/5)
			})
			for _, d := range c.made[1:] {
				if d.Want < 2 || d.Want > 7 {
					t.Fatalf("wants %d, bounds are 2 and 7: %+v", d.Want, d)
				}
				if r := d.Reasons; r[0].From != d.Have || r[len(r)-1].To != d.Want || len(d.Victims) != max(0, d.Have-d.Want) {
					t.Fatalf("chain or victims do not fit: %+v", d)
				}
			}
		})
	}
	if _, err := baseline.New("no-such", baseline.Make{Bounds: wide}); err == nil {
		t.Error("a baseline that does not exist is no error")
	}
	if _, err := baseline.New("hpa", baseline.Make{}); err == nil {
		t.Error("no bounds are no error")
	}
}

// reversals counts how often the wanted number changed between growing and
// shrinking.
func reversals(ns []int) int {
	n, last := 0, 0
	for i := 1; i < len(ns); i++ {
		dir := cmp.Compare(ns[i], ns[i-1])
		if dir == 0 {
			continue
		}
		if last != 0 && dir != last {
			n++
		}
		last = dir
	}
	return n
}
