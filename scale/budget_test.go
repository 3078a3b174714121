package scale

import (
	"math"
	"testing"
	"time"

	"weir"
)

// turnOf is a turn at a time, for parts of Decide alone.
func turnOf(p Policy, s *State, o *Observation) *turn {
	p = p.withDefaults()
	return &turn{p: &p, s: s, o: o, cold: p.ColdStart, ready: 4, rates: rates{known: true, finished: 10, held: 20, coming: 10}}
}

func TestWhatTheBudgetHasLeftIsSpentOverTheNextDay(t *testing.T) {
	o := Unknown(monday.Add(12 * time.Hour))
	f := func(spent, want float64) {
		t.Helper()
		b := Budget{Since: monday, Ended: 100_000, Spent: spent} // 1,000 may miss
		if have := b.aim(turnOf(Policy{Max: 1}, &State{}, &o)); math.Abs(have-want) > 0.001 {
			t.Errorf("%v misses of 1,000 allowed in half a day: %.3f of the allowed share is aimed at, want %.3f", spent, have, want)
		}
	}
	f(1000, safetyAim)
	f(600, safetyAim+0.2) // 400 of the 2,000 that a day allows
	f(0, 1)               // never more than is allowed
	f(3000, safetyAim)    // and no less
	early := Budget{Since: o.Now.Add(-time.Minute), Ended: 100_000}
	if have := early.aim(turnOf(Policy{Max: 1}, &State{}, &o)); have != safetyAim {
		t.Errorf("after a minute %.3f is aimed at", have)
	}
}

func TestAQueueIsAnEmergencyUnlessThePolicyAllowsManyMisses(t *testing.T) {
	o := Unknown(monday)
	f := func(attainment, ended, spent float64, want bool) {
		t.Helper()
		b := Budget{Ended: ended, Spent: spent}
		p := Policy{Max: 1, Attainment: attainment, SLO: weir.SLO{TTFT: time.Second}}
		if have := b.spare(turnOf(p, &State{}, &o)); have != want {
			t.Errorf("%v of %v missed at %v: spare %v", spent, ended, attainment, have)
		}
		p.SLO = weir.SLO{}
		if b.spare(turnOf(p, &State{}, &o)) {
			t.Errorf("without an SLO nothing is learned, and a budget of %v is left for good", ended)
		}
	}
	f(0.99, 1e6, 0, false)
	f(0.96, 1e6, 0, false)
	f(0.9, 1000, 10, true)
	f(0.9, 1000, 60, false)
	f(0.5, 400, 0, false) // too few requests
}

// missing is a minute in which that many of 600 requests missed.
func missing(missed uint64) (*State, *Observation) {
	o := Unknown(monday)
	s := &State{Samples: []Sample{{At: monday.Add(-time.Minute)}}, Learned: Learned{Weight: maxWeight, Factor: 1}}
	o.Missed, o.Attained = missed, 600-missed
	return s, &o
}

func TestTheHeadroomOfABadMinuteGrowsWithHowBadItWas(t *testing.T) {
	p := Policy{Max: 1, SLO: weir.SLO{TTFT: time.Second}}
	add := func(missed uint64) float64 {
		s, o := missing(missed)
		return turnOf(p, s, o).urgent()
	}
	last := 0.0
	for _, missed := range []uint64{12, 30, 60, 300, 600} {
		more := add(missed)
		if more <= last && missed > 12 {
			t.Errorf("%d of 600 missed and %.2f is added, %.2f for fewer", missed, more, last)
		}
		last = more
	}
	if add(10) != 0 || last > 3 {
		t.Errorf("10 of 600 may be chance, and %.2f is added; for all of them %.2f", add(10), last)
	}
}

func TestABadMinuteIsNoHurry(t *testing.T) {
	p := Policy{Max: 1, SLO: weir.SLO{TTFT: time.Second}}
	f := func(why string, change func(*turn)) {
		t.Helper()
		s, o := missing(60)
		u := turnOf(p, s, o)
		if u.urgent() == 0 {
			t.Fatal("this proves nothing")
		}
		change(u)
		if more := u.urgent(); more != 0 {
			t.Errorf("%s: %.2f is added", why, more)
		}
	}
	f("the budget of the day pays for it", func(u *turn) { u.s.Safety.Budget = Budget{Ended: 100_000} })
	f("the misses are those of a queue", func(u *turn) { u.o.Waiting = 1 })
	f("a queue was there", func(u *turn) { u.s.Learned.Before = true })
	f("new replicas have not shown their effect", func(u *turn) {
		u.o.Replicas = []weir.Replica{{ID: "a", State: weir.Ready, ReadyAt: monday.Add(-30 * time.Second)}}
	})
	f("answers last longer than a start", func(u *turn) { u.rates.held = 2000 })
	f("no SLO", func(u *turn) { u.p.SLO = weir.SLO{} })
}

func TestSlowTokensAreSizedAtOnce(t *testing.T) {
	p := Policy{Max: 100, SLO: weir.SLO{TTFT: time.Second, TPOT: 100 * time.Millisecond}}
	f := func(gap time.Duration, missed uint64, want int) {
		t.Helper()
		s, o := missing(missed)
		o.Gaps, o.GapTime = 1000, 1000*gap
		u := turnOf(p, s, o)
		if u.decode(); u.n != want {
			t.Errorf("a token every %v and %d of 600 missed: %d of 4 are wanted, not %d: %v", gap, missed, u.n, want, u.reasons)
		}
	}
	f(120*time.Millisecond, 300, 6) // 120 of the 80 ms aimed at
	f(400*time.Millisecond, 300, 8) // at most twice as many at once
	f(70*time.Millisecond, 300, 0)  // another cause
	f(120*time.Millisecond, 10, 0)  // within what may miss
}

func TestTheFleetDoesNotShrinkIntoARise(t *testing.T) {
	f := func(mean, last float64, want int) {
		t.Helper()
		o := Unknown(monday)
		u := turnOf(Policy{Max: 9}, &State{}, &o)
		u.have, u.n, u.rates.mean, u.rates.last = 6, 3, mean, last
		if u.holdRising(); u.n != want {
			t.Errorf("work for %v, then for %v: %d of 6 are kept, want %d", mean, last, u.n, want)
		}
	}
	f(3, 4, 6)
	f(3, 3, 3)
	f(3, 3.05, 3) // by chance
	f(3, 2, 3)
}
