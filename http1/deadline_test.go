package http1

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A deadline is set to the requested time or at most an eighth later, never after the
// limit, and is not moved while that holds.
func TestADeadlineIsAtMostAnEighthLate(t *testing.T) {
	now := time.Now()
	f := func(set, within, limit, want time.Duration) {
		t.Helper()
		have, move := deadline(now, now.Add(set), within, now.Add(limit))
		if have.Sub(now) != want || move != (set != want) {
			t.Errorf("set %v, within %v, limit %v: have %v (moved: %v), want %v", set, within, limit, have.Sub(now), move, want)
		}
	}
	const s = time.Second
	f(0, 8*s, 60*s, 9*s)       // due now: moved
	f(8*s, 8*s, 60*s, 8*s)     // early enough
	f(9*s, 8*s, 60*s, 9*s)     // late enough
	f(8*s-1, 8*s, 60*s, 9*s)   // would be early
	f(9*s+1, 8*s, 60*s, 9*s)   // would be late
	f(0, 8*s, 5*s, 5*s)        // the limit comes first
	f(5*s, 8*s, 5*s, 5*s)      // and is set already
	f(0, 8*s, 8*s, 8*s)        // both at once
	f(0, 8*s, 8*s+1, 8*s+1)    // the limit cuts the eighth short
	f(9*s, 8*s, 8*s+1, 8*s+1)  // also of a deadline that is set
	f(9*s, 8*s, -1*s, -1*s)    // a limit that has passed
	f(8*s+1, 8*s, 9*s, 8*s+1)  // before the limit, kept
	f(-60*s, 8*s, 60*s, 9*s)   // a passed one is moved
	f(600*s, 8*s, 9000*s, 9*s) // one set further ahead is moved
}

func TestADeadlineKeepsItsBounds(t *testing.T) {
	now := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(from time.Duration, what string) time.Duration { // in nanoseconds, to hit the edges
			return time.Duration(rapid.Int64Range(int64(from), 200).Draw(t, what))
		}
		set, within, limit := draw(-20, "set"), draw(0, "within"), draw(-20, "limit")
		at, move := deadline(now, now.Add(set), within, now.Add(limit))
		have := at.Sub(now)
		if have > limit || have > within+within/8 || have < min(within, limit) {
			t.Fatalf("a deadline %v from now, want %v to %v", have, min(within, limit), min(within+within/8, limit))
		}
		if move == (have == set) {
			t.Fatalf("moved: %v, from %v to %v", move, set, have)
		}
	})
}
