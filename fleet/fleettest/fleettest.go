// Package fleettest says what every fleet.Actuator must do, as a test suite
// that each place runs against itself. It knows no place: time, failures and
// load come through the hooks of a Harness. A virtual place runs it without
// waiting; a real one sleeps no longer than it must.
package fleettest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"weir"
	"weir/fleet"
)

// Harness is one place under test, fresh for each test, and the hooks the suite
// needs. Every field is required except OneAddress and NewestFirst.
type Harness struct {
	Actuator   fleet.Actuator
	Deployment string // the place has it, with no replicas yet

	// Capacity is the most replicas of Deployment the place can have; 4 to 16.
	Capacity int

	// OneAddress: the place lists its ready replicas as units of one replica
	// (weir.Replica.Units). The suite leaves out the tests of single replicas
	// and does not call Hold; Fail ends one unit.
	OneAddress bool

	// NewestFirst: only the newest replica can go (the pods of a StatefulSet),
	// whatever the victims.
	NewestFirst bool

	// Settle lets the place work until done returns true, and returns whether
	// it did. A virtual place moves its clock from event to event; a real one
	// looks again every few milliseconds. It gives up when further waiting is
	// pointless: after an hour of virtual time, or some tens of seconds of real
	// time.
	Settle func(done func() bool) bool

	// Hold makes a replica busy (it works on a request) or idle again. A
	// draining replica must not end while it is held. A replica starts idle.
	Hold func(replica string, busy bool)

	// Fail makes a replica die by itself, as in a crash or the loss of its
	// machine.
	Fail func(replica string)
}

// Run tests the place that make builds against the contract. make runs once for
// each test and registers its own clean-up with t.
func Run(t *testing.T, make func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*suite)
		each bool // it needs single replicas
	}{
		{"an unknown deployment is ErrUnknown", unknownDeployment, false},
		{"a fresh deployment has no replicas", freshIsEmpty, false},
		{"replicas start, then become ready", startThenReady, false},
		{"scaling is idempotent", idempotent, false},
		{"scaling up keeps what runs", upKeeps, true},
		{"scaling down drains the victims in their order", victimsInOrder, true},
		{"scaling down without victims uses its own judgement", downWithoutVictims, false},
		{"victims that do not exist are passed over", strangeVictims, true},
		{"more victims than needed spares the last", spareVictims, true},
		{"a draining replica ends when it is idle, not before", drainEnds, true},
		{"growing takes draining replicas back first, newest first", takeBack, true},
		{"to zero and back", zeroAndBack, false},
		{"a failed replica is reported, and made good by no more than one", failedMadeGood, false},
		{"beyond capacity it gives what it can", capacity, false},
		{"a negative number is an error and changes nothing", negative, false},
		{"a context that has ended changes nothing", endedContext, false},
		{"status is in order of age and belongs to the caller", orderAndOwnership, false},
		{"it is safe for concurrent use", concurrent, false},
		{"one that watches hears of every change", watched, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := make(t)
			if h.Actuator == nil || h.Deployment == "" || h.Capacity < 4 || h.Capacity > 16 || h.Settle == nil || h.Hold == nil || h.Fail == nil {
				t.Fatalf("the harness lacks a field, or its capacity %d is not 4 to 16", h.Capacity)
			}
			if c.each && h.OneAddress {
				return
			}
			c.test(&suite{T: t, h: h})
		})
	}
}

// suite is one test, with the checks made at every look at the place.
type suite struct {
	*testing.T
	h     Harness
	limit int      // Starting plus Ready must not be more; set by scale
	order []string // of the last look
}

// scale asks for want and fails the test if the place refuses.
func (s *suite) scale(want int, victims ...string) {
	s.Helper()
	s.limit = want
	if err := s.h.Actuator.Scale(s.Context(), s.h.Deployment, want, victims); err != nil {
		s.Fatalf("scale to %d: %v", want, err)
	}
}

