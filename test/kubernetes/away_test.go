package kubernetes_test

import (
	"context"
	"testing"
	"time"

	"weir"
)

// outage is how long the API server is away.
const outage = time.Minute

// steady is for how long after an outage no number goes down for a pod that serves:
// a controller may still see pods as they were before it.
const steady = time.Minute

// TestTheAPIServerAwayForAMinute: callers go on, no request fails, no pod goes, and
// no number goes down until the controllers have surely heard of every pod's mark. A
// rise is written at once when the API server is back. The control plane is the
// test's own, so that no other test is without one.
func TestTheAPIServerAwayForAMinute(t *testing.T) {
	t.Parallel()
	p := ownPlane(t)
	whole := newWorldOn(t, p, 4)
	whole.engines("Deployment")
	g := whole.serve("a", settings{scaling: "min: 1, max: 2, " + quick})
	g.has(1)
	asked := g.traffic(1)

	w := newWorldOn(t, p, 6)
	w.workload("Deployment", "")
	o := w.options("Deployment")
	o.Deployments[0].DrainQuiet = called
	f, _ := w.start(o, 6)
	w.scale(f, 4)
	rs := w.ready(f, 4)
	w.hold(rs[1].ID, true)
	if err := f.Scale(soon(t), "m", 3, []string{rs[1].ID}); err != nil {
		t.Fatal(err)
	}
	c := w.call(f, 4)
	have := len(whole.writes())
	p.away(t, func() {
		w.hold(rs[1].ID, false) // has drained: nobody can be told
		for end := time.Now().Add(outage); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			now, err := f.Status(t.Context(), "m")
			if err != nil || count(now, weir.Ready) != 3 || count(now, weir.Draining) != 1 {
				t.Fatalf("while it is away: %v%s", err, list(now))
			}
			if ready, all := g.now(); ready != 1 || all != 1 {
				t.Fatalf("while it is away %s has %d replicas, %d ready; want the 1 there is", g.name, all, ready)
			}
			if time.Until(end) < outage/2 {
				asked.rate(3) // for which one replica has slots, but is too few
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := f.Scale(ctx, "m", 5, nil); err == nil {
			t.Error("scaling is no error while nobody can be asked")
		}
	})
	back := time.Now()
	w.until("the number rises as soon as it is back", func() (bool, string) {
		now := whole.writes()[have:]
		return len(now) > 0 && now[0].To > 1, whole.dump()
	})
	g.has(2)
	t.Logf("the second replica serves %v after the API server was back", time.Since(back).Round(time.Second))
	w.until("what drained goes when the controllers have heard of it", func() (bool, string) {
		now, err := f.Status(t.Context(), "m")
		return err == nil && len(now) == 3 && w.replicas("deployments") == 3, list(now)
	})
	asked.allAnswered(100)
	c.none(500)
	for _, x := range []*world{whole, w} {
		x.noneLower(back.Add(-5*time.Second), back.Add(steady-5*time.Second)) // Weir may be answered before the test is
	}
	w.scale(f, 5)
	w.ready(f, 5)
}

// noneLower fails the test if a number went down in that time.
func (w *world) noneLower(from, until time.Time) {
	w.Helper()
	last := 0
	for _, x := range w.writes() {
		if x.To < last && x.At.After(from) && x.At.Before(until) {
			w.Errorf("%s: the number went from %d to %d, %v after the API server was back", w.namespace, last, x.To, x.At.Sub(from).Round(time.Second))
		}
		last = x.To
	}
}
