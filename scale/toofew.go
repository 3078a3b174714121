package scale

import (
	"math"
	"time"

	"weir"
)

// TooFew is a number of replicas that was tried and was too few: the fleet
// shrank to it, and then the signals asked for more. While the load is at least
// as high, it is not tried again before a wait has passed. The wait doubles
// when it fails again.
//
// Without it a constant load would still move the fleet. A margin that falls
// while all goes well, or a slightly overestimated capacity, leads to the same
// number again and again, finds it too few and leaves it.
type TooFew struct {
	N    int           `json:"n"`    // the number that was too few; valid if At is set
	Load float64       `json:"load"` // load at that time, as turn.offered
	At   weir.Instant  `json:"at"`   // when the fleet left it; 0: none is known
	Wait time.Duration `json:"wait"` // time from At until it may be tried again
}

const (
	tryAgainFirst = time.Hour
	tryAgainMost  = 12 * time.Hour
	sameLoad      = 0.02 // share by which a load may be lower and still count as the same
)

// offered returns the arriving load: work per second, or requests where tokens
// are unknown.
func (t *turn) offered() float64 {
	if t.rates.work > 0 {
		return t.rates.work
	}
	return t.rates.requests
}

// asMuch says whether the load is at least as high as when the number was too
// few. A difference explained by chance does not count.
func (t *turn) asMuch(f *TooFew) bool {
	now := t.offered()
	return f.At != 0 && f.Wait > 0 && t.rates.known && now > 0 && now >= f.Load*(1-sameLoad)-riseSure*t.s.Chance.deviation(math.Max(now, f.Load), levelWindow)
}

// floor returns the least number to keep for that load: one above the number
// that was too few, and one less after each wait. A single lower number is
// tried, not all of them.
func (f *TooFew) floor(now weir.Instant) int { return f.N + 1 - int(now.Sub(f.At)/f.Wait) }

// grew notes that the present number is too few.
func (t *turn) grew() {
	f := &t.s.TooFew
	if t.asked <= t.have || t.have == 0 || !t.rates.known && f.At == 0 {
		return // the calendar or a bound asked for more, not the load
	}
	n, load, wait := t.have, t.offered(), tryAgainFirst
	if !t.rates.known {
		load = f.Load // unknown for seconds after a gateway's start: assumed unchanged
	}
	if (t.asMuch(f) || !t.rates.known) && n <= f.N+1 {
		n, wait = max(n, f.floor(t.o.Now)-1), min(2*f.Wait, tryAgainMost)
	}
	*f = TooFew{N: n, Load: load, At: t.o.Now, Wait: wait}
}

// holdTooFew does not return to a number that was too few for the present load.
func (t *turn) holdTooFew() {
	f := &t.s.TooFew
	if t.n > f.N || t.over() || !t.asMuch(f) {
		return
	}
	t.hold(RuleTooFew, f.floor(t.o.Now), "%s too few for this load %v ago; one fewer is tried every %v",
		count(f.N, "was", "were"), t.o.Now.Sub(f.At).Round(time.Second), f.Wait)
}
