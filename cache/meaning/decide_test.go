package meaning

import (
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"weir/cache"
	"weir/internal/seed"
)

// world is a population of prompts and how often their stored answers are wrong for a
// request that is near.
type world struct {
	bad, badRate, rate float64 // share of prompts with badRate; the others have rate
	prompts            int
	skew               float64 // 1: all are asked equally often; above: some more
	alive              int     // so many prompts are asked for at a time, and others later; 0: all
}

// played is what came of a stream of requests.
type played struct{ served, wrong, asked int }

func (w world) play(t Terms, n int, seed uint64) (p played) {
	r := rand.New(rand.NewPCG(seed, 1))
	s := New(1 << 30)
	rates, near := make([]float64, w.prompts), make([]Match, w.prompts)
	for i := range rates {
		if rates[i] = w.rate; r.Float64() < w.bad {
			rates[i] = w.badRate
		}
		at := Circle{byte(i), byte(i >> 8)}
		s.Add(at, Pool{Model: "m"}, Vector{1}, cache.Key(at))
		near[i], _ = s.Nearest(at, Vector{1})
	}
	for k := range n {
		i := int(float64(w.prompts) * math.Pow(r.Float64(), w.skew))
		if w.alive > 0 {
			i = k*(w.prompts-w.alive)/n + r.IntN(w.alive)
		}
		right := r.Float64() >= rates[i]
		v := s.Decide(near[i], t, r.Float64())
		if !v.Serve {
			p.asked++
			s.Learn(near[i], v, t, right)
			continue
		}
		if p.served++; !right {
			p.wrong++
		}
	}
	return p
}

// Whatever the prompts are, of the answers served no more are wrong than the operator
// allows. The slack is three deviations of a count that is just at the limit.
func TestTheErrorStaysUnderTheBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := world{
			bad: rapid.Float64Range(0, 1).Draw(t, "bad"), badRate: rapid.Float64Range(0, 1).Draw(t, "their rate"), rate: rapid.SampledFrom([]float64{0, 0.001, 0.01, 0.03}).Draw(t, "rate"),
			prompts: rapid.SampledFrom([]int{1, 10, 100, 1000}).Draw(t, "prompts"), skew: rapid.Float64Range(1, 4).Draw(t, "skew"),
		}
		terms := Terms{MaxError: rapid.SampledFrom([]float64{0.01, 0.02, 0.05, 0.1}).Draw(t, "max error")}
		p := w.play(terms, 4000, rapid.Uint64().Draw(t, "seed"))
		if at := terms.MaxError * float64(p.served); float64(p.wrong) > at+3*math.Sqrt(at) {
			t.Errorf("%+v with %+v: %d of %d served were wrong", w, terms, p.wrong, p.served)
		}
	})
}

// The hard worlds: rates just above the limit, prompts that are always wrong but come
// among many that are right, and prompts that come and go, of which a wrong one is served
// until an audit finds it.
func TestHardWorldsAreNotServedBeyondTheBound(t *testing.T) {
	draw := seed.Of(t)
	for _, c := range []struct {
		world
		max float64
	}{
		{world{rate: 0.06, prompts: 100, skew: 2}, 0.05}, {world{bad: 0.1, badRate: 1, prompts: 1000, skew: 1}, 0.05}, {world{bad: 0.3, badRate: 0.2, prompts: 300, skew: 1}, 0.05},
		{world{bad: 0.05, badRate: 1, prompts: 3000, skew: 3}, 0.05}, {world{bad: 1, badRate: 0.07, prompts: 1000, skew: 3}, 0.05}, {world{bad: 0.2, badRate: 0.3, prompts: 200, alive: 20}, 0.01},
	} {
		var sum played
		for i := range uint64(12) {
			p := c.play(Terms{MaxError: c.max}, 6000, draw+i)
			sum.served, sum.wrong = sum.served+p.served, sum.wrong+p.wrong
		}
		at, failing := c.max*float64(sum.served), doubt*c.max*12*6000 // in a share doubt of streams the bound may fail
		if float64(sum.wrong) > at+3*math.Sqrt(at)+failing {
			t.Errorf("%+v: %d of %d served were wrong", c, sum.wrong, sum.served)
		}
	}
}

// A bound that is never met would hold too: where answers are right most are served.
func TestRightAnswersAreServed(t *testing.T) {
	for _, c := range []struct {
		world
		max, least float64
	}{{world{prompts: 100, skew: 2}, 0.01, 0.85}, {world{rate: 0.01, prompts: 100, skew: 2}, 0.05, 0.6}, {world{bad: 0.1, badRate: 1, prompts: 100, skew: 1}, 0.01, 0.6}} {
		p := c.play(Terms{MaxError: c.max}, 12_000, seed.Of(t))
		if share := float64(p.served) / float64(p.served+p.asked); share < c.least {
			t.Errorf("%+v: %.2f were served, want %.2f", c, share, c.least)
		}
	}
}

func TestNothingIsServedWithoutEvidenceOrInTheShadow(t *testing.T) {
	if p := (world{prompts: 1, skew: 1}).play(Terms{MaxError: 0.01}, 554, 1); p.served != 0 {
		t.Errorf("%d were served before anything was known", p.served)
	}
	if p := (world{prompts: 1, skew: 1}).play(Terms{MaxError: 0.01}, 2000, 1); p.served == 0 {
		t.Error("nothing is served after 2000 right answers")
	}
	if p := (world{prompts: 1, skew: 1}).play(Terms{MaxError: 0.05, Shadow: true}, 2000, 1); p.served != 0 {
		t.Errorf("%d were served in the shadow", p.served)
	}
}

// A prompt with one wrong answer is not served by what others show.
func TestOnePromptIsJudgedByItsOwnFaults(t *testing.T) {
	s, terms := New(1<<20), Terms{MaxError: 0.05}
	near := func(i byte) Match {
		s.Add(Circle{i}, Pool{Model: "m"}, Vector{1}, cache.Key{i})
		m, _ := s.Nearest(Circle{i}, Vector{1})
		return m
	}
	good, bad := near(1), near(2)
	for range 1000 {
		s.Learn(good, s.Decide(good, terms, 0), terms, true)
	}
	if v := s.Decide(bad, terms, 1); v.Serve {
		t.Error("a prompt is served on its probation")
	}
	for range probation {
		s.Learn(bad, s.Decide(bad, terms, 1), terms, true)
	}
	v := s.Decide(bad, terms, 1)
	if !v.Serve {
		t.Error("a prompt after its probation is not served")
	}
	if v := s.Decide(bad, terms, 0); v.Serve || !v.Holds {
		t.Errorf("%+v in an audit", v)
	}
	s.Learn(bad, v, terms, false)
	if v := s.Decide(bad, terms, 1); v.Serve || v.Bound <= terms.MaxError {
		t.Errorf("%+v after a wrong answer", v)
	}
	if v := s.Decide(good, terms, 1); !v.Serve {
		t.Errorf("%+v of the other", v)
	}
}

// Evidence in one band of similarity says nothing of another.
func TestEachBandNeedsEvidenceOfItsOwn(t *testing.T) {
	s, terms := New(1<<20), Terms{MaxError: 0.05}
	s.Add(Circle{}, Pool{}, Vector{1, 0}, cache.Key{})
	m, _ := s.Nearest(Circle{}, Vector{1, 0})
	low := m
	low.Similarity = 0.86
	for range 1000 {
		s.Learn(low, s.Decide(low, terms, 0), terms, true)
	}
	if !s.Decide(low, terms, 1).Serve || s.Decide(m, terms, 1).Serve {
		t.Error("evidence at 0.86 counts at 1")
	}
}
