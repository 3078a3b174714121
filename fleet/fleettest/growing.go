package fleettest

import (
	"context"
	"slices"
	"sync"

	"weir"
	"weir/fleet"
)

func unknownDeployment(s *suite) {
	_, err := s.h.Actuator.Status(s.Context(), "no-such-deployment")
	s.wantError(err, fleet.ErrUnknown)
	s.wantError(s.h.Actuator.Scale(s.Context(), "no-such-deployment", 1, nil), fleet.ErrUnknown)
}

func freshIsEmpty(s *suite) {
	if rs := s.status(); len(rs) != 0 {
		s.Fatalf("has replicas nobody asked for:\n%s", list(rs))
	}
}

func startThenReady(s *suite) {
	s.scale(2)
	s.until("2 that start or serve", func(rs []weir.Replica) bool { return units(rs, weir.Starting)+units(rs, weir.Ready) == 2 })
	rs := s.until("2 ready", func(rs []weir.Replica) bool { return units(rs, weir.Ready) == 2 })
	for _, r := range rs {
		if r.ReadyAt < r.Asked {
			s.Errorf("%s was ready %v before it was asked for", r.ID, r.Asked.Sub(r.ReadyAt))
		}
	}
}

func idempotent(s *suite) {
	for range 3 {
		s.scale(2)
	}
	before := s.ready(2)
	for range 3 {
		s.scale(2)
		if have := in(s.status(), weir.Ready); !same(have, in(before, weir.Ready)) {
			s.Fatalf("asked again for the same number: %v became %v", in(before, weir.Ready), have)
		}
	}
}

func upKeeps(s *suite) {
	before := in(s.ready(1), weir.Ready)
	after := in(s.ready(3), weir.Ready)
	if after[0] != before[0] {
		s.Fatalf("grew from %v to %v: the first one is gone", before, after)
	}
}

func zeroAndBack(s *suite) {
	first := in(s.ready(2), weir.Ready)
	s.scale(0)
	s.until("none left", func(rs []weir.Replica) bool { return len(rs) == 0 })
	for _, id := range in(s.ready(1), weir.Ready) {
		if !s.h.OneAddress && slices.Contains(first, id) {
			s.Fatalf("id %s came back: an id names one replica for ever", id)
		}
	}
}

func failedMadeGood(s *suite) {
	victim := s.ready(2)[0]
	s.h.Fail(victim.ID)
	s.until(victim.ID+" reported as failed, restarted or replaced", func(rs []weir.Replica) bool {
		for _, r := range rs {
			if r.ID == victim.ID {
				return r.State != weir.Ready || r.ReadyAt > victim.ReadyAt || r.Size() < victim.Size()
			}
		}
		return true
	})
	// The place restarts it, or a new one takes its room: control asks again at
	// every step. Either way there are two again, never three.
	s.until("2 ready again", func(rs []weir.Replica) bool {
		s.scale(2)
		return units(rs, weir.Ready) == 2
	})
}

func capacity(s *suite) {
	s.limit = s.h.Capacity
	err := s.h.Actuator.Scale(s.Context(), s.h.Deployment, s.h.Capacity+2, nil)
	s.wantError(err, fleet.ErrNoCapacity)
	full := func(rs []weir.Replica) bool { return units(rs, weir.Ready) == s.h.Capacity }
	s.until("as many ready as there is room for", full)
	s.wantError(s.h.Actuator.Scale(s.Context(), s.h.Deployment, s.h.Capacity+1, nil), fleet.ErrNoCapacity)
	s.ready(s.h.Capacity) // exactly full is no error
	s.ready(s.h.Capacity - 1)
}

func negative(s *suite) {
	before := s.ready(1)
	if err := s.h.Actuator.Scale(s.Context(), s.h.Deployment, -1, nil); err == nil {
		s.Fatal("scaling to -1 is no error")
	}
	if after := s.status(); !same(live(after), live(before)) {
		s.Fatalf("scaling to -1 changed something:\n%s", list(after))
	}
}

func endedContext(s *suite) {
	before := s.ready(1)
	if _, err := s.h.Actuator.Status(s.ended(), s.h.Deployment); err == nil {
		s.Error("status with an ended context is no error")
	}
	s.wantError(s.h.Actuator.Scale(s.ended(), s.h.Deployment, 3, nil), context.Canceled)
	if after := s.status(); !same(live(after), live(before)) {
		s.Fatalf("an ended context changed something:\n%s", list(after))
	}
}

func orderAndOwnership(s *suite) {
	s.ready(1)
	s.ready(3)
	rs := s.status()
	if s.h.OneAddress {
		rs[0].ID = "scribble"
		if s.status()[0].ID == "scribble" {
			s.Fatal("a caller's change of its slice changed the place")
		}
		return
	}
	for i := 1; i < len(rs); i++ {
		if rs[i].Asked < rs[i-1].Asked {
			s.Errorf("%s was asked for before %s and stands after it", rs[i].ID, rs[i-1].ID)
		}
	}
	want := list(rs)
	rs[0], rs[1].ID = rs[2], "scribble"
	if have := list(s.status()); have != want {
		s.Fatalf("a caller's change of its slice changed the place:\n%s", have)
	}
}

func concurrent(s *suite) {
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 5 {
				if err := s.h.Actuator.Scale(s.Context(), s.h.Deployment, 1+(i+n)%3, nil); err != nil {
					s.Errorf("scale: %v", err)
				}
				if _, err := s.h.Actuator.Status(s.Context(), s.h.Deployment); err != nil {
					s.Errorf("status: %v", err)
				}
			}
		})
	}
	all.Wait()
	s.limit = s.h.Capacity
	s.ready(2)
}
