package scale_test

import (
	"fmt"
	"testing"
	"time"

	"weir"
	"weir/scale"
)

// Promises of the package's comments that its stories do not test, from
// outside. internal/mutants has a wrong change for each.

// seen is an observation of that many replicas, ready for an hour, at epoch.
func seen(ready int) scale.Observation {
	o := scale.Unknown(epoch)
	for i := range ready {
		o.Replicas = append(o.Replicas, weir.Replica{ID: fmt.Sprint(i), State: weir.Ready, Asked: epoch.Add(-2 * time.Hour), ReadyAt: epoch.Add(-time.Hour)})
	}
	return o
}

// running is the state of a scaler that has run for a day, with its last
// decision a moment ago.
func running() scale.State {
	return scale.State{Now: epoch.Add(-2 * time.Second), Started: epoch.Add(-24 * time.Hour), Active: epoch.Add(-2 * time.Second)}
}

func held(d scale.Decision, rule scale.Rule) bool {
	for _, r := range d.Reasons {
		if r.Rule == rule {
			return true
		}
	}
	return false
}

func TestAPlaceWithoutStockIsAskedLaterEachTimeUpToABound(t *testing.T) {
	p := scale.Policy{Max: 9}
	for _, c := range []struct {
		wait time.Duration
		have int
		want time.Duration
	}{
		{0, 3, 15 * time.Second},
		{2 * time.Minute, 3, 4 * time.Minute},
		{8 * time.Minute, 3, 10 * time.Minute},
		{2 * time.Minute, 4, 15 * time.Second}, // it gave one
	} {
		s, o := running(), seen(c.have)
		s.Breaker = scale.Breaker{Until: epoch.Add(-time.Second), Wait: c.wait, Have: 3}
		o.NoCapacity = true
		if _, next := scale.Decide(p, s, o); next.Breaker.Wait != c.want {
			t.Errorf("after %v, with %d replicas where there were 3: asked again in %v, want %v", c.wait, c.have, next.Breaker.Wait, c.want)
		}
	}
}

func TestTheHighestCeilingOfTheCalendarCounts(t *testing.T) {
	all := scale.Schedule{From: 0, To: 24 * time.Hour}
	for _, ceilings := range [][]int{{5, 3}, {3, 5}} {
		p := scale.Policy{Max: 2, TargetConcurrency: 1}
		for _, most := range ceilings {
			line := all
			line.Max = most
			p.Schedules = append(p.Schedules, line)
		}
		o := seen(1)
		o.InFlight = 9
		if d, _ := scale.Decide(p, scale.State{}, o); d.Want != 5 {
			t.Errorf("ceilings %v: %d replicas, want 5", ceilings, d.Want)
		}
	}
}

func TestWhatWasRegrettedIsHeldForTwoHoursAtMost(t *testing.T) {
	p := scale.Policy{Max: 9, TargetConcurrency: 1}
	for _, c := range []struct {
		ago  time.Duration
		want int
	}{{110 * time.Minute, 5}, {130 * time.Minute, 2}} {
		s, o := running(), seen(5)
		s.Peaks = []scale.Peak{{At: epoch.Add(-c.ago), N: 5}}
		s.Regret = scale.Regret{Count: 3, Same: 7, At: epoch.Add(-time.Minute)}
		o.InFlight = 1
		if d, _ := scale.Decide(p, s, o); d.Want != c.want {
			t.Errorf("5 needed %v ago: %d are kept, want %d: %+v", c.ago, d.Want, c.want, d.Reasons)
		}
	}
}

// keptIdle returns how long a third replica that is not needed is kept, to the second.
func keptIdle(t *testing.T, p scale.Policy) time.Duration {
	t.Helper()
	for d := time.Second; d < 3*time.Hour; d += time.Second {
		s, o := running(), seen(3)
		s.Peaks = []scale.Peak{{At: epoch.Add(-d), N: 3}}
		o.InFlight = 1
		if now, _ := scale.Decide(p, s, o); now.Want < 3 {
			return d - time.Second
		}
	}
	t.Fatalf("%+v: kept for three hours", p)
	return 0
}

// Ski rental: however long a replica is not needed, keeping it and then starting
// it again cost at most twice as much as the better of keeping it all the time
// and letting it go at once.
func TestKeepingAnIdleReplicaCostsAtMostTwiceTheBestChoice(t *testing.T) {
	for _, cold := range []time.Duration{30 * time.Second, 31 * time.Second, 90 * time.Second, 10 * time.Minute, time.Hour} {
		kept := keptIdle(t, scale.Policy{Min: 1, Max: 9, TargetConcurrency: 1, ColdStart: cold, ScaleInAfter: time.Second})
		start := 2 * cold
		for idle := time.Second; idle < 3*start; idle += time.Second {
			cost, best := min(idle, kept), min(idle, start)
			if idle > kept {
				cost += start
			}
			if cost > 2*best {
				t.Errorf("cold start of %v, kept for %v: idle for %v costs %v, the best choice %v", cold, kept, idle, cost, best)
				break
			}
		}
	}
}

func TestAnHourWithoutRegretHalvesIt(t *testing.T) {
	s := running()
	s.Regret = scale.Regret{Count: 2, Same: 3, At: epoch.Add(-61 * time.Minute)}
	o := seen(2)
	o.InFlight = 2
	if _, next := scale.Decide(scale.Policy{Max: 9, TargetConcurrency: 1}, s, o); next.Regret.Count != 1 || next.Regret.Same != 2 {
		t.Errorf("%+v, want half of 2 and one less than 3", next.Regret)
	}
}

