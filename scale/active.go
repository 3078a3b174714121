package scale

import "time"

// The time of the last request comes from events, not from a rate: the mean
// over the level window remembers a load for minutes after its last request.

// active updates State.Active: when a request last arrived, waited, was in
// flight or ended.
func (t *turn) active() {
	s, o := t.s, t.o
	last, seen := min(o.LastActive, o.Now), o.Arrived+o.Completed
	switch {
	case o.InFlight+t.queued() > 0 || s.Active == 0:
		last = o.Now
	case seen != s.Seen && last <= s.Now: // the exact time is unknown
		last = o.Now.Add(-o.SignalAge)
	}
	s.Active, s.Seen = max(s.Active, last), seen
	t.idle = s.Active < o.Now
}

// unused returns the time since the last request.
func (t *turn) unused() time.Duration { return t.o.Now.Sub(t.s.Active) }

// over says whether the last request is so long ago that no replica is kept.
// The rates' memory of older load no longer counts.
func (t *turn) over() bool { return t.p.Min == 0 && t.idle && t.unused() >= t.p.ZeroAfter }

// holdZero keeps one replica until ZeroAfter without a request. The last
// replica's cold start would be felt by a caller.
func (t *turn) holdZero() {
	if t.n > 0 || t.have == 0 || t.p.Min > 0 {
		return
	}
	if after := t.p.ZeroAfter; t.unused() < after {
		t.hold(RuleZero, 1, "last request %s ago; scaling to zero after %v without one", below(t.unused(), after), after)
	}
}
