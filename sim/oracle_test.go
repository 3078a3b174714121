package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
	"weir/scale"
	"weir/trace"
)

// tide is traffic that rises and falls: 2 requests a second, 12 for ten minutes
// of every half hour.
func tide(length time.Duration) []trace.Arrival {
	rng := rand.New(rand.NewPCG(8, 9))
	var list []trace.Arrival
	for at := time.Duration(0); at < length; {
		rate := 2.0
		if at%(30*time.Minute) >= 20*time.Minute {
			rate = 12
		}
		at += time.Duration(rng.ExpFloat64() / rate * float64(time.Second))
		list = append(list, trace.Arrival{At: at, Prompt: 500 + rng.IntN(1000), Output: 1 + rng.IntN(40)})
	}
	return list
}

func tidal() Config {
	d := ownFleet(2)
	d.MaxRequests = 8
	d.Own.Policy, d.Own.Decide = scale.Policy{Min: 1, Max: 12, MaxConcurrency: 8, ColdStart: 30 * time.Second,
		SLO: weir.SLO{TTFT: time.Second, TPOT: 50 * time.Millisecond}}, nil
	return config(nil, d)
}

func TestTheClairvoyantScheduleGoesToZeroWhereThePolicyMay(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 10))
	var list []trace.Arrival
	for at := time.Duration(0); at < 3*time.Hour; at += time.Duration(rng.ExpFloat64() * float64(time.Second) / 4) {
		if at%time.Hour < 10*time.Minute { // and nothing for 50 minutes
			list = append(list, trace.Arrival{At: at, Prompt: 500 + rng.IntN(1000), Output: 1 + rng.IntN(40)})
		}
	}
	f := func(least int) (Schedule, time.Duration, time.Duration) {
		c := tidal()
		own := *c.Deployments[0].Own
		own.Policy.Min, own.Policy.ZeroAfter, own.Policy.ScaleInAfter = least, time.Minute, time.Minute
		c.Deployments[0].Own = &own
		source := trace.Slice(list)
		c.Source = &source
		mine, err := Run(context.Background(), c)
		if err != nil {
			t.Fatal(err)
		}
		plan, best, err := Clairvoyant(context.Background(), c, list, Search{Max: 6, Rounds: 1})
		if err != nil {
			t.Fatal(err)
		}
		return plan, best.GPU.Allocated, mine.GPU.Allocated
	}
	plan, best, mine := f(0)
	if n := plan.Most(25*time.Minute, 45*time.Minute); n != 0 {
		t.Errorf("%d replicas are planned where nothing comes for 50 minutes and the policy may go to zero", n)
	}
	if best > mine {
		t.Errorf("the schedule takes %v, the policy itself %v", best, mine)
	}
	if plan, _, _ = f(1); plan.Most(25*time.Minute, 45*time.Minute) != 1 {
		t.Error("none is planned, though the policy keeps one")
	}
}

func TestTheClairvoyantScheduleLiesBetweenBoundAndPolicy(t *testing.T) {
	list := tide(30 * time.Minute)
	c := tidal()
	source := trace.Slice(list)
	bound, err := FluidBound(smallEngine(), &source)
	if err != nil {
		t.Fatal(err)
	}
	plan, best, err := Clairvoyant(context.Background(), c, list, Search{Max: 8, Rounds: 1})
	if err != nil {
		t.Fatal(err)
	}
	if best.Attainment < 0.99 {
		t.Errorf("the schedule attains %v", best.Attainment)
	}
	if best.GPU.Allocated <= bound {
		t.Errorf("the schedule takes %v, the fluid bound is %v", best.GPU.Allocated, bound)
	}
	if low, high := plan.Most(5*time.Minute, 15*time.Minute), plan.Most(21*time.Minute, 29*time.Minute); high <= low {
		t.Errorf("%d replicas at ebb, %d at flood", low, high)
	}
	// It is a schedule that can be played again.
	again := c.Deployments[0]
	again.Own.Initial = plan.Most(0, 32*time.Second)
	again.Own.Decide = plan.Decider(DefaultStart, 32*time.Second)
	source = trace.Slice(list)
	if r := run(t, config(&source, again)); r.GPU.Allocated != best.GPU.Allocated || r.Attainment != best.Attainment {
		t.Errorf("played again: %v at %v, was %v at %v", r.GPU.Allocated, r.Attainment, best.GPU.Allocated, best.Attainment)
	}
	// The smallest constant number that attains costs more.
	for n := 1; ; n++ {
		source = trace.Slice(list)
		d := ownFleet(n)
		d.MaxRequests = 8
		if r := run(t, config(&source, d)); r.Attainment >= 0.99 {
			if r.GPU.Allocated <= best.GPU.Allocated {
				t.Errorf("%d replicas all the time take %v, the schedule %v", n, r.GPU.Allocated, best.GPU.Allocated)
			}
			break
		}
	}
}

func TestWhatNoFleetAttainsHasNoSchedule(t *testing.T) {
	c := tidal()
	c.SLO.TTFT = time.Millisecond
	_, _, err := Clairvoyant(context.Background(), c, tide(10*time.Minute), Search{Max: 3, Rounds: 1})
	if !errors.Is(err, ErrUnreachable) {
		t.Errorf("have %v, want ErrUnreachable", err)
	}
}

