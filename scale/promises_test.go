package scale

import (
	"strconv"
	"testing"
	"time"

	"weir"
)

// Promises of comments that a small change could break unnoticed.

const monday = weir.Instant(1_699_833_600_000_000_000)

// readyAnd returns that many replicas that have been ready for long, and
// draining ones.
func readyAnd(ready, draining int) []weir.Replica {
	var rs []weir.Replica
	for i := range ready + draining {
		r := weir.Replica{ID: strconv.Itoa(i), State: weir.Ready, Asked: monday.Add(-2 * time.Hour), ReadyAt: monday.Add(-time.Hour)}
		if i >= ready {
			r.State = weir.Draining
		}
		rs = append(rs, r)
	}
	return rs
}

// busy is an observation of demand for that many replicas at a target for
// concurrency of 1.
func busy(ready, draining, demand int) Observation {
	o := Unknown(monday)
	o.Replicas = readyAnd(ready, draining)
	o.InFlight = demand
	return o
}

func TestAQuotaTakesNothingAway(t *testing.T) {
	p := Policy{Max: 20, TargetConcurrency: 1}
	f := func(quota, demand, want int) {
		t.Helper()
		o := busy(5, 0, demand)
		o.Quota = quota
		if d, _ := Decide(p, State{}, o); d.Want != want {
			t.Errorf("quota %d, 5 replicas and demand for %d: %d are wanted, not %d: %+v", quota, demand, d.Want, want, d)
		}
	}
	f(2, 8, 5)
	f(0, 8, 5)
	f(5, 8, 5)
	f(6, 8, 6)
	f(-1, 8, 8)
	f(2, 5, 5)
}

func TestDrainingReplicasArePaidFor(t *testing.T) {
	p := Policy{Max: 20, TargetConcurrency: 1, Price: weir.Dollar, BudgetPerHour: 7 * weir.Dollar}
	f := func(ready, draining, want int, note string) {
		t.Helper()
		d, _ := Decide(p, State{}, busy(ready, draining, 12))
		last := d.Reasons[len(d.Reasons)-1]
		if d.Want != want || last.Rule != RuleBudget || last.Note != note {
			t.Errorf("%d ready and %d draining: %d are wanted, not %d: %+v", ready, draining, d.Want, want, d)
		}
	}
	f(5, 0, 7, "a budget of $7.00 an hour pays for 7 at $1.00 each, 0 draining")
	f(4, 2, 5, "a budget of $7.00 an hour pays for 7 at $1.00 each, 2 draining")
	f(4, 9, 0, "a budget of $7.00 an hour pays for 7 at $1.00 each, 9 draining")
}

// afterQueue lets one replica be observed twice, with a queue in the first time
// only, and returns its learned capacity. In the second it does twice that.
func afterQueue(queued int) float64 {
	p := Policy{Max: 5, Capacity: Capacity{Prefill: 1000}, SLO: weir.SLO{TTFT: time.Second}}.withDefaults()
	s := State{}
	o := Unknown(monday)
	o.Replicas = readyAnd(1, 0)
	for i := range 4 {
		o.Now = monday.Add(time.Duration(i) * learnEvery)
		o.Waiting = 0
		if i == 1 {
			o.Waiting = queued
		}
		rate := uint64(1000)
		if i > 2 {
			rate = 2000
		}
		o.DonePrompt += rate * uint64(learnEvery/time.Second)
		o.Attained += 100
		_, s = decide(p, s, o)
	}
	return s.Learned.Factor
}

func TestNothingIsLearnedOfLoadThatWentWellRightAfterAQueue(t *testing.T) {
	if f := afterQueue(0); f <= 1.01 {
		t.Fatalf("without a queue the replica is taken to do %.3g: this proves nothing", f)
	}
	if f := afterQueue(3); f > 1.01 {
		t.Errorf("after a queue, which a replica works off faster than what arrives, it is taken to do %.3g", f)
	}
}

func TestAPairOfRequestsIsNoSurge(t *testing.T) {
	t0 := turn{p: &Policy{}}
	f := func(before, came uint64, want bool) {
		t.Helper()
		base := Sample{At: monday}
		from := Sample{At: monday.Add(50 * time.Second), Arrived: before}
		now := Sample{At: monday.Add(60 * time.Second), Arrived: before + came}
		if have := t0.surges(base, from, now); have != want {
			t.Errorf("%d in 50s, then %d in 10s: surge %v", before, came, have)
		}
	}
	f(0, 1, false)
	f(0, 2, false)
	f(0, 3, false)
	f(0, 4, true)
	f(5, 6, false) // 1 was expected: 1 + 3 + 3
	f(5, 7, false)
	f(5, 8, true)
}

func TestPeaksThatBecomeOneKeepTheirHeight(t *testing.T) {
	var peaks []Peak
	const n = maxPeaks + 5
	at := func(i int) weir.Instant { return monday.Add(time.Duration(i) * time.Second) }
	for i := range n {
		peaks = needed(peaks, Peak{At: at(i), N: 1000 - i})
	}
	if len(peaks) > maxPeaks {
		t.Fatalf("%d peaks, at most %d are kept", len(peaks), maxPeaks)
	}
	for i := range n {
		// The need since then is at least remembered, and no more than ever
		// was.
		p, ok := peak(peaks, at(n), time.Duration(n-i)*time.Second)
		if !ok || p.N < 1000-i || p.N > 1000 {
			t.Errorf("within %ds %d is the most that was needed, %d was", n-i, p.N, 1000-i)
		}
	}
}

func TestAForecasterSpeaksOnUntilAnotherIsClearlyBetter(t *testing.T) {
	f := func(pick int, losses [4]float64, want int) {
		t.Helper()
		o := Outlook{Pick: pick}
		for i, l := range losses {
			o.Methods[i] = Method{Loss: l, Judged: enoughJudged}
		}
		o.judge(1, 0.9, 1)
		if o.Pick != want {
			t.Errorf("%s spoke; with losses %v now %s does, not %s", methodNames[pick], losses, methodNames[o.Pick], methodNames[want])
		}
	}
	f(byTrend, [4]float64{10, 9, 5, 4.9}, byTrend)    // better by chance
	f(byTrend, [4]float64{10, 9, 5, 4.7}, bySeason)   // by more than chance
	f(byTrend, [4]float64{10, 9.5, 9, 9}, byTrend)    // it would not be chosen now, but it stays
	f(byTrend, [4]float64{10, 9, 10.1, 9}, byNow)     // no better than the present load, and no other is
	f(byNow, [4]float64{10, 9, 8.5, 8.2}, byNow)      // not enough to begin
	f(byNow, [4]float64{10, 9, 7.9, 8.5}, byTrend)    // enough
	f(byTrend, [4]float64{10, 3, 11, 9}, byLast)      // no better than the present load: the best is chosen
	f(bySeason, [4]float64{10, 4.9, 11, 5}, bySeason) // and a tie changes nothing
}
