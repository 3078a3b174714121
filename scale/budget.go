package scale

import (
	"math"
	"time"

	"weir"
)

// saw adds requests that ended since the last step.
func (b *Budget) saw(t *turn, met, miss float64) {
	if b.Since == 0 {
		b.Since = t.o.Now
	}
	keep := math.Exp(-seconds(t.o.Now.Sub(t.s.Now)) / seconds(day))
	b.Ended, b.Spent = b.Ended*keep+met+miss, b.Spent*keep+miss
}

// left is the number of requests that may still miss; negative: too many have.
func (b *Budget) left(t *turn) float64 { return (1-t.p.Attainment)*b.Ended - b.Spent }

// aim is the part of the allowed misses to aim at. What is left of the budget
// is spent over the next day, in equal parts. A budget that is overdrawn is not
// saved back: bursts of misses are rare, and a day of more headroom after each
// costs more than it gains.
func (b *Budget) aim(t *turn) float64 {
	up := min(t.o.Now.Sub(b.Since), day)
	if up < time.Hour || b.Ended == 0 {
		return safetyAim
	}
	perDay := (1 - t.p.Attainment) * b.Ended * float64(day) / float64(up)
	return min(max(safetyAim+b.left(t)/perDay, safetyAim), 1)
}

// spare says whether so much of the budget is left that a queue is no emergency:
// spareShare more of all requests could have missed. A policy that allows fewer
// misses than that never has as much, nor does one that a reload left without an SLO.
func (b *Budget) spare(t *turn) bool {
	return t.p.SLO != (weir.SLO{}) && b.Ended >= spareFrom && b.left(t) >= spareShare*b.Ended
}

// urgent is the margin that is added at once while misses are far more frequent
// than aimed at. Misses fall about exponentially with the margin, so what is
// missing is the logarithm of their share over the one aimed at. Of the share
// only the certain part counts, and a share that would leave some of the budget
// for the time until more replicas help is no hurry. Until new replicas have
// served for a minute, the misses are those of fewer; and those of a queue are
// the backlog's concern.
func (t *turn) urgent() float64 {
	share, of, ok := t.attained()
	if !ok || !t.timely() || t.warming(t.o.Now.Add(-longWindow)) || t.o.Waiting > 0 || t.s.Learned.Ever || t.s.Learned.Before || t.p.SLO == (weir.SLO{}) || t.s.Learned.Confidence() < trusted {
		return 0
	}
	missed := (1 - share) * float64(of)
	certain := (missed - urgentSure*math.Sqrt(missed)) / float64(of)
	aim := safetyAim * (1 - t.p.Attainment)
	if coming := t.rates.coming * seconds(urgentOver); coming > 0 {
		aim = max(aim, t.s.Safety.Budget.left(t)/coming)
	}
	if certain <= urgentFrom*aim {
		return 0
	}
	return math.Log(certain/aim) / urgentSteep
}

// timely says whether misses tell of the present fleet. A miss is known when the
// answer ends; where answers last longer than a start, it tells of replicas and
// of a load that are no longer there.
func (t *turn) timely() bool {
	r := &t.rates
	return r.known && r.finished > 0 && r.held/r.finished < seconds(t.cold)
}
