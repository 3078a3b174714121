package scale_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	"weir/fleet/mem"
	"weir/scale"
)

// together merges the ready replicas of o into one with as many units.
func together(o scale.Observation) (scale.Observation, time.Duration) {
	one := weir.Replica{ID: "m", State: weir.Ready}
	var rest []weir.Replica
	for _, r := range o.Replicas {
		if r.State != weir.Ready {
			rest = append(rest, r)
			continue
		}
		if one.Units++; one.Units == 1 {
			one.Since = r.Since
		}
		if r.ReadyAt > one.ReadyAt {
			one.Asked, one.ReadyAt = r.Asked, r.ReadyAt
		}
	}
	if one.Units > 0 {
		o.Replicas = append([]weir.Replica{one}, rest...)
	}
	return o, o.Now.Sub(one.ReadyAt)
}

// Units behind one address get the same decisions as that many replicas: the
// same number for the same reasons, once the last of them has been ready for a
// while. The victims are never more than the units to go.
func TestUnitsAreDecidedAboutAsReplicas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := scale.Policy{Max: 12, TargetRequests: 1, ColdStart: time.Minute, ScaleInAfter: 2 * time.Minute, Min: rapid.IntRange(0, 2).Draw(t, "min")}
		w := newWorld(p.Decider(), mem.Deployment{ColdStart: time.Minute, Sigma: 0.3}, rapid.IntRange(1, 4).Draw(t, "ready"))
		for range rapid.IntRange(1, 4).Draw(t, "loads") {
			w.rate = float64(rapid.IntRange(0, 90).Draw(t, "rate")) / 10
			for range rapid.IntRange(1, 200).Draw(t, "steps") {
				before := w.state
				o, want := w.step()
				o, ago := together(o)
				have, _ := scale.Decide(p, before, o)
				if have.Have != want.Have || ago > time.Minute && (have.Want != want.Want || !slices.Equal(have.Reasons, want.Reasons)) {
					t.Fatalf("%v: %d want %d, behind one address %d want %d\n%+v\n%+v", w.now.Sub(w.start), want.Have, want.Want, have.Have, have.Want, want.Reasons, have.Reasons)
				}
				gone := 0
				for _, r := range o.Replicas {
					if slices.Contains(have.Victims, r.ID) {
						gone += r.Size()
					}
				}
				if gone > max(have.Have-have.Want, 0) {
					t.Fatalf("%v are to go, which are %d units; %d become %d", have.Victims, gone, have.Have, have.Want)
				}
			}
		}
	})
}

// The victims have the least in flight per unit, and are never more than the
// units to go.
func TestVictimsAreCountedInUnits(t *testing.T) {
	o := scale.Unknown(epoch)
	o.Replicas = []weir.Replica{
		{ID: "four", Units: 4, State: weir.Ready}, {ID: "two", Units: 2, State: weir.Ready}, {ID: "one", State: weir.Ready},
	}
	o.PerReplica = map[string]scale.Load{"four": {InFlight: 4}, "two": {InFlight: 4}, "one": {InFlight: 3}}
	for most, want := range map[int][]string{6: {"one"}, 5: {"two"}, 4: {"two", "one"}, 3: {"four"}} {
		d, _ := scale.Decide(scale.Policy{Max: most, TargetRequests: 1}, scale.State{}, o)
		if d.Have != 7 || d.Want != most || !slices.Equal(d.Victims, want) {
			t.Errorf("%d units want %d without %v, want %v", d.Have, d.Want, d.Victims, want)
		}
	}
}
