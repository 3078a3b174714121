package peers

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"weir"
	"weir/scale"
	"weir/store"
	"weir/store/storetest"
)

// gateway is one gateway of a test: its demand and the replicas of its place.
type gateway struct {
	*Exchange
	db       *store.DB
	in       atomic.Pointer[store.Term]
	demand   scale.Observation
	replicas []weir.Replica
}

func newGateway(t *testing.T, db *store.DB, name string) *gateway {
	g := &gateway{db: db}
	g.Exchange = NewExchange(ExchangeOptions{
		DB: db, Instance: name, Name: name, Host: "here",
		Leader: func() (store.Term, bool) {
			if term := g.in.Load(); term != nil {
				return *term, true
			}
			return store.Term{}, false
		},
		Deployments: func() []string { return []string{"m/d"} },
		Demand:      func(weir.Instant, string) (scale.Observation, error) { return g.demand, nil },
		Replicas:    func(context.Context, string) ([]weir.Replica, error) { return g.replicas, nil },
	})
	return g
}

func (g *gateway) elect(t *testing.T) {
	t.Helper()
	term, err := g.db.TakeLease(t.Context(), store.ScalerLease, g.o.Instance, 0) // over at once: the next one can take it
	if err != nil {
		t.Fatal(err)
	}
	g.in.Store(&term)
}

func (g *gateway) rounds(t *testing.T, others ...*gateway) {
	t.Helper()
	for _, x := range append([]*gateway{g}, others...) {
		if err := x.round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func two(t *testing.T) (leader, follower *gateway) {
	db, err := store.OpenPostgres(t.Context(), store.PostgresOptions{URL: storetest.Start(t).Database(), Gateway: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	leader, follower = newGateway(t, db, "leader"), newGateway(t, db, "follower")
	leader.elect(t)
	return leader, follower
}

func TestFollowersKnowTheReplicasAndTheLeaderTheDemand(t *testing.T) {
	leader, follower := two(t)
	leader.replicas = []weir.Replica{{ID: "1", Deployment: "m/d", Addr: "http://127.0.0.1:20000", State: weir.Ready, ReadyAt: 7}}
	follower.demand = scale.Observation{InFlight: 3, Waiting: 2}
	if _, err := leader.Demand("m/d", leader.demand); err == nil {
		t.Fatal("a demand before the others were heard is half of it")
	}
	follower.rounds(t, leader, follower)
	if got := follower.Replicas("m/d"); len(got) != 1 || got[0] != leader.replicas[0] || follower.Host("m/d") != "here" {
		t.Fatalf("%+v at %q", got, follower.Host("m/d"))
	}
	o, err := leader.Demand("m/d", scale.Observation{InFlight: 1})
	if err != nil || o.InFlight != 4 || o.Waiting != 2 {
		t.Fatalf("%+v, %v", o, err)
	}
}

// A replica is idle only when every gateway has reported that it sends it no
// more requests and has none there.
func TestADrainingReplicaIsBusyUntilEveryGatewaySaidOtherwise(t *testing.T) {
	leader, follower := two(t)
	busy := func(want int, when string) {
		t.Helper()
		if got := leader.Busy("m/d", "1", 0); got != want {
			t.Fatalf("%s: busy %d, want %d", when, got, want)
		}
	}
	follower.demand.PerReplica = map[string]scale.Load{"1": {InFlight: 2}}
	leader.replicas = []weir.Replica{{ID: "1", State: weir.Ready}}
	leader.rounds(t, follower)
	leader.replicas = []weir.Replica{{ID: "1", State: weir.Draining}}
	busy(-1, "nobody knows of the drain")
	leader.rounds(t)
	busy(-1, "the follower has not heard of it")
	follower.rounds(t, leader)
	busy(-1, "it has heard, and not said so")
	follower.rounds(t, leader)
	busy(2, "it has two requests there")
	follower.demand.PerReplica = nil
	follower.rounds(t, leader)
	busy(0, "it has none any more")
	if got := leader.Busy("m/d", "1", 5); got != 5 {
		t.Fatalf("the leader's own: %d", got)
	}
	if got := follower.Busy("m/d", "1", 0); got != -1 {
		t.Fatalf("a follower cannot say: %d", got)
	}
}

func TestTheNextLeaderHasTheStateAndTheOldOneChangesNothing(t *testing.T) {
	leader, follower := two(t)
	leader.replicas = []weir.Replica{{ID: "1", State: weir.Ready}}
	leader.rounds(t)
	old := *leader.in.Load()
	if err := errors.Join(leader.Remember("m/d", scale.State{Want: 3}), leader.Decided(old, "m/d", scale.Decision{Want: 3})); err != nil {
		t.Fatal(err)
	}
	leader.saved = leader.saved.Add(-saveEvery)
	leader.rounds(t)
	follower.rounds(t)
	follower.elect(t)
	states, err := States(t.Context(), follower.db)
	if err != nil || states["m/d"].Want != 3 {
		t.Fatalf("%+v, %v", states, err)
	}
	// The old one wakes up and still believes it is the leader.
	leader.replicas = nil
	if err := leader.Decided(old, "m/d", scale.Decision{Want: 0}); err != nil {
		t.Fatal(err)
	}
	if err := leader.round(t.Context()); !errors.Is(err, store.ErrNotLeader) {
		t.Fatal(err)
	}
	leader.in.Store(nil)
	leader.rounds(t)
	if got := leader.Replicas("m/d"); len(got) != 1 {
		t.Fatalf("as a follower it knows what runs: %+v", got)
	}
	decisions, err := leader.db.Decisions(t.Context(), 10)
	if err != nil || len(decisions) != 1 || decisions[0].Term != old {
		t.Fatalf("%+v, %v", decisions, err)
	}
}

func TestFollowersHearWhatTheLeaderLastDecided(t *testing.T) {
	leader, follower := two(t)
	wanted := map[string]int{"m/d": 3}
	bound := Bound{Why: "quota", Text: "quota gpus: 3 of 3", Again: 9}
	var heard map[string]int
	var bounds map[string]Bound
	for _, g := range []*gateway{leader, follower} {
		g.o.Wanted = func() map[string]int { return wanted }
		g.o.Bounds = func() map[string]Bound { return map[string]Bound{"m/d": bound} }
		g.o.Heard = func(all map[string]int, by map[string]Bound) { heard, bounds = all, by }
	}
	leader.rounds(t, follower)
	if heard["m/d"] != 3 || bounds["m/d"] != bound {
		t.Errorf("heard %v and %v, want m/d 3 and %v", heard, bounds, bound)
	}
	wanted = map[string]int{"m/d": 0}
	leader.rounds(t, follower)
	if n, ok := heard["m/d"]; !ok || n != 0 {
		t.Errorf("heard %v, want m/d 0", heard)
	}
	leader.in.Store(nil)
	leader.rounds(t, follower)
	if heard != nil || bounds != nil {
		t.Errorf("heard %v and %v where no gateway leads", heard, bounds)
	}
}