func TestTheFluidBoundIsTheWorkOfABusyReplica(t *testing.T) {
	// A step takes 10 ms and 0.1 ms a prompt token. With 8 in a batch, one of
	// 100 prompt tokens and 11 of output is 10 ms of prefill, and 10 ms of an
	// eighth of each of 11 steps at the least.
	bound, err := FluidBound(smallEngine(), every(4000, time.Minute, 100, 11))
	if err != nil {
		t.Fatal(err)
	}
	if each := bound / 4000; each < 23*time.Millisecond || each > 25*time.Millisecond {
		t.Errorf("a request takes %v of a busy replica, want nearly 10 ms + 11/8 x 10 ms", each)
	}
	if _, err := FluidBound(smallEngine(), every(1, 0, 100_000, 1)); !errors.Is(err, ErrNoFit) {
		t.Errorf("a prompt larger than the cache: %v, want ErrNoFit", err)
	}
}

// With foresight a policy may request replicas a cold start ahead: fewer
// callers are affected by the flood.
func TestForesightAttainsMore(t *testing.T) {
	list := tide(2 * time.Hour)
	f := func(see bool) *Result {
		c := tidal()
		own := c.Deployments[0].Own
		if see {
			own.Decide = Foresee(own.Policy.Decider(), list, DefaultStart, 32*time.Second)
		}
		source := trace.Slice(list)
		c.Source = &source
		return run(t, c)
	}
	blind, seeing := f(false), f(true)
	if seeing.Attainment <= blind.Attainment {
		t.Errorf("with foresight %v attained for %v, without %v for %v", seeing.Attainment, seeing.GPU.Allocated, blind.Attainment, blind.GPU.Allocated)
	}
}

// No schedule with the same slots is cheaper at that price than the planned
// one.
func TestThePlanIsTheCheapest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slots, most := rapid.IntRange(1, 5).Draw(t, "slots"), rapid.IntRange(1, 3).Draw(t, "most")
		s := &search{o: Search{Slot: time.Minute, Max: most}, lead: time.Duration(rapid.IntRange(0, 200).Draw(t, "lead")) * time.Second}
		for range slots {
			seen := map[int]float64{}
			for n := 1; n <= most; n++ {
				seen[n] = float64(rapid.IntRange(0, 50).Draw(t, "misses"))
			}
			s.misses = append(s.misses, seen)
		}
		s.load = make([]float64, slots)
		price := float64(rapid.IntRange(0, 30).Draw(t, "price"))
		cost := func(plan []int) (sum float64) {
			for k, n := range plan {
				sum += float64(n)*60 + price*s.expected(k)[n]
				if k > 0 && n > plan[k-1] {
					sum += s.lead.Seconds() * float64(n-plan[k-1])
				}
			}
			return sum
		}
		have := cost(s.plan(price))
		plan := make([]int, slots)
		var try func(k int)
		try = func(k int) {
			if k == slots {
				if want := cost(plan); want < have-1e-6 {
					t.Fatalf("%v costs %v, the plan %v costs %v", plan, want, s.plan(price), have)
				}
				return
			}
			for n := 1; n <= most; n++ {
				plan[k] = n
				try(k + 1)
			}
		}
		try(0)
	})
}

func TestAScheduleHoldsOverShortDips(t *testing.T) {
	s := Schedule{Slot: time.Minute, Replicas: []int{3, 1, 3, 1, 1, 1, 3}}
	f := func(at, lead time.Duration, want int) {
		t.Helper()
		o := scale.Unknown(DefaultStart.Add(at))
		if d, _ := s.Decider(DefaultStart, lead)(scale.State{}, o); d.Want != want {
			t.Errorf("at %v with a lead of %v: want %d, have %d", at, lead, want, d.Want)
		}
	}
	f(70*time.Second, 90*time.Second, 3)
	f(70*time.Second, 30*time.Second, 1)
	f(3*time.Minute, 90*time.Second, 1)
	f(5*time.Minute, 90*time.Second, 3)
	f(time.Hour, 90*time.Second, 3)
	f(0, 0, 3)
	if n := (Schedule{Slot: time.Minute}).Most(0, time.Hour); n != 0 {
		t.Errorf("an empty schedule needs %d", n)
	}
}

func TestWhatIsSownBoundsWhatIsFound(t *testing.T) {
	list := tide(30 * time.Minute)
	c := tidal()
	seed := Schedule{Slot: time.Hour, Replicas: []int{4}}
	constant := c.Deployments[0]
	constant.Own.Initial, constant.Own.Decide = 4, seed.Decider(DefaultStart, 32*time.Second)
	source := trace.Slice(list)
	kept := run(t, config(&source, constant))
	if kept.Attainment < 0.99 {
		t.Fatalf("4 replicas attain %v: the seed is none", kept.Attainment)
	}
	_, best, err := Clairvoyant(context.Background(), c, list, Search{Max: 8, Rounds: 1, Seeds: []Schedule{seed}})
	if err != nil {
		t.Fatal(err)
	}
	if best.GPU.Allocated > kept.GPU.Allocated {
		t.Errorf("the schedule takes %v, one that was given takes %v", best.GPU.Allocated, kept.GPU.Allocated)
	}
}