// status reads the place and checks what must hold at any moment.
func (s *suite) status() []weir.Replica {
	s.Helper()
	rs, err := s.h.Actuator.Status(s.Context(), s.h.Deployment)
	if err != nil {
		s.Fatalf("status: %v", err)
	}
	if have := units(rs, weir.Starting) + units(rs, weir.Ready); have > s.limit {
		s.Fatalf("%d replicas start or serve, asked for %d:\n%s", have, s.limit, list(rs))
	}
	ids := map[string]bool{}
	for _, r := range rs {
		if r.ID == "" || ids[r.ID] || r.Deployment != s.h.Deployment {
			s.Fatalf("a replica without id, with another's, or of deployment %q:\n%s", r.Deployment, list(rs))
		}
		ids[r.ID] = true
		if r.Asked == 0 || r.Since == 0 || r.State == weir.Ready && r.ReadyAt == 0 {
			s.Fatalf("%s %v lacks a time (asked %d, since %d, ready at %d)", r.ID, r.State, r.Asked, r.Since, r.ReadyAt)
		}
		if r.State == weir.Failed && r.Detail == "" {
			s.Fatalf("%s failed and does not say why", r.ID)
		}
	}
	s.keepsOrder(rs)
	return rs
}

// keepsOrder fails the test when a new replica stands before one that was asked for
// earlier, or when two have changed places since the last look.
func (s *suite) keepsOrder(rs []weir.Replica) {
	s.Helper()
	now := make([]string, 0, len(rs))
	for i, r := range rs {
		now = append(now, r.ID)
		if slices.Contains(s.order, r.ID) || s.h.OneAddress {
			continue
		}
		for _, after := range rs[i:] {
			if slices.Contains(s.order, after.ID) && after.Asked < r.Asked {
				s.Fatalf("%s is older than %s before it:\n%s", after.ID, r.ID, list(rs))
			}
		}
	}
	both := func(in, and []string) []string {
		return slices.DeleteFunc(slices.Clone(in), func(id string) bool { return !slices.Contains(and, id) })
	}
	if was, is := both(s.order, now), both(now, s.order); !slices.Equal(was, is) {
		s.Fatalf("replicas have changed places: %v, then %v", was, is)
	}
	s.order = now
}

// until settles the place until ok holds for its status, and returns the
// status.
func (s *suite) until(what string, ok func([]weir.Replica) bool) []weir.Replica {
	s.Helper()
	var rs []weir.Replica
	if !s.h.Settle(func() bool { rs = s.status(); return ok(rs) }) {
		s.Fatalf("never came: %s; at the end:\n%s", what, list(rs))
	}
	return rs
}

// ready scales to n and settles until n are ready and none is in another state.
func (s *suite) ready(n int) []weir.Replica {
	s.Helper()
	s.scale(n)
	return s.until(fmt.Sprintf("%d ready and no other", n), func(rs []weir.Replica) bool {
		return units(rs, weir.Ready) == n && len(rs) == len(in(rs, weir.Ready))
	})
}

// units counts the units of the replicas in a state.
func units(rs []weir.Replica, state weir.ReplicaState) (n int) {
	for _, r := range rs {
		if r.State == state {
			n += r.Size()
		}
	}
	return n
}

func in(rs []weir.Replica, state weir.ReplicaState) (ids []string) {
	for _, r := range rs {
		if r.State == state {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func live(rs []weir.Replica) []string {
	var ids []string
	for _, r := range rs {
		if r.State == weir.Starting || r.State == weir.Ready {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

func same(a, b []string) bool { return slices.Equal(a, b) }

func list(rs []weir.Replica) string {
	out := ""
	for _, r := range rs {
		out += fmt.Sprintf("  %s %v x%d %s\n", r.ID, r.State, r.Size(), r.Detail)
	}
	return out
}

// wantError fails the test unless err wraps want.
func (s *suite) wantError(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Fatalf("error is %v, want one that wraps %q", err, want)
	}
}

func (s *suite) ended() context.Context {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	return ctx
}
