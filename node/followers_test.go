package node

import (
	"context"
	"strings"
	"testing"
	"time"

	"weir"
	"weir/fleet"
	"weir/scale"
	"weir/store/storetest"
)

// fullHouse is a place that has no replica to give.
type fullHouse struct{}

func (fullHouse) Status(context.Context, string) ([]weir.Replica, error) { return nil, nil }
func (fullHouse) Run(ctx context.Context) error                          { <-ctx.Done(); return nil }
func (fullHouse) Room(string) int                                        { return 0 }
func (fullHouse) Bound(string) (int, string, string)                     { return 0, fleet.WhyQuota, "all rooms are taken" }
func (fullHouse) Again(string) time.Time                                 { return time.Time{} }
func (fullHouse) Scale(context.Context, string, int, []string) error     { return fleet.ErrNoCapacity }

// Of two gateways on one store each refuses a request for which no replica can
// come, in the words of the place: the one that leads and the one that does not.
func TestEveryGatewayRefusesWhatNoReplicaCanServe(t *testing.T) {
	url := storetest.Start(t).Database()
	var all []*Node
	for _, name := range []string{"a", "b"} {
		dir := t.TempDir()
		s := setupOf(dir, Deployment{Name: "m/own", Place: "full", Scaling: &Scaling{Policy: scale.Policy{Max: 2, MaxConcurrency: 4}}})
		s.Store = Store{Postgres: url, Gateway: name, Lease: 5 * time.Second, FlushEvery: time.Second, Retention: time.Hour}
		s.Gateway.Models[0].Queue.MaxWait = 5 * time.Minute
		o := optionsOf(t, dir, s)
		o.Places = []Place{{Name: "full", Open: func(Host) (fleet.Place, error) { return fullHouse{}, nil }}}
		n, _ := running(t, o)
		all = append(all, n)
	}
	for i, n := range all {
		if status, body := n.ask(t); status != 503 || !strings.Contains(body, `"code":"no_capacity"`) || !strings.Contains(body, "all rooms are taken") {
			t.Errorf("gateway %d: %d %s", i, status, body)
		}
	}
}
