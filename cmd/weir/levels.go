package main

import (
	"context"
	"errors"
	"maps"
	"slices"

	"weir"
	"weir/gateway"
	"weir/observe"
	"weir/wire"
)

// This file reads the node's levels of the moment: for metrics, operators, the
// process place and the demonstration.

// demands is the demand on every deployment of the configuration in force.
func (n *node) demands() map[string]gateway.Demand {
	c := n.config.Load()
	ds := map[string]gateway.Demand{}
	for _, m := range c.Models {
		for _, d := range m.Deployments {
			if have, err := n.gateway.Demand(d.Name); err == nil { // else a reload is under way
				ds[d.Name] = have
			}
		}
	}
	return ds
}

// levels is asked at each scrape.
func (n *node) levels() []observe.Level {
	c := n.config.Load()
	ds := n.demands()
	var ls []observe.Level
	for _, m := range c.Models {
		for i, d := range m.Deployments {
			have, ok := ds[d.Name]
			if !ok {
				continue
			}
			if i == 0 {
				ls = append(ls, observe.Level{Model: m.Name, Waiting: have.Model.Waiting, WaitingTokens: have.Model.WaitingWork})
			}
			ls = append(ls, observe.Level{Model: m.Name, Deployment: d.Name, InFlight: have.Here.InFlight, InFlightTokens: have.Here.InFlightWork, QuotaUse: have.Here.QuotaUse})
		}
	}
	return ls
}

// levelOf is what waits for the model of a deployment, and what is at its
// replicas.
func (n *node) levelOf(deployment string) (waiting, inFlight int) {
	d, err := n.gateway.Demand(deployment)
	if err != nil {
		return 0, 0
	}
	return d.Model.Waiting, d.Here.InFlight
}

// replicaLoad is what one replica holds.
type replicaLoad struct {
	ID             string
	InFlight, Work int
}

// loads is what every replica holds.
func (n *node) loads() []replicaLoad {
	var ls []replicaLoad
	ds := n.demands()
	for _, name := range slices.Sorted(maps.Keys(ds)) {
		for _, r := range ds[name].Here.PerReplica {
			ls = append(ls, replicaLoad{r.ID, r.InFlight, r.Work})
		}
	}
	return ls
}

// replicas are all that Weir runs itself.
func (n *node) replicas() []weir.Replica {
	var all []weir.Replica
	for _, name := range n.processNames() {
		if rs, err := n.fleet.Status(context.Background(), name); err == nil {
			all = append(all, rs...)
		}
	}
	return all
}

// replicaViews shows all replicas to operators.
func (n *node) replicaViews() []replicaView {
	byID := map[string]replicaLoad{}
	for _, l := range n.loads() {
		byID[l.ID] = l
	}
	views := []replicaView{}
	for _, r := range n.replicas() {
		l := byID[r.ID]
		views = append(views, viewOf(r, l.InFlight, l.Work))
	}
	return views
}

// limitUses is how much of limits and budgets is used.
func (n *node) limitUses() []observe.LimitUse {
	uses := n.gateway.LimitUses(observe.MaxLimits)
	shown := make([]observe.LimitUse, len(uses))
	for i, u := range uses {
		shown[i] = observe.LimitUse{Scope: u.Scope.String(), Limit: string(u.Kind), Ratio: u.Ratio}
	}
	return shown
}

func (n *node) ledgerState() observe.Ledger {
	s := n.writer.Stats()
	return observe.Ledger{Rows: s.Rows, Lag: s.Lag, Written: s.Written, Failures: s.Failures, Coarsened: s.Coarsened}
}

// readiness says why callers should not be sent here, if so: no model has a
// replica that could take them, nor one that is coming.
func (n *node) readiness() error {
	if !n.gateway.Ready() {
		return errors.New("weir stops: requests in flight are answered, new ones are not")
	}
	c := n.config.Load()
	for _, m := range c.Models {
		for _, d := range m.Deployments {
			if d.Process == nil {
				return nil // an upstream that is there; its health shows by requests
			}
			if rs, err := n.fleet.Status(context.Background(), d.Name); err == nil && weir.CountReady(rs) > 0 {
				return nil
			}
			if wire.Scaling(&d).Min == 0 {
				return nil // starts when asked
			}
		}
	}
	return errors.New("no replica of any model is ready yet")
}

// admin is the operators' view of this node.
func (n *node) admin() *adminAPI {
	return &adminAPI{
		token: n.config.Load().Admin.Token.Reveal(), hosts: n.config.Load().Admin.Hosts, metrics: n.metrics.Handler(n.log), ready: n.readiness, note: n.readyNote, shared: n.serveShared, reload: n.reload,
		replicas: n.replicaViews, usage: n.ledger.Usage, recent: n.scaler.recent, gateways: n.gateways, canaries: n.canaryViews, restartCanary: n.restartCanary, log: n.log,
	}
}
