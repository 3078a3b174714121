package scale

import (
	"math"
	"time"

	"weir"
)

// The rules in this file oppose scale-in. Each may raise the number again, up
// to the present number. The fleet shrinks only as far as all of them allow.

// hold raises the number to n, but never above the present number.
func (t *turn) hold(rule Rule, n int, format string, args ...any) {
	t.raise(rule, min(n, t.have), format, args...)
}

// holdRestart keeps the running replicas until there is a whole window of
// history. A scaler that has just started does not know the need before it.
func (t *turn) holdRestart() {
	if up := t.o.Now.Sub(t.s.Started); up < t.p.ScaleInAfter && t.n < t.have {
		if p, ok := peak(t.s.Steady, t.o.Now, t.p.ScaleInAfter); ok && p.At == t.s.Started {
			t.hold(RuleRestart, p.N, "%s running when the scaler started %v ago; scaling in needs %v of history",
				count(p.N, "was", "were"), up.Round(time.Second), t.p.ScaleInAfter)
		}
	}
}

// holdWindow keeps the highest number needed within the window, except replicas
// for a backlog only: when the backlog is served, that need is over.
func (t *turn) holdWindow() {
	if p, ok := peak(t.s.Steady, t.o.Now, t.p.ScaleInAfter); ok {
		t.hold(RuleWindow, p.N, "%s, within the window of %v", t.when(p), t.p.ScaleInAfter)
	}
}

// nearly returns the number of replicas for a slightly higher demand. A load
// near a whole number of replicas counts as more than that: otherwise chance
// would move the number back and forth.
func (t *turn) nearly() int {
	const little = 0.3
	if t.exact <= 0 {
		return 0
	}
	return Whole(t.exact + little)
}

// holdBreakEven keeps a replica until its idle time has cost as much as
// starting it again. A replica kept idle that long has cost at most twice the
// best choice in hindsight (the ski-rental argument). A start costs its whole
// cold start twice: the replica is paid for and serves no request, and the
// requests it should have served wait. The factor of two holds for cold starts
// of 30 s to 1 h, between minBreakEven and maxBreakEven. After recent regrets
// (scale-ins soon followed by scale-outs) the wait is longer.
//
// ZeroAfter alone sets how long the last replica stays, unless ZeroBreakEven
// applies this rule too.
func (t *turn) holdBreakEven() {
	d := t.breakEven()
	if t.over() && !t.p.ZeroBreakEven {
		return
	}
	if p, ok := peak(t.s.Peaks, t.o.Now, d); ok {
		t.hold(RuleBreakEven, p.N, "%s; for %v an idle replica costs less than a restart", t.when(p), d.Round(time.Second))
	}
}

func (t *turn) breakEven() time.Duration {
	return min(time.Duration(t.s.Regret.patience()*float64(t.restart())), maxBreakEven)
}

// restart returns the idle time that costs as much as a start.
func (t *turn) restart() time.Duration { return max(2*t.cold, minBreakEven) }

// Regret counts scale-ins followed by a scale-out within the time in which
// waiting would have been cheaper. Each makes the next wait longer; an hour
// without one halves the effect. Repeatedly leaving the same (or an adjacent)
// number doubles the wait each time. That happens when a profile overstates a
// replica.
type Regret struct {
	In    weir.Instant `json:"in"`    // last scale-in; 0: none since it last grew
	At    weir.Instant `json:"at"`    // last regret
	Count float64      `json:"count"` // as of At
	From  int          `json:"from"`  // replicas when it last began to shrink
	Same  int          `json:"same"`  // regrets in a row of leaving that number or an adjacent one
}

const (
	minBreakEven = time.Minute // otherwise the number would follow chance
	maxBreakEven = 2 * time.Hour
	regretHalves = time.Hour
	mostRegret   = 3
	mostSame     = 7
)

func (r Regret) patience() float64 { return (1 + r.Count/2) * float64(int(1)<<max(r.Same-1, 0)) }

func (s *State) regret(t *turn) {
	r := &s.Regret
	switch {
	case t.n < t.have:
		if r.In == 0 { // otherwise it continues to shrink
			if t.have < r.From-1 || t.have > r.From+1 {
				r.Same = 0
			}
			r.From = t.have
		}
		r.In = t.o.Now
	case t.n > t.have && r.In != 0:
		t.grew()
		if t.o.Now.Sub(r.In) < 2*t.breakEven() {
			r.Count = min(r.now(t.o.Now)+1, mostRegret)
			r.Same = min(r.Same+1, mostSame)
			r.At = t.o.Now
		}
		r.In = 0
	}
	if r.Count > 0 && t.o.Now.Sub(r.At) > regretHalves {
		r.Count, r.At = r.Count/2, r.At.Add(regretHalves)
		r.Same = max(r.Same-1, 0)
		if r.Count < 0.1 {
			r.Count, r.Same = 0, 0
		}
	}
}

func (r Regret) now(now weir.Instant) float64 {
	return r.Count * math.Exp2(-float64(now.Sub(r.At))/float64(regretHalves))
}

// holdProjection keeps enough replicas for the present load: by each known
// measure, the load of the ready replicas must fit the remaining ones.
func (t *turn) holdProjection() {
	if t.n >= t.have || t.stale || t.over() {
		return
	}
	if q := t.queued(); t.ready > 0 && !t.s.Safety.Budget.spare(t) && (t.o.Waiting > 0 || t.o.EngineWaiting > t.ready) {
		t.hold(RuleProjection, t.have, "%d requests are queued", q)
		return
	}
	if share, of, ok := t.attained(); ok && share < t.p.Attainment-0.01 && t.busy() {
		t.hold(RuleProjection, t.have, "%s of the last %d requests met the SLO, the target is %.4g %%", percentBeside(share, t.p.Attainment), of, 100*t.p.Attainment)
		return
	}
	if use := t.o.KVUse; use > 0 {
		t.hold(RuleProjection, Whole(use*float64(t.ready)/0.8), "KV cache of %s is %.3g %% full; after scaling in it may be at most 80 %%", count(t.ready, "replica", "replicas"), 100*use)
	}
	if use := t.o.GPUUtilisation; use > 0 && t.p.GPU.High > 0 {
		t.hold(RuleProjection, Whole(use*float64(t.ready)/t.p.GPU.High), "utilisation of %s is %.3g %%; after scaling in it may be at most %.4g %%",
			count(t.ready, "replica", "replicas"), 100*use, 100*t.p.GPU.High)
	}
}

// attained returns the share of requests that met the SLO in the last minute;
// false when there were too few.
func (t *turn) attained() (share float64, of uint64, ok bool) {
	a, have := t.s.since(t.o.Now, longWindow)
	if !have {
		return 0, 0, false
	}
	met := t.o.Attained - a.Attained
	of = met + t.o.Missed - a.Missed
	return float64(met) / float64(max(of, 1)), of, of >= 20
}

// busy says whether the load is high enough for the number of replicas to be
// the cause of missed SLOs. Otherwise requests that miss it on idle replicas
// would hold the fleet forever.
func (t *turn) busy() bool {
	l := t.s.Learned
	if l.Factor == 0 || t.ready == 0 {
		return true
	}
	return t.rates.work > 0.5*l.Factor*float64(t.ready)
}
