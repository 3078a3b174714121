package scale

import "time"

const (
	decodeRoom   = 0.8 // part of the SLO's time per token to aim at: half of a fleet is slower than its mean
	decodeMisses = 3.0 // times the allowed share of misses from which it is acted upon
	decodeMost   = 2.0 // a fleet grows at most to this many times the ready replicas at once
	risingSure   = 0.5 // standard deviations by which more work must arrive to count as rising
	risingShare  = 0.02
)

// decode sizes the fleet at once when tokens come too slowly. That makes no
// queue: engines admit the requests and give each fewer tokens per second. The
// time per token is about proportional to a replica's load, so the measured time
// over the one aimed at says how many replicas it takes. Replicas that became
// ready within the window have not shown their effect yet.
func (t *turn) decode() {
	if t.p.SLO.TPOT == 0 || t.stale || t.ready == 0 || !t.timely() || t.warming(t.o.Now.Add(-longWindow)) {
		return
	}
	share, of, ok := t.attained()
	if !ok || 1-share < decodeMisses*(1-t.p.Attainment) {
		return
	}
	gap := t.gap()
	slow := float64(gap) / (decodeRoom * float64(t.p.SLO.TPOT))
	if slow <= 1 {
		return
	}
	t.raise(RuleDecode, Whole(float64(t.ready)*min(slow, decodeMost)), "a token every %v on average over the last minute, %v are allowed, and %.3g %% of %d requests missed the SLO",
		gap.Round(time.Millisecond), t.p.SLO.TPOT, 100*(1-share), of)
}

// gap is the mean time between tokens of the answers that ended within a
// minute; 0: none did.
func (t *turn) gap() time.Duration {
	a, ok := t.s.since(t.o.Now, longWindow)
	if !ok || t.o.Gaps <= a.Gaps {
		return 0
	}
	return (t.o.GapTime - a.GapTime) / time.Duration(t.o.Gaps-a.Gaps)
}

// holdRising keeps the fleet while more work arrives than before: more in the
// last minute than in the last three, by more than chance explains half of the
// time.
func (t *turn) holdRising() {
	if t.n >= t.have || t.stale || !t.rates.known {
		return
	}
	more := t.rates.last - t.rates.mean
	if more > risingSure*t.s.Chance.deviation(t.rates.mean, longWindow) && more > risingShare*t.rates.mean {
		t.hold(RuleRising, t.have, "%.3g %% more work arrived in the last minute than in the last three", 100*more/t.rates.mean)
	}
}
