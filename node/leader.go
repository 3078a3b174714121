package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"weir"
	"weir/fleet"
	"weir/fleet/shared"
	"weir/peers"
	"weir/scale"
	"weir/store"
)

// leader is a node's part among the gateways on one database. It is a candidate
// in the election. When elected, it opens the places that only one gateway may
// have, runs the scaler, and publishes to the other gateways.
//
//	election ─▶ serve ─▶ places ◀─ scaler
//	               exchange ◀─ replicas, state, decisions
//	                  │  ▲
//	                  ▼  │ demand of all, replicas for all
//	               PostgreSQL
type leader struct {
	o        leaderOptions
	host     string
	shared   []*shared.Place
	election *peers.Election
	exchange *peers.Exchange
}

// leaderOptions are the funcs a leader needs.
type leaderOptions struct {
	ledger   *store.DB
	setup    func() *Setup                                                        // in force
	here     func(now weir.Instant, deployment string) (scale.Observation, error) // demand at this gateway
	inFlight func(deployment, replica string) int                                 // at this gateway
	replicas func(ctx context.Context, deployment string) ([]weir.Replica, error) // of the place itself
	scale    func(ctx context.Context, states map[string]scale.State, term store.Term) error
	keda     *kedaScaler                   // nil: KEDA scales nothing
	bounds   func() map[string]peers.Bound // of this gateway's decisions
	bounded  func(map[string]peers.Bound)  // takes those of another that leads
	log      *slog.Logger
}

// newLeader makes the parts; nothing runs yet. It is nil where the store is a
// file, which only one gateway can use.
func (n *Node) newLeader(s *Setup) (*leader, error) {
	if s.Store.Postgres == "" {
		return nil, nil
	}
	return newLeader(s.Store, leaderOptions{
		ledger: n.ledger, setup: n.setup.Load, here: n.demand, inFlight: n.gateway.InFlight, replicas: n.own,
		scale: func(ctx context.Context, states map[string]scale.State, term store.Term) error {
			return n.lead(ctx, states, term)
		},
		bounds:  func() map[string]peers.Bound { return n.short.bounds(n.setup.Load().placed(), n.scaler.full) },
		bounded: func(all map[string]peers.Bound) { n.short.follow(all) },
		keda:    n.keda, log: n.log,
	})
}

// lead scales in one term.
func (n *Node) lead(ctx context.Context, states map[string]scale.State, term store.Term) error {
	defer n.metrics.Undecided()
	n.short.lead(true)
	defer n.short.lead(false)
	if n.keda != nil {
		n.keda.forget()
		defer n.keda.forget()
	}
	return n.scaler.serve(ctx, states, term)
}

func newLeader(s Store, o leaderOptions) (*leader, error) {
	name, err := gatewayName(s)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("this host has no name, so other gateways could not tell where replicas run: %w", err)
	}
	instance := name + "/" + rand.Text()
	// A fifth less: the next candidate asks some time after the lease has run
	// out, and must still lead within the configured time.
	lease := s.Lease * 8 / 10
	l := &leader{o: o, host: host}
	l.election = peers.NewElection(peers.ElectionOptions{
		Lease: lease, Serve: l.serve, Log: o.log,
		Take: func(ctx context.Context) (store.Term, error) {
			return o.ledger.TakeLease(ctx, store.ScalerLease, instance, lease)
		},
		Give: func(ctx context.Context, t store.Term) error { return o.ledger.GiveLease(ctx, store.ScalerLease, t) },
	})
	x := peers.ExchangeOptions{
		DB: o.ledger, Instance: instance, Name: name, Host: host, Leader: l.election.Leader,
		Deployments: func() []string { return o.setup().placed() },
		Demand:      o.here, Replicas: o.replicas, Changed: l.heard, Log: o.log,
	}
	x.Wanted, x.Bounds = func() map[string]int { return nil }, o.bounds
	if o.keda != nil {
		x.Wanted = o.keda.decisions
	}
	x.Heard = func(wanted map[string]int, bounds map[string]peers.Bound) {
		if l.leads() {
			return
		}
		if o.keda != nil {
			o.keda.heard(wanted)
		}
		o.bounded(bounds)
	}
	l.exchange = peers.NewExchange(x)
	return l, nil
}

// share makes a place that this gateway opens while it leads.
func (l *leader) share(name string, open func() (fleet.Place, error), deployments func() []string) *shared.Place {
	p := shared.New(shared.Options{
		Name: name, Open: open, Deployments: deployments, Leads: l.leads, Host: l.host, Log: l.o.log,
		Published: func(deployment string) (string, []weir.Replica) {
			return l.exchange.Host(deployment), l.exchange.Replicas(deployment)
		},
	})
	l.shared = append(l.shared, p)
	return p
}

