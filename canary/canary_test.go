package canary

import (
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"weir"
)

// TestMain stops property tests from leaving files behind: a failing draw is
// printed with its seed.
func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("rapid.nofailfile", "true")
	os.Exit(m.Run())
}

// version is the behaviour of a version: log-normal times around a median.
type version struct {
	fails      float64
	ttft, tpot time.Duration // medians
}

func (v version) outcome(rng *rand.Rand, at weir.Instant) Outcome {
	if rng.Float64() < v.fails {
		return Outcome{Granted: at, Failed: true}
	}
	spread := func(median time.Duration) time.Duration {
		return time.Duration(float64(median) * math.Exp(0.5*rng.NormFloat64()))
	}
	return Outcome{Granted: at, TTFT: spread(v.ttft), TPOT: spread(v.tpot)}
}

var good = version{fails: 0.01, ttft: 300 * time.Millisecond, tpot: 20 * time.Millisecond}

// trial sends requests, one per time unit, by the trial's shares until it is
// over. load changes both versions with time. It returns the state and the
// number of the canary's requests.
func trial(p Plan, seed uint64, most int, stable, canary version, load func(i int) version) (State, int) {
	rng := rand.New(rand.NewPCG(seed, 1))
	s, got := Begin(p, State{}, 1), 0
	for i := 1; i <= most && s.Phase == Stepping; i++ {
		now := weir.Instant(i) * weir.Instant(100*time.Millisecond)
		arm, v := Stable, stable
		if rng.IntN(Whole) < s.Share(p) {
			arm, v = Canary, canary
			got++
		}
		if load != nil {
			l := load(i)
			v.fails += l.fails
			v.ttft += l.ttft
			v.tpot += l.tpot
		}
		s.Observe(p, now, arm, v.outcome(rng, now))
	}
	return s, got
}

var plan = Plan{Steps: []int{500, 2000, 5000, Whole}, MinRequests: 200, MinTime: time.Second, FalseAlarm: 0.1, Slower: 0.1, Trial: "v2"}

// falseAlarms counts trials that step back a version that is no worse.
func falseAlarms(t *testing.T, p Plan, trials int, canary version, load func(i int) version) (n int) {
	t.Helper()
	for seed := range trials {
		s, _ := trial(p, uint64(seed), 30_000, good, canary, load)
		switch s.Phase {
		case SteppedBack:
			n++
		case Stepping:
			t.Fatalf("trial %d stands at step %d after 30,000 requests", seed, s.Step)
		}
	}
	return n
}

// The bound is the stated rate and three standard deviations of a binomial draw.
func bound(rate float64, trials int) int {
	n := float64(trials)
	return int(rate*n + 3*math.Sqrt(n*rate*(1-rate)))
}

func TestIdenticalVersionsAreSteppedBackNoMoreOftenThanStated(t *testing.T) {
	p := plan
	p.Slower = 0 // the hardest case: just no worse
	const trials = 300
	if n := falseAlarms(t, p, trials, good, nil); n > bound(p.FalseAlarm, trials) {
		t.Errorf("%d of %d identical versions were stepped back, stated are at most %v", n, trials, p.FalseAlarm)
	} else {
		t.Logf("%d of %d", n, trials)
	}
}

// Both versions fail and slow down in turns, for a thousand requests at a time.
func TestABadHourOfBothVersionsIsNoEvidence(t *testing.T) {
	p := plan
	p.Slower = 0
	swing := func(i int) version {
		if i/1000%2 == 0 {
			return version{}
		}
		return version{fails: 0.2, ttft: time.Second, tpot: 100 * time.Millisecond}
	}
	const trials = 200
	if n := falseAlarms(t, p, trials, good, swing); n > bound(p.FalseAlarm, trials) {
		t.Errorf("%d of %d identical versions were stepped back, stated are at most %v", n, trials, p.FalseAlarm)
	} else {
		t.Logf("%d of %d", n, trials)
	}
}