func TestAFewMissedRequestsHoldNothing(t *testing.T) {
	p := scale.Policy{Max: 9, TargetConcurrency: 1, SLO: weir.SLO{TTFT: time.Second}}
	for _, c := range []struct {
		missed uint64
		want   int
	}{{19, 2}, {20, 5}} {
		s, o := running(), seen(5)
		s.Samples = []scale.Sample{{At: epoch.Add(-70 * time.Second)}}
		o.InFlight, o.Missed, o.Arrived, o.Completed = 1, c.missed, c.missed, c.missed
		if d, _ := scale.Decide(p, s, o); d.Want != c.want {
			t.Errorf("%d requests missed the SLO in a minute: %d replicas, want %d: %+v", c.missed, d.Want, c.want, d.Reasons)
		}
	}
}

func TestANumberThatDidNotDoIsTriedForLessLoad(t *testing.T) {
	p := scale.Policy{Max: 9, TargetRequests: 10}
	for _, c := range []struct {
		rate  float64
		holds bool
	}{{9.7, true}, {6, false}} {
		s, o := running(), seen(3)
		s.Samples = []scale.Sample{{At: epoch.Add(-3 * time.Minute)}}
		s.TooFew = scale.TooFew{N: 2, Load: 10, At: epoch.Add(-10 * time.Minute), Wait: time.Hour}
		o.Arrived = uint64(c.rate * 180)
		o.InFlight = 1
		if d, _ := scale.Decide(p, s, o); held(d, scale.RuleTooFew) != c.holds {
			t.Errorf("2 did not do for 10 requests/s, now there are %v: %+v", c.rate, d.Reasons)
		}
	}
}

func TestAQuarterOfThoseThatAreLateIsReplaced(t *testing.T) {
	for _, c := range []struct{ late, want int }{{1, 9}, {8, 10}} {
		s, o := running(), seen(8-c.late)
		s.Cold = []int64{10_000, 10_000, 10_000}
		for i := range c.late {
			o.Replicas = append(o.Replicas, weir.Replica{ID: fmt.Sprint("late", i), State: weir.Starting, Asked: epoch.Add(-10 * time.Minute)})
		}
		o.InFlight = 8
		if c.late == 8 {
			o.InFlight, o.Waiting = 0, 8
		}
		d, _ := scale.Decide(scale.Policy{Max: 40, TargetConcurrency: 1, DrainWithin: -1}, s, o)
		if d.Want != c.want || !held(d, scale.RuleLate) {
			t.Errorf("%d of 8 late: %d replicas, want %d: %+v", c.late, d.Want, c.want, d.Reasons)
		}
	}
}

func TestWhatEnginesQueueIsQueued(t *testing.T) {
	o := seen(2)
	o.EngineWaiting = 10
	if d, _ := scale.Decide(scale.Policy{Max: 9, TargetQueue: 2, DrainWithin: -1}, scale.State{}, o); d.Want != 5 {
		t.Errorf("10 requests queued in engines, 2 a replica: %d, want 5", d.Want)
	}
}

// Load that piles up although little arrives is a fault, not a lack of
// replicas: the learned capacity never falls below half of the observed one.
func TestCapacityIsNeverLearnedBelowHalfOfWhatWasSeen(t *testing.T) {
	p := scale.Policy{Max: 9}
	s := scale.State{Learned: scale.Learned{Factor: 1, Weight: 8, Limit: 1}}
	o := seen(2)
	for range 200 {
		o.Now = o.Now.Add(2 * time.Second)
		o.Arrived++
		o.ArrivedPrompt += 1600 // work for a fifth of a nominal replica
		o.Waiting, o.WaitingWork, o.InFlight, o.HeadAge = 500, 4_000_000, 2, time.Minute
		_, s = scale.Decide(p, s, o)
	}
	if f := s.Learned.Factor; f < 0.49 || f > 0.9 {
		t.Errorf("a replica that was seen to do 1 is taken to do %.3g, want somewhat more than half", f)
	}
}

func TestTheMarginHasABottom(t *testing.T) {
	s, o := running(), seen(2)
	s.Learned = scale.Learned{Factor: 1, Weight: 8}
	s.Safety = scale.Safety{Margin: -0.29, Judged: 100, At: epoch.Add(-10 * time.Minute)}
	o.Attained, o.InFlight = 1_000_000, 1
	_, next := scale.Decide(scale.Policy{Max: 9, SLO: weir.SLO{TTFT: time.Second}}, s, o)
	if m := next.Safety.Margin; m != -0.3 {
		t.Errorf("a million requests met the SLO: the margin is %v, want -0.3", m)
	}
}

func TestTotalsOfAGatewayThatCameUpAgainStandAlone(t *testing.T) {
	s, o := running(), seen(2)
	s.Samples = []scale.Sample{{At: epoch.Add(-3 * time.Minute), Arrived: 900}, {At: epoch.Add(-time.Minute), Arrived: 1000}}
	o.Arrived = 10
	if _, next := scale.Decide(scale.Policy{Max: 9}, s, o); len(next.Samples) != 1 || next.Samples[0].Arrived != 10 {
		t.Errorf("remembered are %+v, want the new total alone", next.Samples)
	}
}

func TestAStateThatWasHandedOutIsNeverChanged(t *testing.T) {
	s := running()
	s.Samples = append(make([]scale.Sample, 0, 16), scale.Sample{At: epoch.Add(-time.Minute)})
	next := func(arrived uint64) scale.State {
		o := seen(1)
		o.Arrived = arrived
		_, n := scale.Decide(scale.Policy{Max: 9}, s, o)
		return n
	}
	first, second := next(5), next(7)
	if a, b := first.Samples[1].Arrived, second.Samples[1].Arrived; a != 5 || b != 7 {
		t.Errorf("two states that follow one remember %d and %d arrived, want 5 and 7", a, b)
	}
}
