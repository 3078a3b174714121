package fleettest

import (
	"slices"

	"weir"
)

// hold makes all of rs busy, which keeps a drain visible.
func (s *suite) hold(rs []weir.Replica) {
	for _, r := range rs {
		s.h.Hold(r.ID, true)
	}
}

// draining waits until exactly these drain, in any order.
func (s *suite) draining(want ...string) {
	s.Helper()
	want = slices.Sorted(slices.Values(want))
	s.until("draining exactly the ones wanted", func(rs []weir.Replica) bool {
		have := in(rs, weir.Draining)
		slices.Sort(have)
		return same(have, want)
	})
}

// victims are the replicas at these indexes of rs, in that order; at a place
// where only the newest can go, as many of the newest.
func (s *suite) victims(rs []weir.Replica, at ...int) []string {
	ids := make([]string, len(at))
	for i, n := range at {
		if s.h.NewestFirst {
			n = len(rs) - 1 - i
		}
		ids[i] = rs[n].ID
	}
	return ids
}

func victimsInOrder(s *suite) {
	rs := s.ready(4)
	s.hold(rs)
	v := s.victims(rs, 1, 3, 0)
	s.scale(3, v...)
	s.draining(v[0])
	s.scale(1, v[1:]...)
	s.draining(v...)
	for _, id := range live(rs) {
		if have := live(s.status()); !slices.Contains(v, id) && !same(have, []string{id}) {
			s.Fatalf("left %v, want %s", have, id)
		}
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
	v := s.victims(rs, 1)[0]
	s.scale(1, "never-existed", v, v)
	s.until("2 drain", func(rs []weir.Replica) bool { return len(in(rs, weir.Draining)) == 2 })
	if !slices.Contains(in(s.status(), weir.Draining), v) {
		s.Fatalf("%s was named and does not drain", v)
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
	v := s.victims(rs, 0)[0]
	s.scale(1, v)
	s.draining(v)
	s.scale(1) // asked again while it drains: nothing more
	s.draining(v)
	s.h.Hold(v, false)
	s.until("only the other left", func(now []weir.Replica) bool {
		return len(now) == 1 && now[0].ID != v && now[0].State == weir.Ready
	})
}

func takeBack(s *suite) {
	rs := s.ready(3)
	s.hold(rs)
	v := s.victims(rs, 0, 2)
	s.scale(1, v...)
	s.draining(v...)
	s.scale(2)
	s.draining(v[0]) // the newest of the two came back, or the one that would have gone last
	back := s.until("2 ready", func(rs []weir.Replica) bool { return len(in(rs, weir.Ready)) == 2 })
	for _, r := range back {
		for _, was := range rs {
			if r.ID == was.ID && r.ReadyAt != was.ReadyAt {
				s.Errorf("%s was never cold and has another ready time than before", r.ID)
			}
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
