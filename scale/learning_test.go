package scale_test

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"weir"
	"weir/fleet/mem"
	"weir/scale"
)

// daily is a load that rises tenfold within half an hour of nine o'clock.
func daily(now weir.Instant) float64 {
	hour := float64(int64(now)%int64(24*time.Hour)) / float64(time.Hour)
	switch {
	case hour < 9 || hour >= 18.5:
		return 1
	case hour < 9.5:
		return 1 + 18*(hour-9)
	case hour < 18:
		return 10
	}
	return 10 - 18*(hour-18)
}

func TestTheThirdMorningIsForeseen(t *testing.T) {
	waited := func(off bool) float64 {
		p := scale.Policy{Min: 1, Max: 30, TargetRequests: 0.9, ColdStart: 5 * time.Minute, Forecast: scale.Forecast{Off: off}}
		w := newWorld(p.Decider(), mem.Deployment{ColdStart: 5 * time.Minute}, 1)
		w.tick = 5 * time.Second
		end := epoch.Add(2*24*time.Hour + 8*time.Hour)
		for w.now < end {
			w.rate = daily(w.now)
			w.step()
		}
		w.worst = 0
		for end = end.Add(3 * time.Hour); w.now < end; {
			w.rate = daily(w.now)
			w.step()
		}
		return w.worst
	}
	with, without := waited(false), waited(true)
	if without < 50 {
		t.Fatalf("only %.0f requests waited without a forecast: this morning proves nothing", without)
	}
	if with > without/2 {
		t.Errorf("%.0f requests waited with the forecast, %.0f without it; want half at most", with, without)
	}
}

func TestTheForecastIsSilentWhenNothingBeatsTheLoadOfNow(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 30, TargetRequests: 1}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: 90 * time.Second}, 5)
	w.rate = 4.5
	w.run(2 * time.Hour)
	_, d := w.step()
	for _, r := range d.Reasons {
		if r.Rule == scale.RuleForecast {
			t.Errorf("constant load for two hours, and the forecast speaks: %+v", r)
		}
	}
}

func TestTheStateIsBoundedAfterTwoWeeks(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 30, Capacity: scale.Capacity{Prefill: 4000, Decode: 1000}, ColdStart: 10 * time.Minute, SLO: weir.SLO{TTFT: time.Second}}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: 10 * time.Minute, Sigma: 0.5, StartFailure: 0.1}, 1)
	w.tick, w.each = 30*time.Second, 2
	for end := epoch.Add(15 * 24 * time.Hour); w.now < end; {
		w.rate = daily(w.now)
		w.step()
	}
	b, err := json.Marshal(w.state)
	if err != nil || len(b) > 24<<10 {
		t.Errorf("the state has %d bytes, %v; want at most 24 KiB", len(b), err)
	}
	if n := len(w.state.Future.Season.Week); n != 672 {
		t.Errorf("the weekly profile has %d slots, want 672", n)
	}
}

func TestCapacityIsLearnedFromSaturationWithoutAProfile(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 20, MaxConcurrency: 64, SLO: weir.SLO{TTFT: 2 * time.Second}}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: 90 * time.Second}, 1)
	w.each = 2
	w.rate = 6
	w.run(10 * time.Minute)
	truth := w.each * (w.prompt/4000 + w.output/1000)
	l := w.state.Learned
	if math.Abs(l.Factor/truth-1) > 0.1 || l.Confidence() < 0.5 {
		t.Errorf("learned %.3f with confidence %.2f, the truth is %.3f", l.Factor, l.Confidence(), truth)
	}
}

func TestWarmingReplicasTeachNothing(t *testing.T) {
	p := scale.Policy{Min: 4, Max: 4, Capacity: scale.Capacity{Prefill: 4000, Decode: 1000}}
	w := newWorld(p.Decider(), mem.Deployment{ColdStart: time.Second}, 4)
	w.rate, w.each = 100, 0.001 // they have just become ready and do no work yet
	w.run(14 * time.Second)
	if l := w.state.Learned; l.Factor != 1 || l.Limit != 0 {
		t.Errorf("learned %+v from replicas that were warming up", l)
	}
}

func TestLateStartsAreReplacedOnceTheirLengthIsKnown(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 20, TargetRequests: 1, Forecast: scale.Forecast{Off: true}}
	cold := []int64{60_000, 60_000, 60_000}
	decide := func(s scale.State, age time.Duration) scale.Decision {
		o := scale.Unknown(epoch)
		o.Arrived = 1000
		o.Replicas = []weir.Replica{
			{ID: "a", State: weir.Ready, Asked: epoch.Add(-time.Hour), ReadyAt: epoch.Add(-time.Hour)},
			{ID: "b", State: weir.Starting, Asked: epoch.Add(-age)},
		}
		s.Now, s.Started = epoch.Add(-2*time.Second), epoch.Add(-time.Hour)
		s.Samples = []scale.Sample{{At: epoch.Add(-time.Minute), Arrived: 1000 - 110}}
		d, _ := scale.Decide(p, s, o)
		return d
	}
	if d := decide(scale.State{Cold: cold}, 3*time.Minute); d.Want != 2 {
		t.Errorf("a start of three times the usual wants %d: %+v", d.Want, d)
	}
	if d := decide(scale.State{Cold: cold}, 4*time.Minute); d.Want != 3 {
		t.Errorf("a start that will hardly come up wants %d, not 3: %+v", d.Want, d)
	}
	if d := decide(scale.State{}, 4*time.Hour); d.Want != 2 {
		t.Errorf("without starts seen, a late one wants %d: the guess may be wrong: %+v", d.Want, d)
	}
}

func TestVictimsAreThoseMissedLeast(t *testing.T) {
	p := scale.Policy{Min: 1, Max: 1}
	o := scale.Unknown(epoch)
	for _, id := range []string{"old", "busy", "starting-1", "idle", "heavy", "starting-2", "young"} {
		r := weir.Replica{ID: id, State: weir.Ready}
		if len(id) > 8 {
			r.State = weir.Starting
		}
		o.Replicas = append(o.Replicas, r)
	}
	o.PerReplica = map[string]scale.Load{
		"old": {2, 100}, "busy": {9, 100}, "heavy": {2, 900}, "young": {2, 100},
	}
	d, _ := scale.Decide(p, scale.State{}, o)
	want := []string{"starting-2", "starting-1", "idle", "young", "old", "heavy"}
	if have := d.Victims; len(have) != len(want) {
		t.Fatalf("victims %v, want %v", have, want)
	}
	for i := range want {
		if d.Victims[i] != want[i] {
			t.Fatalf("victims %v, want %v", d.Victims, want)
		}
	}
}