func TestWhatIsAllowedToBeSlowerIsNotSteppedBack(t *testing.T) {
	slower := good
	slower.ttft += slower.ttft / 10
	slower.tpot += slower.tpot / 10
	const trials = 100
	if n := falseAlarms(t, plan, trials, slower, nil); n > bound(plan.FalseAlarm, trials) {
		t.Errorf("%d of %d", n, trials)
	}
}

// Power: a worse version does not get all of the traffic.
func TestAWorseVersionIsSteppedBack(t *testing.T) {
	p := plan
	p.FalseAlarm = 0.01
	f := func(measure string, v version, mostRequests int) {
		t.Helper()
		const trials = 60
		back, total := 0, 0
		for seed := range trials {
			s, got := trial(p, uint64(seed), 60_000, good, v, nil)
			total += got
			if s.Phase == SteppedBack && s.Why == measure {
				back++
			}
		}
		t.Logf("%s: %d of %d stepped back, after %d requests on average", measure, back, trials, total/trials)
		if back < trials*95/100 || total/trials > mostRequests {
			t.Errorf("%s: want 95 %% after at most %d", measure, mostRequests)
		}
	}
	worse := func(change func(*version)) version { v := good; change(&v); return v }
	f("errors", worse(func(v *version) { v.fails = 0.08 }), 400)
	f("errors", worse(func(v *version) { v.fails = 1 }), 20)
	f("ttft", worse(func(v *version) { v.ttft = v.ttft * 3 / 2 }), 300)
	f("tpot", worse(func(v *version) { v.tpot = v.tpot * 3 / 2 }), 300)
	f("ttft", worse(func(v *version) { v.ttft = v.ttft * 5 }), 60)
}

func TestATrialStepsForwardByRequestsAndTime(t *testing.T) {
	p := Plan{Steps: []int{100, 5000}, MinRequests: 3, MinTime: time.Minute, Trial: "a"}
	s := Begin(p, State{}, 1)
	at := func(d time.Duration) weir.Instant { return weir.Instant(1).Add(d) }
	fine := func(d time.Duration) (Change, bool) { return s.Observe(p, at(d), Canary, Outcome{Granted: at(d)}) }
	for _, d := range []time.Duration{1, 2, 3, 4} { // enough requests, too early
		if c, ok := fine(d * time.Second); ok {
			t.Fatalf("%+v after %v", c, d)
		}
	}
	c, ok := fine(time.Minute)
	if !ok || c.Phase != Stepping || c.From != 100 || c.To != 5000 || c.Figures.Requests[Canary] != 5 {
		t.Fatalf("%+v", c)
	}
	for d := range 20 { // it stays at the last step, which is not Whole
		if c, ok := fine(time.Duration(d+2) * time.Minute); ok {
			t.Fatalf("%+v", c)
		}
	}
	if s.Share(p) != 5000 {
		t.Error(s.Share(p))
	}
}

func TestWhatWasSentBeforeAStepDoesNotCountInIt(t *testing.T) {
	p := Plan{Steps: []int{100, Whole}, Trial: "a"}
	s := Begin(p, State{}, 1000)
	s.Observe(p, 2000, Canary, Outcome{Granted: 999, Failed: true})
	if s.Requests != [2]int{} {
		t.Error(s.Requests)
	}
}

func TestATrialGoesOnWhereItWas(t *testing.T) {
	s, _ := trial(plan, 7, 3000, good, good, nil)
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var again State
	if err := json.Unmarshal(data, &again); err != nil {
		t.Fatal(err)
	}
	if again = Begin(plan, again, s.Since+1); again != s {
		t.Errorf("have %+v\nwant %+v", again, s)
	}
	other := plan
	other.Trial = "v3"
	if fresh := Begin(other, s, s.Since+1); fresh.Step != 0 || fresh.Phase != Stepping || fresh.Trial != "v3" {
		t.Errorf("another trial starts from the first step: %+v", fresh)
	}
	shorter := plan
	shorter.Steps = []int{100}
	s.Step = 2
	if fresh := Begin(shorter, s, s.Since+1); fresh.Step != 0 {
		t.Errorf("a step that is no more: %+v", fresh)
	}
}

