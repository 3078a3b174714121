package scale

import (
	"math"
	"time"

	"weir"
)

// TooFew is a number of replicas that was tried and did not do: the fleet shrank
// to it, and then the signals asked for more. While at least as much arrives, it
// is not tried again before a while has passed, which doubles when it fails again.
//
// Without it, load that does not change has a fleet that does: a margin that falls
// while all goes well, or a capacity that is taken to be a little more than it is,
// comes to the same number again and again, finds it too few and leaves it.
type TooFew struct {
	N    int           `json:"n"`    // replicas that did not do; counts from when At is set
	Load float64       `json:"load"` // what arrived then, as turn.offered
	At   weir.Instant  `json:"at"`   // when it was left; 0: none is known
	Wait time.Duration `json:"wait"` // not tried again before that has passed since
}

const (
	tryAgainFirst = time.Hour
	tryAgainMost  = 12 * time.Hour
	sameLoad      = 0.02 // share by which load may be less and yet be the same
)

// offered is what arrives: work per second, or requests where tokens are not told.
func (t *turn) offered() float64 {
	if t.rates.work > 0 {
		return t.rates.work
	}
	return t.rates.requests
}

// asMuch says whether as much arrives now as when the number did not do, or
// more: what is less by no more than chance explains is as much.
func (t *turn) asMuch(f *TooFew) bool {
	now := t.offered()
	return f.At != 0 && f.Wait > 0 && t.rates.known && now > 0 && now >= f.Load*(1-sameLoad)-riseSure*t.s.Chance.deviation(math.Max(now, f.Load), levelWindow)
}

// floor is the least number to keep for as much load: one more than did not do,
// and one less with each wait that has passed, so that a single one is tried and
// not all below it.
func (f *TooFew) floor(now weir.Instant) int { return f.N + 1 - int(now.Sub(f.At)/f.Wait) }

// grew notes that the number there is did not do.
func (t *turn) grew() {
	f := &t.s.TooFew
	if t.asked <= t.have || t.have == 0 || !t.rates.known && f.At == 0 {
		return // the calendar or a bound asked for more, not the load
	}
	n, load, wait := t.have, t.offered(), tryAgainFirst
	if !t.rates.known {
		load = f.Load // not known for seconds after a gateway came up: taken to be as it was
	}
	if (t.asMuch(f) || !t.rates.known) && n <= f.N+1 {
		n, wait = max(n, f.floor(t.o.Now)-1), min(2*f.Wait, tryAgainMost)
	}
	*f = TooFew{N: n, Load: load, At: t.o.Now, Wait: wait}
}

// holdTooFew does not go back to a number that did not do for the load there is.
func (t *turn) holdTooFew() {
	f := &t.s.TooFew
	if t.n > f.N || t.over() || !t.asMuch(f) {
		return
	}
	t.hold(RuleTooFew, f.floor(t.o.Now), "%s too few for this load %v ago; one fewer is tried every %v",
		count(f.N, "was", "were"), t.o.Now.Sub(f.At).Round(time.Second), f.Wait)
}
