package fleettest

import (
	"slices"

	"weir"
)

// hold makes every one of these busy, so that a drain of it can be watched.
func (s *suite) hold(rs []weir.Replica) {
	for _, r := range rs {
		s.h.Hold(r.ID, true)
	}
}

// draining waits until exactly these drain, whatever their order.
func (s *suite) draining(want ...string) {
	s.Helper()
	slices.Sort(want)
	s.until("draining exactly the ones wanted", func(rs []weir.Replica) bool {
		have := in(rs, weir.Draining)
		slices.Sort(have)
		return same(have, want)
	})
}

func victimsInOrder(s *suite) {
	rs := s.ready(4)
	s.hold(rs)
	a, b, c := rs[1].ID, rs[3].ID, rs[0].ID
	s.scale(3, a, b, c)
	s.draining(a)
	s.scale(1, b, c)
	s.draining(a, b, c)
	if have := live(s.status()); !same(have, []string{rs[2].ID}) {
		s.Fatalf("left %v, want %s", have, rs[2].ID)
	}
}

func downWithoutVictims(s *suite) {
	rs := s.ready(3)
	s.scale(1)
	left := s.until("1 left", func(rs []weir.Replica) bool { return len(rs) == 1 && rs[0].Size() == 1 })
	if have := in(left, weir.Ready); len(have) != 1 || !slices.Contains(in(rs, weir.Ready), have[0]) {
		s.Fatalf("what is left was not ready before, or is not now:\n%s", list(left))
	}
}

func strangeVictims(s *suite) {
	rs := s.ready(3)
	s.hold(rs)
	s.scale(1, "never-existed", rs[1].ID, rs[1].ID)
	s.until("2 drain", func(rs []weir.Replica) bool { return len(in(rs, weir.Draining)) == 2 })
	if !slices.Contains(in(s.status(), weir.Draining), rs[1].ID) {
		s.Fatalf("%s was named and does not drain", rs[1].ID)
	}
}

func spareVictims(s *suite) {
	rs := s.ready(3)
	s.hold(rs)
	s.scale(2, rs[2].ID, rs[1].ID, rs[0].ID)
	s.draining(rs[2].ID)
}

func drainEnds(s *suite) {
	rs := s.ready(2)
	s.hold(rs)
	s.scale(1, rs[0].ID)
	s.draining(rs[0].ID)
	s.scale(1) // asked again while it drains: nothing more
	s.draining(rs[0].ID)
	s.h.Hold(rs[0].ID, false)
	s.until("only the other left", func(now []weir.Replica) bool {
		return len(now) == 1 && now[0].ID == rs[1].ID && now[0].State == weir.Ready
	})
}

func takeBack(s *suite) {
	rs := s.ready(3)
	s.hold(rs)
	s.scale(1, rs[0].ID, rs[2].ID)
	s.draining(rs[0].ID, rs[2].ID)
	s.scale(2)
	s.draining(rs[0].ID) // the newest of the two came back
	back := s.until("2 ready", func(rs []weir.Replica) bool { return len(in(rs, weir.Ready)) == 2 })
	for _, r := range back {
		if r.ID == rs[2].ID && r.ReadyAt != rs[2].ReadyAt {
			s.Errorf("%s was never cold and has another ready time than before", r.ID)
		}
	}
	s.scale(3)
	now := s.until("3 ready", func(rs []weir.Replica) bool { return len(in(rs, weir.Ready)) == 3 })
	if !same(in(now, weir.Ready), in(rs, weir.Ready)) {
		s.Fatalf("started new ones while some could be taken back:\n%s", list(now))
	}
	for _, r := range rs {
		s.h.Hold(r.ID, false)
	}
}