// heard passes on that the leader has published a deployment's replicas.
func (l *leader) heard(deployment string) {
	for _, p := range l.shared {
		if p.Knows(deployment) {
			p.Heard(deployment)
		}
	}
}

// leads says whether this gateway is the leader now.
func (l *leader) leads() bool {
	_, leads := l.election.Leader()
	return leads
}

// serve is one term as the leader.
func (l *leader) serve(ctx context.Context, term store.Term) error {
	if err := l.mayTake(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var all errgroup.Group
	for _, p := range l.shared {
		run, err := p.Take(ctx)
		if err != nil {
			cancel()
			return errors.Join(err, all.Wait())
		}
		all.Go(func() error { defer cancel(); return run(ctx) }) // also gives the place back
	}
	all.Go(func() error {
		defer cancel()
		states, err := peers.States(ctx, l.o.ledger)
		if err == nil {
			err = l.exchange.Begin(ctx, term)
		}
		if err != nil {
			return err
		}
		return l.o.scale(ctx, states, term)
	})
	return all.Wait()
}

// mayTake says why this gateway must not open the places: if their replicas run
// on another machine, the gateways of that machine scale them.
func (l *leader) mayTake(ctx context.Context) error {
	published, err := l.o.ledger.Published(ctx)
	if err != nil {
		return err
	}
	gateways, err := l.o.ledger.Gateways(ctx, 2*l.o.setup().Store.Lease)
	if err != nil {
		return err
	}
	for _, p := range published {
		alive := slices.ContainsFunc(gateways, func(g store.Gateway) bool { return g.Host == p.Host })
		if p.Host != l.host && alive && l.takes(p.Name) && string(p.Replicas) != "[]" && string(p.Replicas) != "null" {
			return fmt.Errorf("replicas of %s run as processes of %s, where a gateway is up: gateways that share processes must be on one machine", p.Name, p.Host)
		}
	}
	return nil
}

// takes says whether the leader opens a deployment's place.
func (l *leader) takes(deployment string) bool {
	for _, d := range l.o.setup().Deployments {
		if d.Name == deployment {
			return slices.ContainsFunc(l.shared, func(p *shared.Place) bool { return p.Knows(deployment) })
		}
	}
	return true // a deployment of an earlier setup, or of another gateway's
}

// busy is how many requests of all gateways a replica works on; -1 if unknown.
func (l *leader) busy(deployment, replica string) int {
	own := l.o.inFlight(deployment, replica)
	if own < 0 {
		return -1
	}
	return l.exchange.Busy(deployment, replica, own)
}

// demand is the demand at all gateways together.
func (l *leader) demand(now weir.Instant, deployment string) (scale.Observation, error) {
	own, err := l.o.here(now, deployment)
	if err != nil {
		return own, err
	}
	return l.exchange.Demand(deployment, own)
}

// remember stores the scaling state for the next leader.
func (l *leader) remember(deployment string, s scale.State) {
	if err := l.exchange.Remember(deployment, s); err != nil {
		l.o.log.Error("the next leader will not know the history", "error", err)
	}
}

// acted publishes a decision to all gateways.
func (l *leader) acted(term store.Term, deployment string, d scale.Decision) {
	if err := l.exchange.Decided(term, deployment, d); err != nil {
		l.o.log.Error("the decision is in the journal only", "error", err)
	}
}

// run takes part in the election and the exchange until ctx ends.
func (l *leader) run(ctx context.Context) error {
	talking, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var talk errgroup.Group
	talk.Go(func() error { return l.exchange.Run(talking) })
	err := l.election.Run(ctx)
	stop()
	return errors.Join(err, talk.Wait())
}

// gatewayView is one of the gateways on a database as operators see it.
type gatewayView struct {
	Gateway  string  `json:"gateway"`
	Instance string  `json:"instance"`
	Host     string  `json:"host"`
	Heard    float64 `json:"heard_seconds_ago"`
	Term     int64   `json:"leader_term,omitempty"` // 0: another gateway leads
}

// gateways are the gateways on the same database heard from recently; none
// where the store is a file.
func (n *Node) gateways(ctx context.Context) ([]gatewayView, error) {
	views := []gatewayView{}
	if n.leader == nil {
		return views, nil
	}
	ctx, cancel := context.WithTimeout(ctx, adminWait)
	defer cancel()
	term, err := n.ledger.Holder(ctx, store.ScalerLease)
	if err != nil {
		return nil, err
	}
	all, err := n.ledger.Gateways(ctx, heardLately)
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		v := gatewayView{Gateway: g.Name, Instance: g.Instance, Host: g.Host, Heard: g.Age.Seconds()}
		if g.Instance == term.Holder {
			v.Term = term.Token
		}
		views = append(views, v)
	}
	return views, nil
}

// How long operators wait for the database, and how long a silent gateway is
// still listed.
const (
	adminWait   = 5 * time.Second
	heardLately = time.Minute
)