func TestAFaultyPlanIsRefused(t *testing.T) {
	f := func(p Plan, want string) {
		t.Helper()
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	f(Plan{}, "0 steps")
	f(Plan{Steps: []int{500, 500}}, "step of 5%")
	f(Plan{Steps: []int{500, Whole + 1}}, "step of 100.01%")
	f(Plan{Steps: []int{1}, FalseAlarm: 0.6}, "false_alarm")
	f(Plan{Steps: []int{1}, Slower: -1}, "slower")
	f(Plan{Steps: []int{1}, MinRequests: -1}, "must not be negative")
	if err := plan.Validate(); err != nil {
		t.Error(err)
	}
}

// Laws of any trial: the share is one of the plan's or zero, a step goes to the
// next share or to zero, and a stepped back canary stays there.
func TestLawsOfATrial(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Plan{
			Steps: rapid.SliceOfNDistinct(rapid.IntRange(1, Whole), 1, 6, rapid.ID[int]).Draw(t, "steps"), Trial: "t",
			MinRequests: rapid.IntRange(1, 50).Draw(t, "min"), MinTime: time.Duration(rapid.IntRange(0, 10).Draw(t, "time")),
		}
		slices.Sort(p.Steps)
		if err := p.Validate(); err != nil {
			t.Fatal(err)
		}
		s := Begin(p, State{}, 1)
		fails := rapid.IntRange(0, 10).Draw(t, "fails")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		for i := range 1500 {
			before := s.Share(p)
			arm := Arm(rng.IntN(2))
			now := weir.Instant(i + 1)
			c, changed := s.Observe(p, now, arm, Outcome{Granted: now, Failed: arm == Canary && rng.IntN(10) < fails,
				TTFT: time.Duration(rng.IntN(1000)), TPOT: time.Duration(rng.IntN(3))})
			if !changed {
				if s.Share(p) != before {
					t.Fatal("the share moved without a word")
				}
				continue
			}
			back := c.Phase == SteppedBack && c.To == 0 && s.Phase == SteppedBack && c.Why != ""
			forth := c.To > before && c.To == p.Steps[s.Step] && c.Phase != SteppedBack
			if c.From != before || c.To != s.Share(p) || !back && !forth {
				t.Fatalf("%+v from %d", c, before)
			}
			if (s.Phase == Promoted) != (s.Share(p) == Whole) {
				t.Fatalf("%s at %d", s.Phase, s.Share(p))
			}
		}
		for m := range s.Tests {
			if e := s.Tests[m].Log; math.IsNaN(e) || math.IsInf(e, 0) {
				t.Fatalf("evidence of %s: %v", names[m], e)
			}
		}
	})
}

// The mean of a bet is at most 1 at any common rate, and when the canary's is
// lower: summed exactly over all results of a block.
func TestABetIsFairAtBest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.IntRange(1, 25).Draw(t, "stable"), rapid.IntRange(1, 25).Draw(t, "canary")
		base := rapid.Float64Range(0.0001, 0.95).Draw(t, "base")
		o := odds[rapid.IntRange(0, len(odds)-1).Draw(t, "odds")]
		rate := rapid.Float64Range(0, 1).Draw(t, "rate")
		lower := rate * rapid.Float64Range(0, 1).Draw(t, "lower")
		mean := 0.0
		for i := range a + 1 {
			for j := range b + 1 {
				mean += binomial(a, i, rate) * binomial(b, j, lower) * math.Exp(bet(count{a, i}, count{b, j}, base, o))
			}
		}
		if mean > 1+1e-9 {
			t.Fatalf("mean %v", mean)
		}
	})
}

func binomial(n, k int, p float64) float64 {
	x := 1.0
	for i := range k {
		x *= p * float64(n-i) / float64(i+1)
	}
	for range n - k {
		x *= 1 - p
	}
	return x
}

func BenchmarkObserve(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	s := Begin(plan, State{}, 1)
	now := weir.Instant(1)
	p := plan
	p.MinRequests = math.MaxInt
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		now++
		s.Observe(p, now, Arm(b2i(i%20 == 0)), good.outcome(rng, now))
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
