package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"weir"
	"weir/config"
	"weir/fleet/process"
	"weir/peers"
	"weir/scale"
	"weir/store"
)

// office is a node's part among the gateways on one database: it stands for
// election, and what it does when elected is to have the process place, step
// the scaler, and tell the others.
//
//	election ─▶ serve ─▶ process place ◀─ scaler
//	               exchange ◀─ replicas, state, decisions
//	                  │  ▲
//	                  ▼  │ demand of all, replicas for all
//	               PostgreSQL
type office struct {
	n        *node
	host     string
	place    *sharedPlace
	election *peers.Election
	exchange *peers.Exchange
}

// newOffice makes the parts; nothing runs yet.
func newOffice(n *node, c *config.Config, o process.Options) (*office, error) {
	name, err := gatewayName(c.Store)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("this host has no name, by which other gateways could tell where replicas run: %w", err)
	}
	instance := name + "/" + rand.Text()
	// A fifth less, so that with the time until the next candidate asks there is
	// somebody in office within what the configuration says.
	lease := c.Store.Lease * 8 / 10
	f := &office{n: n, host: host}
	f.election = peers.NewElection(peers.ElectionOptions{
		Lease: lease, Serve: f.serve, Log: n.log,
		Take: func(ctx context.Context) (store.Term, error) {
			return n.ledger.TakeLease(ctx, store.ScalerLease, instance, lease)
		},
		Give: func(ctx context.Context, t store.Term) error { return n.ledger.GiveLease(ctx, store.ScalerLease, t) },
	})
	f.exchange = peers.NewExchange(peers.ExchangeOptions{
		DB: n.ledger, Instance: instance, Name: name, Host: host, Leader: f.election.Leader, Deployments: n.processNames,
		Demand: func(now weir.Instant, deployment string) (scale.Observation, error) {
			return n.scaler.here(now, deployment)
		},
		Replicas: func(ctx context.Context, deployment string) ([]weir.Replica, error) {
			return f.place.own(ctx, deployment)
		},
		Log: n.log,
	})
	f.place = &sharedPlace{options: o, host: host, office: f.election.Leader, exchange: f.exchange, log: n.log}
	f.place.options.Deployments = nil
	return f, f.place.Configure(o.Deployments)
}

// in says whether this gateway is in office now.
func (f *office) in() bool {
	_, in := f.election.Leader()
	return in
}

// serve is one term of office.
func (f *office) serve(ctx context.Context, term store.Term) error {
	if err := f.elsewhere(ctx); err != nil {
		return err
	}
	fleet, err := f.place.take(ctx)
	if err != nil {
		return err
	}
	defer f.place.leave()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var both errgroup.Group
	both.Go(func() error { defer cancel(); return fleet.Run(ctx) }) // also gives the place back
	both.Go(func() error {
		defer cancel()
		states, err := peers.States(ctx, f.n.ledger)
		if err == nil {
			err = f.exchange.Begin(ctx, term)
		}
		if err != nil {
			return err
		}
		return f.n.scaler.serve(ctx, states, term)
	})
	return both.Wait()
}

// elsewhere says why this gateway must not have the place: gateways of another
// machine are there to scale what runs on that one.
func (f *office) elsewhere(ctx context.Context) error {
	published, err := f.n.ledger.Published(ctx)
	if err != nil {
		return err
	}
	gateways, err := f.n.ledger.Gateways(ctx, 2*f.n.config.Load().Store.Lease)
	if err != nil {
		return err
	}
	alive := map[string]bool{}
	for _, g := range gateways {
		alive[g.Host] = true
	}
	for _, p := range published {
		if p.Host != f.host && alive[p.Host] && string(p.Replicas) != "[]" && string(p.Replicas) != "null" {
			return fmt.Errorf("replicas of %s run as processes of %s, and a gateway there is up: gateways that share processes must be on one machine", p.Name, p.Host)
		}
	}
	return nil
}

// busy says how many requests of all gateways a replica works on, -1 when that
// is not known.
func (f *office) busy(replica string) int {
	for name, d := range f.n.demands() {
		for _, r := range d.Here.PerReplica {
			if r.ID == replica {
				return f.exchange.Busy(name, replica, r.InFlight)
			}
		}
	}
	return -1
}

// demand is that of all gateways together.
func (f *office) demand(now weir.Instant, deployment string) (scale.Observation, error) {
	own, err := f.n.scaler.here(now, deployment)
	if err != nil {
		return own, err
	}
	return f.exchange.Demand(deployment, own)
}

// stepped keeps what the next gateway in office needs.
func (f *office) stepped(deployment string, s scale.State) {
	if err := f.exchange.Remember(deployment, s); err != nil {
		f.n.log.Error("the next gateway in office will not know the history", "error", err)
	}
}

// acted writes a decision down where all gateways see it.
func (f *office) acted(term store.Term, deployment string, d scale.Decision) {
	if err := f.exchange.Decided(term, deployment, d); err != nil {
		f.n.log.Error("the decision is in the journal only", "error", err)
	}
}

// run stands for election and talks to the others until ctx ends.
func (f *office) run(ctx context.Context) error {
	talking, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var talk errgroup.Group
	talk.Go(func() error { return f.exchange.Run(talking) })
	err := f.election.Run(ctx)
	stop()
	return errors.Join(err, talk.Wait())
}

// gatewayView is one of the gateways on a database as operators see it.
type gatewayView struct {
	Gateway  string  `json:"gateway"`
	Instance string  `json:"instance"`
	Host     string  `json:"host"`
	Heard    float64 `json:"heard_seconds_ago"`
	Token    int64   `json:"leader_term,omitempty"` // 0: another scales
}

// gateways are those on the same database that were heard of lately; none
// where the store is a file.
func (n *node) gateways(ctx context.Context) ([]gatewayView, error) {
	views := []gatewayView{}
	if n.office == nil {
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
			v.Token = term.Token
		}
		views = append(views, v)
	}
	return views, nil
}

// How long operators wait for the database, and how long a gateway that has
// fallen silent is shown.
const (
	adminWait   = 5 * time.Second
	heardLately = time.Minute
)
