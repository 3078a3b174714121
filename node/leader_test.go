package node

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/fleet"
	"weir/fleet/shared"
	"weir/peers"
	"weir/store"
	"weir/store/storetest"
)

// Processes listen on their machine's loopback. A gateway of another machine
// neither sends to them nor takes the lead from gateways that can.
func TestProcessesOfAnotherMachineAreLeftToItsGateways(t *testing.T) {
	db, err := store.OpenPostgres(t.Context(), store.PostgresOptions{URL: storetest.Start(t).Database(), Gateway: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	term, err := db.TakeLease(t.Context(), store.ScalerLease, "there/1", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	replicas, err := json.Marshal([]weir.Replica{{ID: "1", Deployment: "m/d", Addr: "http://127.0.0.1:20000", State: weir.Ready}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Publish(t.Context(), term, store.Deployment{Name: "m/d", Host: "there", Replicas: replicas}); err != nil {
		t.Fatal(err)
	}
	if err := db.Tell(t.Context(), store.Gateway{Instance: "there/1", Name: "there", Host: "there", Load: []byte("{}")}); err != nil {
		t.Fatal(err)
	}
	here, there := placeAt(t, db, "here"), placeAt(t, db, "there")
	for _, c := range []struct {
		place *shared.Place
		host  string
		want  int
	}{{here, "here", 0}, {there, "there", 1}} {
		rs, err := c.place.Status(t.Context(), "m/d")
		if err != nil || len(rs) != c.want {
			t.Errorf("at %q there are %d replicas, %v; want %d", c.host, len(rs), err, c.want)
		}
		if err := c.place.Scale(t.Context(), "m/d", 0, nil); !errors.Is(err, fleet.ErrNotLeading) {
			t.Errorf("at %q, which does not lead: %v", c.host, err)
		}
	}
	setup := &Setup{Store: Store{Lease: time.Hour}}
	leaderAt := func(host string) *leader {
		return &leader{o: leaderOptions{ledger: db, setup: func() *Setup { return setup }}, host: host}
	}
	if err := leaderAt("there").mayTake(t.Context()); err != nil {
		t.Error(err)
	}
	other := leaderAt("here")
	if err := other.mayTake(t.Context()); err == nil || !strings.Contains(err.Error(), "replicas of m/d run as processes of there") {
		t.Error(err)
	}
	// Replicas of a place that any gateway may have are no reason.
	setup.Deployments = []Deployment{{Name: "m/d", Place: "cluster"}}
	if err := other.mayTake(t.Context()); err != nil {
		t.Error(err)
	}
	setup.Deployments = nil
	if err := db.Leave(t.Context(), "there/1"); err != nil {
		t.Fatal(err)
	}
	if err := other.mayTake(t.Context()); err != nil {
		t.Errorf("no gateway is left there: %v", err)
	}
}

// placeAt is the place as a follower of that host sees it.
func placeAt(t *testing.T, db *store.DB, host string) *shared.Place {
	out := func() (store.Term, bool) { return store.Term{}, false }
	x := peers.NewExchange(peers.ExchangeOptions{DB: db, Instance: host + "/2", Name: host, Host: "nowhere", Leader: out,
		Deployments: func() []string { return nil }})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- x.Run(ctx) }()
	for began := time.Now(); x.Host("m/d") == "" && time.Since(began) < time.Minute; {
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	return shared.New(shared.Options{
		Name: "processes", Host: host, Leads: func() bool { return false }, Deployments: func() []string { return []string{"m/d"} },
		Published: func(deployment string) (string, []weir.Replica) { return x.Host(deployment), x.Replicas(deployment) },
	})
}
