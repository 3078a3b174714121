package node

import (
	"errors"
	"slices"
	"testing"

	"weir"
	"weir/fleet"
	"weir/scale"
)

func ready(ids ...string) (rs []weir.Replica) {
	for _, id := range ids {
		rs = append(rs, weir.Replica{ID: id, State: weir.Ready})
	}
	return rs
}

// Looks are passed on in the order they were made, whichever goroutine began
// first. Unchanged replicas are not passed on; refused ones are, again.
func TestReplicasAreHandedOnInTheOrderTheyWereLookedUp(t *testing.T) {
	var have [][]weir.Replica
	var refuse error
	r := newReplicas(func(_ string, rs []weir.Replica) error {
		if refuse == nil {
			have = append(have, rs)
		}
		return refuse
	})
	newer := make(chan bool)
	r.look("d", func() ([]weir.Replica, error) {
		go func() { newer <- true; r.heard("d", ready("1", "2")); newer <- true }()
		<-newer // it has begun, and waits until this look is passed on
		return ready("1"), nil
	})
	<-newer
	r.heard("d", ready("1", "2"))
	r.look("d", func() ([]weir.Replica, error) { return nil, errors.New("taken out") })
	if want := [][]weir.Replica{ready("1"), ready("1", "2")}; !slices.EqualFunc(have, want, slices.Equal) {
		t.Errorf("handed on %v", have)
	}
	refuse = errors.New("a reload has taken it out")
	r.heard("d", ready("3"))
	refuse = nil
	if r.heard("d", ready("3")); len(have) != 3 {
		t.Error("what was refused once is lost")
	}
}

// Replicas reported before the gateway knew their deployment are not lost:
// nothing changes at the place after the reload, and callers reach them.
func TestReplicasHeardOfBeforeTheirDeploymentAreThereAfterIt(t *testing.T) {
	dir, place := t.TempDir(), openRooms()
	if err := place.Scale(t.Context(), "m/own", 1, nil); err != nil {
		t.Fatal(err)
	}
	o := optionsOf(t, dir, setupOf(dir, Deployment{Name: "m/there"}, answering(t, "there")))
	o.Places = []Place{{Name: "rooms", Open: func(Host) (fleet.Place, error) { return place, nil }}}
	o.Load = func() (Setup, error) {
		return setupOf(dir, Deployment{Name: "m/own", Place: "rooms", Scaling: &Scaling{Policy: scale.Policy{Min: 1, Max: 1}}}), nil
	}
	n, _ := running(t, o)
	n.says(t, "there")
	if err := n.reload(); err != nil {
		t.Fatal(err)
	}
	n.says(t, "from room-1")
}

// A deployment that one reload removes and another adds again has its replicas,
// though they never changed.
func TestADeploymentThatComesBackHasItsReplicas(t *testing.T) {
	dir, place := t.TempDir(), openRooms()
	if err := place.Scale(t.Context(), "m/own", 1, nil); err != nil {
		t.Fatal(err)
	}
	own := setupOf(dir, Deployment{Name: "m/own", Place: "rooms", Scaling: &Scaling{Policy: scale.Policy{Min: 1, Max: 1}}})
	next := setupOf(dir, Deployment{Name: "m/there"}, answering(t, "there"))
	o := optionsOf(t, dir, own)
	o.Places = []Place{{Name: "rooms", Open: func(Host) (fleet.Place, error) { return place, nil }}}
	o.Load = func() (Setup, error) { return next, nil }
	n, _ := running(t, o)
	n.says(t, "from room-1")
	if err := n.reload(); err != nil {
		t.Fatal(err)
	}
	n.says(t, "there")
	next = own
	if err := n.reload(); err != nil {
		t.Fatal(err)
	}
	n.says(t, "from room-1")
}

// A start refuses whatever a place would refuse at a reload, even if the place
// is opened later, by the leader, or never.
func TestAStartRefusesWhatAPlaceWouldRefuse(t *testing.T) {
	dir, refused := t.TempDir(), errors.New("no room has a port")
	s := setupOf(dir, Deployment{Name: "m/there"}, answering(t, "there"))
	s.Changes = []fleet.Change{{
		Check: func() error { return refused },
		Apply: func() error { t.Error("nothing is applied at a start"); return nil },
	}}
	if _, err := New(optionsOf(t, dir, s)); !errors.Is(err, refused) {
		t.Error(err)
	}
}
